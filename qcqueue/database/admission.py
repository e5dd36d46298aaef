"""Whether a database is one of ours, asked before anything in it is believed, and how long one may be read.

An image from a store or a file in a shared folder can hold what SQLite would carry out for whoever only looks: a view
without an end in place of a table, a trigger, a column that computes. So its schema is compared with ours, clause by
clause, before the first query, and every transaction has a number of steps that follows from the size of the file.
Always true: what has been admitted has the tables of its format and nothing else, however it came to that format.
"""

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from qcqueue.database.migrations import STEPS, format_of
from qcqueue.database.schema import meta, metadata
from qcqueue.database.sqlite import driver, foreign

# The longest text of ours is the record of a checkpoint within an epoch of many steps, of some megabytes.
CELL_BYTES_MAX = 16 << 20

# SQLite counts small steps, some tens for a row. An honest transaction takes some hundred thousand on the queue of a
# person; on one of 86 MB a report takes 1,600 million, because some questions go through all rows for every job. What
# is written in the transaction itself was not in the file when it began, so every row of that adds to its number.
TICK_STEPS = 10_000
OPENING_TICKS = 2
TICKS_MIN = 2000
BYTES_A_TICK = 500
TICKS_A_SQUARE_MEGABYTE = 200

# What a schema of ours has at most, with what SQLite adds for itself.
ROWS_MAX = 100
SQL_CHARS_MAX = 20_000

# Statistics, for a person who let SQLite's own shell make them; nothing of ours reads them.
STATISTICS = {
    "sqlite_stat1": "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
    "sqlite_stat4": "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
}

# The digest of each format's schema, whichever format it came from: to have SQLAlchemy write ours out takes longer than
# `status` may. Where none fits, the clauses decide; `tests.database.test_admission` says when one is out of date.
COMPARED = (
    "56e1dd22b47ea671",
    "0837a437e42978c8",
    "f5c29bcd54b8a087",
    "a720e4a696e670f5",
    "7e3729d7be84d1dd",
    "6b7348fa897946a6",
    "03d252dab7cf294f",
)

_SEEN = "qcqueue schema"
_ADDED = re.compile(r"\s*ALTER TABLE (\w+) ADD COLUMN (\w+)")
_MADE = re.compile(r"\s*CREATE (?:TABLE|INDEX) (\w+)")

Row = tuple[str, str, str, str]


class Steps:
    """Counts what a connection computes, and ends it where that is more than an honest database could ask for."""

    def __init__(self, connection: sqlite3.Connection, ticks: int) -> None:
        self._connection = connection
        self._changes_before = connection.total_changes
        self.ticks_left = ticks

    def __call__(self) -> bool:
        self.ticks_left -= 1
        return self.ticks_left + self._connection.total_changes - self._changes_before < 0


def harden(connection: sqlite3.Connection) -> None:
    """Let a new connection carry out nothing on behalf of what it opens, and read no cell that nobody could use."""
    _allow(connection, OPENING_TICKS)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, CELL_BYTES_MAX)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)


def admit(tx: Connection, place: Path | str, *, size_bytes: int) -> None:
    """Begin a transaction on a database of so many bytes, if it is one of ours.

    Raises: CorruptionError: it is none. UnknownFormat: it is of a newer qcqueue, or of none.
    """
    version = _schema_version(tx)
    if tx.info.get(_SEEN) != version:
        _allow(driver(tx), OPENING_TICKS)
        check_schema(tx, place)
        tx.info[_SEEN] = version
    allow(tx, size_bytes=size_bytes)


def _schema_version(tx: Connection) -> int:
    asked = "PRAGMA schema_version"
    try:
        (version,) = driver(tx).execute(asked).fetchone()  # in every transaction, so past what SQLAlchemy would add
    except sqlite3.Error:
        version = tx.exec_driver_sql(asked).scalar_one()  # whose errors are told as all others are
    return int(version)


def allow(tx: Connection, *, size_bytes: int) -> None:
    """Let a transaction compute as much as a database of so many bytes can ask for."""
    for_all_pairs = (size_bytes >> 20) ** 2 * TICKS_A_SQUARE_MEGABYTE
    _allow(driver(tx), TICKS_MIN + size_bytes // BYTES_A_TICK + for_all_pairs)


def check_schema(tx: Connection, place: Path | str) -> None:
    """Compare all tables and indexes of a database with those of its format. Raises: as `admit`."""
    rows = list(_rows(tx, place))
    if digest_of_schema(rows) in COMPARED:
        return
    found = {row[1]: _clauses(row) for row in rows if row[3]}
    # Its format decides what else it must have, so that is read first, from a table and from nothing else.
    if found.get(meta.name) != _ours()[meta.name]:
        raise foreign(place)
    if found != _schema_of(format_of(tx, place)):
        raise foreign(place)


def digest_of_schema(rows: Iterable[Row]) -> str:
    """Return what tells one schema from another, whatever the order of its parts."""
    return hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()[:16]


def _rows(tx: Connection, place: Path | str) -> Iterator[Row]:
    """Yield what SQLite keeps of a schema, but for what it adds itself: type, name, table and text, in one line."""
    asked = f"SELECT type, name, tbl_name, coalesce(substr(sql, 1, {SQL_CHARS_MAX}), '') FROM sqlite_master"
    for count, row in enumerate(tx.exec_driver_sql(asked)):
        kind, name, table, sql = row
        if count == ROWS_MAX or not all(type(it) is str for it in row):
            raise foreign(place)
        if STATISTICS.get(name) != sql:
            yield kind, name, table, " ".join(sql.split())


def _allow(connection: sqlite3.Connection, ticks: int) -> None:
    connection.set_progress_handler(Steps(connection, ticks), TICK_STEPS)


def _clauses(row: Row) -> frozenset[str]:
    """Return the parts of a statement, whose order depends on when each was added."""
    kind, _, table, sql = row
    if kind != "table":
        return frozenset({kind, table, sql})
    head, _, rest = sql.partition("(")
    body, _, tail = rest.rpartition(")")
    return frozenset({kind, table, head.strip(), f") {tail.strip()}", *_split(body)})


def _split(body: str) -> Iterator[str]:
    """Yield what commas divide outside of brackets and quotes."""
    depth, begin, quote = 0, 0, ""
    for place, char in enumerate(body):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"`":
            quote = char
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "," and depth == 0:
            yield body[begin:place].strip()
            begin = place + 1
    yield body[begin:].strip()


@cache
def _ours() -> dict[str, frozenset[str]]:
    """Return the clauses of every table and index of today, by name."""
    made: dict[str, frozenset[str]] = {}
    dialect = sqlite.dialect()
    for table in metadata.tables.values():
        sql = str(CreateTable(table).compile(dialect=dialect))
        made[table.name] = _clauses(("table", table.name, table.name, " ".join(sql.split())))
        for index in table.indexes:
            sql, name = str(CreateIndex(index).compile(dialect=dialect)), str(index.name)
            made[name] = _clauses(("index", name, table.name, " ".join(sql.split())))
    return made


@cache
def _schema_of(format_: int) -> dict[str, frozenset[str]]:
    """Return the clauses of an older format: those of today without what the steps from there on add."""
    statements = [statement for number, step in STEPS.items() if number >= format_ for statement in step]
    later = {made[1] for it in statements if (made := _MADE.match(it))}
    columns = [(added[1], f"{added[2]} ") for it in statements if (added := _ADDED.match(it))]
    found = {name: clauses for name, clauses in _ours().items() if name not in later}
    for table, begins in columns:
        if table in found:
            found[table] = frozenset(it for it in found[table] if not it.startswith(begins))
    return found
