"""Copies of the databases in tests/golden, opened as their owner would: one was written at every format there was.

The originals are never written again. `tests.queue.test_golden_queue` says how they were made.
"""

import shutil
from pathlib import Path

from qcqueue.clock import RandomIds, SystemClock
from qcqueue.database.local import LocalDatabase
from qcqueue.database.versioned import VersionedDatabase
from qcqueue.storage.slots import FolderSlots

GOLDEN = Path(__file__).parents[1] / "golden"


def golden_file(name: str, folder: Path) -> LocalDatabase:
    shutil.copyfile(GOLDEN / name, folder / name)
    return LocalDatabase(folder / name, durable=False)


def golden_chain(name: str, folder: Path) -> VersionedDatabase:
    shutil.unpack_archive(GOLDEN / name, folder / "store")
    slots = FolderSlots(folder / "store", RandomIds())
    return VersionedDatabase(slots, copy=folder / "copy", clock=SystemClock(), ids=RandomIds(), author="today")
