"""SQLite databases in memory, each opened from the bytes of a file and closed as the bytes of the next.

A transaction here is private to its process until somebody stores the new bytes. An image of an older format is
brought to today's whenever it is opened, in memory: it becomes a file of today's format with the next real change,
if the guard agrees.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.pool import NullPool

from qcqueue.database.admission import admit, allow, harden
from qcqueue.database.base import Guard, nothing
from qcqueue.database.migrations import bring_to_today
from qcqueue.database.sqlite import driver, foreign, make_engine, make_tables, translated

T = TypeVar("T")


class Images:
    """Opens images."""

    def __init__(self) -> None:
        self._engine = make_engine(NullPool, _connect)

        @event.listens_for(self._engine, "begin")
        def begin_explicitly(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN")

    def new(self, first: Callable[[Connection], None] = nothing) -> bytes:
        """Return an empty queue of today's format, in which something is done first."""
        with self._engine.connect() as tx:
            with tx.begin():
                allow(tx, size_bytes=0)
                make_tables(tx)
                first(tx)
            return driver(tx).serialize()

    def run(
        self, image: bytes, action: Callable[[Connection], T], *, place: str, guard: Guard
    ) -> tuple[T, bytes | None]:
        """Run a transaction on an image; return its result and the image it leaves, None where it changed nothing.

        guard is asked where an older image would be followed by one of today's format, before anybody has that.
        Raises: CorruptionError: the image is no queue. UnknownFormat: a newer one. ConflictError: the guard refuses.
        """
        with self._opened(image, place) as (tx, was_older):
            before = driver(tx).serialize()
            with tx.begin():
                refuse = guard.look(tx) if was_older else None
                result = action(tx)
            after = driver(tx).serialize()
            if after == before:
                return result, None
            if refuse:
                refuse()
            return result, after

    @contextmanager
    def look(self, image: bytes, *, place: str) -> Iterator[Connection]:
        """Yield a connection to an image that may not be written. Raises: as `run` does."""
        with self._opened(image, place) as (tx, _):
            driver(tx).execute("PRAGMA query_only = ON")
            with tx.begin():
                yield tx

    @contextmanager
    def _opened(self, image: bytes, place: str) -> Iterator[tuple[Connection, bool]]:
        """Yield a connection to an image of today's format, and whether it was of an older one."""
        with translated(place), self._engine.connect() as tx:
            try:
                driver(tx).deserialize(image)
            except sqlite3.DatabaseError as exc:
                raise foreign(place) from exc
            with tx.begin():
                admit(tx, place, size_bytes=len(image))
                was_older = bring_to_today(tx, place)
            yield tx, was_older


def _connect() -> sqlite3.Connection:
    # The driver must not open transactions of its own; a reader may hand its connection to another thread.
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    harden(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection
