"""Whatever stands in a column of the queue, every command that reads it answers in one sentence or works.

A queue with a job in each state is spoilt in one column at a time, as a damaged disk or a hostile person would, past
all that the schema forbids. A bug of ours would end with exit 1 and a traceback; a command may say that the queue is
damaged, that a thing is not there, or not see the column at all. Nothing of it gives orders to a terminal.
"""

import contextlib
import itertools
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Float, Integer, Text

from qcqueue.cli.main import run
from qcqueue.database.schema import metadata
from tests.cli.queues import STUDY, House

COMMANDS = (
    "",
    "status",
    "status --json",
    "show tiny/done",
    "show tiny/running --json",
    "log tiny/done",
    "log tiny/running --json",
    "why tiny/running",
    "why tiny/queued",
    "why tiny/failed",
    "plan",
    "plan --json",
    "quota",
    "simulate --seeds 1 --policy fifo",
    "data list",
    "data show qc-tiny --json",
    "store usage",
    "store verify --quick",
    "store gc",
    "hold tiny/queued",
    "move tiny/queued first",
    "retry tiny/failed",
    "enqueue study.toml --dry-run",
    "fetch tiny/done --format safetensors",
    "data remove qc-tiny --yes",
)

# Done, bad input, what is wanted is not in the store, damage, held elsewhere, nothing to do.
ALLOWED = {0, 2, 4, 5, 6, 7}

NUMBERS: tuple[Any, ...] = ("text", b"\xff\xfe", -1, 1 << 62, 1e300, float("inf"), float("-inf"))
WORDS: tuple[Any, ...] = (
    17,
    b"\xff\xfe\x00",
    "",
    "no such word",
    "\x1b[2J\x1b]0;mine\x07\nqcqueue: all is well",
    "x" * 1_000_000,
)
TEXTS: tuple[Any, ...] = (
    "{",
    "[]",
    "17",
    '{"a": {}}',
    '{"a": 1}',
    '{"train": -1e300}',
    '{"a": 1e999}',
    '{"a": "\\ud800"}',
    "[" * 100_000,
    "9" * 5000,
)
JSON = {"spec", "summary", "seconds", "pace", "rehearsal", "identity", "record", "result"}


@pytest.fixture
def queue(house: House) -> House:
    """A queue with rows in every table."""
    house.write("study.toml", f'{STUDY}[[job]]\nmodel = "VGG16"\nname = "queued"\n[[job]]\nmodel = "Xception"\n')
    with contextlib.closing(sqlite3.connect(house.database)) as connection, connection:
        for statement in (
            "INSERT INTO numbers SELECT name, 3 FROM jobs",
            "INSERT INTO last_words (attempt_id, words) SELECT id, 'Traceback' FROM attempts",
            "INSERT INTO history (at_s, who, what, job_id, why) SELECT 1.7e9, (SELECT id FROM sessions LIMIT 1),"
            " 'waits for weights', id, 'the network is away' FROM jobs WHERE name = 'tiny/queued'",
            "INSERT INTO pretrained SELECT 'vgg16_notop.h5', min(sha256), 1.7e9 FROM blobs",
            "INSERT INTO forecasts SELECT 1, id, 'tiny', 1.7e9, 1.71e9, 1.72e9, 1.73e9 FROM sessions LIMIT 1",
            "INSERT INTO forecasts SELECT 2, id, NULL, 1.7e9, 1.71e9, 1.72e9, 1.73e9 FROM sessions LIMIT 1",
        ):
            with contextlib.suppress(sqlite3.IntegrityError):  # the queue has written such a row itself
                connection.execute(statement)
    return house


@pytest.mark.parametrize("table", [table.name for table in metadata.sorted_tables if table.name != "meta"])
def test_a_bad_value_in_any_column_is_told_or_passed_over(
    table: str, queue: House, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = queue.database.read_bytes()
    columns = metadata.tables[table].columns
    # One command a value, and another one for the same value in the next column; two for NULL.
    turn = itertools.cycle(COMMANDS)
    for number, column in enumerate(columns):
        next(turn)
        for value in values_for(column, number % 2):
            queue.database.write_bytes(sound)
            if not spoil(queue.database, table, column, value):
                continue
            spoilt = queue.database.read_bytes()
            for command in (next(turn), next(turn)) if value is None else (next(turn),):
                queue.database.write_bytes(spoilt)
                code = run(command.split())
                said = capsys.readouterr()
                where = f"{table}.{column.name} = {value!r:.40}: qcqueue {command}: {said.err[-2000:]}"
                assert code in ALLOWED, where
                assert "Traceback" not in said.err, where
                assert (said.out + said.err).replace("\n", "").isprintable(), where
                assert "\nqcqueue: all is well" not in said.out, where


def values_for(column: Column[Any], half: int) -> tuple[Any, ...]:
    """Return bad values for a column: half of them, because its neighbours have the other half."""
    if isinstance(column.type, Float | Integer):
        return (*NUMBERS[half::2], None)
    return (*WORDS[half::2], None, *(TEXTS[half::2] if isinstance(column.type, Text) and column.name in JSON else ()))


def spoil(path: Path, table: str, column: Column[Any], value: Any) -> bool:
    """Put a value into a column, in every row where that can be, past all that the schema forbids."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in (
            "foreign_keys = OFF",
            "ignore_check_constraints = ON",
            "writable_schema = ON",
            "synchronous = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
        (version,) = connection.execute("PRAGMA schema_version").fetchone()
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        rewrite(connection, table, re.sub(r"(?<!IS) NOT NULL", "", sql), version + 1)
        is_text = isinstance(value, bytes) and not isinstance(column.type, Float | Integer)
        change = f"UPDATE {table} SET {column.name} = {'CAST(? AS TEXT)' if is_text else '?'}"
        first = f"(SELECT {column.name} FROM {table} ORDER BY 1 LIMIT 1)"
        for rows in ("", f" WHERE {column.name} = {first}"):  # two rows may not always have the same
            with contextlib.suppress(sqlite3.IntegrityError):
                done = connection.execute(change + rows, (value,)).rowcount
                break
        else:
            done = 0  # a key of numbers takes no others
        rewrite(connection, table, sql, version + 2)
    return done > 0


def rewrite(connection: sqlite3.Connection, table: str, sql: str, version: int) -> None:
    connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, table))
    connection.execute(f"PRAGMA schema_version = {version}")
