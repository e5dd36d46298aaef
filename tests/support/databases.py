"""A database that can be busy, and that sessions die in: before, inside and after their transactions.

`FaultyDatabase` wraps the real `LocalDatabase` for one session or person. After every commit the invariants look
at the file itself, so a wrong commit is caught at the commit and not when it hurts.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection

from qcqueue.database.local import LocalDatabase
from qcqueue.errors import OutcomeUnknown, StoreBusy
from tests.support.chance import Fault, Faults
from tests.support.ledger import Ledger

T = TypeVar("T")


class FaultyDatabase:
    """The database as one session sees it. Implements `database.base.Database`."""

    def __init__(self, database: LocalDatabase, ledger: Ledger, faults: Faults, pause: Callable[[], None]) -> None:
        self._database = database
        self._ledger = ledger
        self._faults = faults
        self._pause = pause

    def transact(self, action: Callable[[Connection], T]) -> T:
        self._pause()
        self._faults.crash_on(Fault.KILL_BEFORE_COMMIT)
        self._refuse()
        with self._ledger.in_transaction():
            outcome = self._database.transact(lambda tx: self._run(action, tx))
        self._ledger.look()
        self._faults.crash_on(Fault.KILL_AFTER_COMMIT)
        if self._faults.hit(Fault.COMMIT_UNANSWERED):
            raise OutcomeUnknown("the answer to a commit was lost")
        self._pause()
        return outcome

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self._pause()
        self._refuse()
        with self._ledger.in_transaction(), self._database.read() as tx:
            yield tx

    def _refuse(self) -> None:
        if self._faults.hit(Fault.DATABASE_BUSY):
            raise StoreBusy("the database is busy")

    def _run(self, action: Callable[[Connection], T], tx: Connection) -> T:
        outcome = action(tx)
        self._faults.crash_on(Fault.KILL_IN_COMMIT)
        return outcome
