"""Whatever stands in a column of the queue, every command that reads it answers in one sentence or works.

A queue with a job in each state is spoilt in one column at a time, as a damaged disk or a hostile person would, past
all that the schema forbids. A bug of ours would end with exit 1 and a traceback; a command may say that the queue is
damaged, that a thing is not there, or not see the column at all.
"""

import contextlib
import re
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Float, Integer

from qcqueue.database.schema import metadata

READING = (
    "",
    "status",
    "status --json",
    "show tiny/done",
    "show tiny/running --json",
    "log tiny/done",
    "why tiny/running",
    "why tiny/queued",
    "plan",
    "quota",
    "data list",
    "store usage",
    "store verify --quick",
    "store gc",
)
WRITING = ("hold tiny/queued", "move tiny/queued first", "retry tiny/failed", "enqueue study.toml --dry-run")
RARE = ("report --out page", "fetch tiny/done --format safetensors", "export tensorboard --out logs", "work")

# Exit codes a command may end with: done, bad input, the store has not that, corruption, held elsewhere, nothing to do.
ALLOWED = {0, 2, 3, 4, 5, 6, 7}

NUMBERS: tuple[Any, ...] = ("text", b"\xff\xfe", None, -1, 1 << 62, 1e300, float("inf"), float("-inf"))
WORDS: tuple[Any, ...] = (
    17,
    b"\xff\xfe\x00",
    None,
    "",
    "no such word",
    "\x1b[2J\x1b]0;mine\x07\nqcqueue: all is well",
    "x" * 1_000_000,
)
TEXTS: tuple[Any, ...] = (
    "{",
    "[]",
    "null",
    "17",
    '{"a": {}}',
    '{"a": 1e999}',
    '{"a": NaN}',
    '"\\ud800"',
    "[" * 100_000,
    "9" * 5000,
    '{"epochs": "many"}',
)
EVERY = [(table.name, column) for table in metadata.sorted_tables for column in table.columns]


def spoil(path: Path, table: str, column: Column[Any], value: Any) -> None:
    """Put a value into a column, in every row where that can be, past all that the schema forbids."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("PRAGMA writable_schema = ON")
        (version,) = connection.execute("PRAGMA schema_version").fetchone()
        (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
        rewrite(connection, table, re.sub(r"(?<!IS) NOT NULL", "", sql), version + 1)
        put_in = "CAST(? AS TEXT)" if isinstance(value, bytes) and is_text(column) else "?"
        try:
            connection.execute(f"UPDATE {table} SET {column.name} = {put_in}", (value,))
        except sqlite3.IntegrityError:  # two rows may not have it
            first = f"(SELECT {column.name} FROM {table} ORDER BY 1 LIMIT 1)"
            connection.execute(f"UPDATE {table} SET {column.name} = {put_in} WHERE {column.name} = {first}", (value,))
        rewrite(connection, table, sql, version + 2)


def rewrite(connection: sqlite3.Connection, table: str, sql: str, version: int) -> None:
    connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, table))
    connection.execute(f"PRAGMA schema_version = {version}")


def is_text(column: Column[Any]) -> bool:
    return not isinstance(column.type, Float | Integer)


def values_for(column: Column[Any]) -> tuple[Any, ...]:
    return WORDS + TEXTS if is_text(column) else NUMBERS


def fill(path: Path) -> None:
    """Put rows into the tables that a queue of tests leaves empty."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in (
            "INSERT INTO numbers SELECT name, 3 FROM jobs",
            "INSERT INTO last_words (attempt_id, words) SELECT id, 'Traceback' FROM attempts",
            "INSERT INTO pretrained SELECT 'vgg16_notop.h5', min(sha256), 1.7e9 FROM blobs",
            "INSERT INTO forecasts SELECT 1, id, 'tiny', 1.7e9, 1.71e9, 1.72e9, 1.73e9 FROM sessions LIMIT 1",
            "INSERT INTO forecasts SELECT 2, id, NULL, 1.7e9, 1.71e9, 1.72e9, 1.73e9 FROM sessions LIMIT 1",
        ):
            connection.execute(statement)
