"""What every SQLite home of the database has in common: its tables, its format, and its errors told as ours.

`place` names the database for a person: a file, or a version in a store.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, insert, select
from sqlalchemy.exc import DatabaseError, OperationalError

from qcqueue.database.schema import FORMAT, meta, metadata
from qcqueue.errors import CorruptionError, NewerQueue, StoreBusy, StoreError, UnknownFormat

BUSY_TIMEOUT_S = 30.0
UPGRADE = "pip install --upgrade qcqueue"
RESCUE = "put the store back from a copy, or begin anew: qcqueue init --store folder:ANOTHER-PLACE"


def make_tables(tx: Connection) -> None:
    """Make an empty queue of today's format."""
    metadata.create_all(tx)
    tx.execute(insert(meta).values(format=FORMAT))


def each(name: str) -> Select[Any]:
    """Return the values of a list for an IN, to be given under this name as JSON.

    SQLAlchemy writes a list of its own into the statement anew each time, which takes longer than to run it.
    """
    return select(func.json_each(bindparam(name)).table_valued("value").c.value)


def unknown_format(place: Path | str, found: object) -> UnknownFormat:
    says, hint = f"{place} has database format {found}; this qcqueue knows up to {FORMAT}", UPGRADE
    if isinstance(found, int) and found > FORMAT:
        return NewerQueue(says, hint=hint, found=found)
    return UnknownFormat(says, hint=hint)


def driver(tx: Connection) -> sqlite3.Connection:
    """Return the connection of the library below, for what SQLAlchemy has no words for."""
    connection = tx.connection.driver_connection
    assert isinstance(connection, sqlite3.Connection)
    return connection


@contextmanager
def translated(place: Path | str) -> Iterator[None]:
    try:
        yield
    except OperationalError as exc:
        raise _operational(place, exc) from exc
    except DatabaseError as exc:
        if isinstance(exc.orig, sqlite3.IntegrityError):
            raise
        raise CorruptionError(f"{place} is not a sound SQLite database: {exc.orig}", hint=RESCUE) from exc


def _operational(place: Path | str, exc: OperationalError) -> StoreError | CorruptionError:
    reason = str(exc.orig)
    if "locked" in reason or "busy" in reason:
        return StoreBusy(f"another program has held {place} for {BUSY_TIMEOUT_S:.0f} s", hint="try again in a moment")
    if "no such table" in reason or "no such column" in reason:
        return foreign(place)
    if "interrupted" in reason:  # by us, see `admission`
        return CorruptionError(f"{place} is damaged: to read it would take without end", hint=RESCUE)
    if "not decode to UTF-8" in reason:
        return CorruptionError(f"{place} is damaged: it holds text that is not UTF-8", hint=RESCUE)
    return StoreError(f"{place}: {reason}")


def foreign(place: Path | str) -> CorruptionError:
    return CorruptionError(f"{place} is not a qcqueue database", hint="qcqueue init --store folder:ANOTHER_PLACE")
