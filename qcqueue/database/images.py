"""SQLite databases in memory, each opened from the bytes of a file and closed as the bytes of the next.

A transaction here is private to its process until somebody stores the new bytes. An image of an older format is
brought to today's whenever it is opened, in memory: it becomes a file of today's format with the next real change.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

from qcqueue.database.migrations import bring_to_today
from qcqueue.database.sqlite import foreign, make_tables, translated

T = TypeVar("T")


class Images:
    """Opens images. One engine for all of them, so that SQLAlchemy compiles each statement once."""

    def __init__(self) -> None:
        self._engine = create_engine("sqlite://", creator=_connect, poolclass=NullPool)

        @event.listens_for(self._engine, "begin")
        def begin_explicitly(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN")

    def new(self) -> bytes:
        """Return an empty queue of today's format."""
        with self._engine.connect() as tx:
            with tx.begin():
                make_tables(tx)
            return _driver(tx).serialize()

    def run(self, image: bytes, action: Callable[[Connection], T], *, place: str) -> tuple[T, bytes | None]:
        """Run a transaction on an image; return its result and the image it leaves, None where it changed nothing.

        Raises: CorruptionError: the image is no queue. UnknownFormat: a newer one.
        """
        with self._opened(image, place) as tx:
            before = _driver(tx).serialize()
            with tx.begin():
                result = action(tx)
            after = _driver(tx).serialize()
            return result, None if after == before else after

    @contextmanager
    def look(self, image: bytes, *, place: str) -> Iterator[Connection]:
        """Yield a connection to an image that may not be written. Raises: as `run` does."""
        with self._opened(image, place) as tx:
            _driver(tx).execute("PRAGMA query_only = ON")
            with tx.begin():
                yield tx

    @contextmanager
    def _opened(self, image: bytes, place: str) -> Iterator[Connection]:
        with translated(place), self._engine.connect() as tx:
            try:
                _driver(tx).deserialize(image)
            except sqlite3.DatabaseError as exc:
                raise foreign(place) from exc
            with tx.begin():
                bring_to_today(tx, place)
            yield tx


def _connect() -> sqlite3.Connection:
    # The driver must not open transactions of its own; a reader may hand its connection to another thread.
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _driver(tx: Connection) -> sqlite3.Connection:
    connection = tx.connection.driver_connection
    assert isinstance(connection, sqlite3.Connection)
    return connection
