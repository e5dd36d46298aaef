"""Two verbs that every home of the database owes: transact and read."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


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
