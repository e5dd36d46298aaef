"""Two verbs that every home of the database owes, transact and read, and who is asked before its format is raised."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


def nothing(tx: Connection) -> None:
    """A new queue is empty."""


class Database(Protocol):
    """A place the queue lives in. Transactions are serializable."""

    def transact(self, action: Callable[[Connection], T]) -> T:
        """Run `action` in one write transaction and return its result once it is durable.

        If `action` raises, nothing is changed and the error passes through. It may be run more than once (a
        rival commit came first), so it must depend on nothing but the connection and its own values.
        """
        ...

    def read(self) -> AbstractContextManager[Connection]:
        """Yield a connection that sees one unchanging state and may not write."""
        ...


class StoredDatabase(Database, Protocol):
    """A database where it is kept, of whatever format: reading leaves that as it is, a change raises it to today's."""

    def transact(self, action: Callable[[Connection], T], *, dry_run: bool = False) -> T:
        """As `Database.transact`; with dry_run, run it to its result, or to its refusal, and take everything back."""
        ...


Refuse = Callable[[], None]
"""Called where the format would be raised. Raises: ConflictError: not now."""


class Guard(Protocol):
    """Who is asked before a database of an older format is stored in today's, which an older qcqueue cannot read."""

    def look(self, tx: Connection) -> Refuse:
        """Look at the queue as it is before a transaction that may raise its format; what is found is said later."""
        ...

    def raised(self) -> None:
        """Be told that the queue is stored in today's format now."""


class Unguarded:
    """Lets everybody raise the format: for a queue that only its own process knows."""

    def look(self, tx: Connection) -> Refuse:
        return lambda: None

    def raised(self) -> None:
        pass
