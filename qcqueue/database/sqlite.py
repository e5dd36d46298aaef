"""What every SQLite home of the database has in common: its engine, its tables, and its errors told as ours.

`place` names the database for a person: a file, or a version in a store.
"""

import contextlib
import functools
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, insert
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import Pool
from sqlalchemy.util import LRUCache

from qcqueue.database.schema import FORMAT, meta, metadata
from qcqueue.errors import (
    CorruptionError,
    NewerQueue,
    QcqueueError,
    StoreBusy,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreMissing,
    UnknownFormat,
)
from qcqueue.stores.files import is_folder, missing

BUSY_TIMEOUT_S = 30.0
UPGRADE = "pip install --upgrade qcqueue"
AGAIN = "the same again"
CHECK_STEPS_MAX = 200_000_000
RESCUE = (
    "put the whole store back from a copy, then type on each machine that refuses it: qcqueue store adopt; "
    "or begin anew: qcqueue init --store folder:ANOTHER-PLACE"
)


STATEMENTS_MAX = 1000


def make_engine(pool: type[Pool], connect: Callable[[], Any], **limits: Any) -> Engine:
    """Return an engine of `connect`, which opens with `sqlite3`; limits: of its pool, as the class of that names them.

    All engines of a process share the statements that SQLAlchemy compiled: to compile one takes longer than to run it,
    and `create_engine` does so again for each file.
    """
    template, statements = _shared()
    connections = pool(connect, dialect=template.dialect, **limits)
    return Engine(connections, template.dialect, template.url, execution_options={"compiled_cache": statements})


@functools.cache
def _shared() -> tuple[Engine, LRUCache[Any, Any]]:
    """Return an engine whose dialect knows this SQLite, and what was compiled for that dialect."""
    template = create_engine("sqlite://")
    with template.connect():  # the dialect asks the first connection what it can
        pass
    template.dispose()
    return template, LRUCache(STATEMENTS_MAX)


def make_tables(tx: Connection) -> None:
    """Make an empty queue of today's format."""
    metadata.create_all(tx)
    tx.execute(insert(meta).values(format=FORMAT))


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
        if _code(exc) != sqlite3.SQLITE_TOOBIG and isinstance(place, Path) and _is_sound(place):
            raise StoreError(
                f"{place} could not be read: its disk failed for a moment, and the file itself is sound", hint=AGAIN
            ) from exc
        raise CorruptionError(f"{place} is not a sound SQLite database: {exc.orig}", hint=RESCUE) from exc
    except UnicodeDecodeError as exc:  # Python could not read what SQLite said of a name that is no text
        raise CorruptionError(f"{place} is not a sound SQLite database: a name in it is no text", hint=RESCUE) from exc


def _operational(place: Path | str, exc: OperationalError) -> QcqueueError:
    reason = str(exc.orig)
    if "locked" in reason or "busy" in reason:
        return StoreBusy(f"another program has held {place} for {BUSY_TIMEOUT_S:.0f} s", hint="try again in a moment")
    if "no such table" in reason or "no such column" in reason:
        return foreign(place)
    if "not decode to UTF-8" in reason:
        return CorruptionError(f"{place} is damaged: it holds text that is not UTF-8", hint=RESCUE)
    if getattr(exc.orig, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_DBMOVED:
        return StoreMissing(f"{place} was moved or removed while it was in use", hint=f"put it back, then {AGAIN}")
    match _code(exc):
        case sqlite3.SQLITE_INTERRUPT:  # by us, see `admission`
            return CorruptionError(f"{place} is damaged: to read it would take without end", hint=RESCUE)
        case sqlite3.SQLITE_CANTOPEN if isinstance(place, Path):
            return _cannot_open(place, reason)
        case sqlite3.SQLITE_FULL:
            return StoreFull(f"there is no room left for {place}: {reason}", hint=f"make room there, then {AGAIN}")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return StoreDenied(f"{place} may not be written: {reason}", hint=f"allow it, then {AGAIN}")
        case sqlite3.SQLITE_ERROR:
            # Our statements are right, so it is the file: its schema, or text that is none.
            return CorruptionError(f"{place} is not a sound SQLite database: {reason}", hint=RESCUE)
    return StoreError(f"{place}: {reason}", hint=AGAIN)


def _cannot_open(path: Path, reason: str) -> StoreError:
    """Say what keeps a file that was there from being opened: SQLite has one sentence for all of it."""
    if not is_folder(path.parent):
        return missing(path.parent)
    with contextlib.suppress(OSError):
        if not path.exists():
            return StoreMissing(f"{path} is not there any more", hint=f"put it back, then {AGAIN}")
        if not (os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)):
            return StoreDenied(f"{path} may not be opened or written by this account", hint=f"allow it, then {AGAIN}")
    return StoreError(f"{path}: {reason}", hint=AGAIN)


def _code(exc: DatabaseError) -> int:
    """Return the primary code of an error of SQLite; one without is of a statement."""
    return int(getattr(exc.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def _is_sound(path: Path) -> bool:
    """Return whether SQLite finds no fault with a file now: what a failing disk does to it looks like a damage.

    Opened by SQLite and nobody else, because closing a file gives up the locks of the whole process on it.
    """
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as looking:
        try:
            looking.set_progress_handler(lambda: 1, CHECK_STEPS_MAX)
            return [row[0] for row in looking.execute("PRAGMA quick_check(1)")] == ["ok"]
        except sqlite3.Error:
            return False


def foreign(place: Path | str) -> CorruptionError:
    """Say that a file is no queue, or not one yet."""
    with contextlib.suppress(OSError):
        if isinstance(place, Path) and place.stat().st_size == 0:
            return CorruptionError(
                f"{place} is empty: its init was cut off and never finished, or all of it is lost",
                hint=f"qcqueue init, which finishes it; or {RESCUE}",
            )
    return CorruptionError(f"{place} is not a qcqueue database", hint="qcqueue init --store folder:ANOTHER_PLACE")
