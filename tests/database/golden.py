"""Copies of the databases in tests/golden, opened as their owner would: one was written at every format there was.

The originals are never written again. `tests.queue.test_golden_queue` says how they were made. Where a test wants rows
that no golden file has, `lower` takes back what the newest step has added to a file of today.
"""

import contextlib
import re
import shutil
import sqlite3
from pathlib import Path

from qcqueue.clock import RandomIds, SystemClock
from qcqueue.database.local import LocalDatabase
from qcqueue.database.migrations import STEPS
from qcqueue.database.rows import digest_of_row
from qcqueue.database.schema import FORMAT, attempts, epochs
from qcqueue.database.versioned import VersionedDatabase
from qcqueue.stores.folder_slots import FolderSlots

GOLDEN = Path(__file__).parents[1] / "golden"


def golden_file(name: str, folder: Path) -> LocalDatabase:
    shutil.copyfile(GOLDEN / name, folder / name)
    return LocalDatabase(folder / name, durable=False)


def golden_chain(name: str, folder: Path) -> VersionedDatabase:
    shutil.unpack_archive(GOLDEN / name, folder / "store")
    slots = FolderSlots(folder / "store", RandomIds())
    return VersionedDatabase(slots, copy=folder / "copy", clock=SystemClock(), ids=RandomIds(), author="today")


def lower(path: Path) -> None:
    """Turn a file of today's format into what the qcqueue before would have written."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE epochs SET identity = (SELECT identity FROM attempts WHERE id = attempt_id) WHERE identity = ''"
        )
        for statement in reversed(STEPS[FORMAT - 1]):
            if added := re.match(r"\s*ALTER TABLE (\w+) ADD COLUMN (\w+)", statement):
                connection.execute(f"ALTER TABLE {added[1]} DROP COLUMN {added[2]}")
            elif made := re.match(r"\s*CREATE (?:UNIQUE )?(TABLE|INDEX) (\w+)", statement):
                connection.execute(f"DROP {made[1]} {made[2]}")
        connection.execute("UPDATE meta SET format = ?", (FORMAT - 1,))
        connection.row_factory = sqlite3.Row
        for table in (attempts, epochs):
            for row in connection.execute(f"SELECT * FROM {table.name} WHERE digest IS NOT NULL").fetchall():
                vouched = digest_of_row(table, dict(row)), row["id"]
                connection.execute(f"UPDATE {table.name} SET digest = ? WHERE id = ?", vouched)
