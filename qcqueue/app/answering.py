"""The database as commands and sessions use it: it answers where the queue is at home, and says where else that is.

What a database says of its home is asked in the transaction or the read itself, so nobody is answered from a queue that
was moved a moment ago. A copy asks the home it was made of, outside of its own transaction: what that has said once can
only be taken back by way of this copy. Always true: of two homes between which a queue moves, one answers.
"""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from qcqueue.app.home_address import stored_home
from qcqueue.database.base import StoredDatabase
from qcqueue.errors import QcqueueError, QueueMoved
from qcqueue.queue.moves import Move, Residence, residence_of, settle

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")

AskHome = Callable[[str], Residence]
"""Asks a home, by its address, where its queue is kept. Raises: QcqueueError: it does not say."""


class _UnmetError(Exception):
    """Leads out of a transaction on a copy whose source has not been asked."""

    def __init__(self, copied_from: Move) -> None:
        super().__init__()
        self.copied_from = copied_from


class AnsweringDatabase:
    """A stored database that refuses where its queue is kept elsewhere. Implements `database.base.StoredDatabase`.

    itself: the same, whoever asks. url: its home, for messages.
    """

    def __init__(self, itself: StoredDatabase, *, url: str, ask: AskHome) -> None:
        self.itself = itself
        self._url = url
        self._ask = ask

    def transact(self, action: "Callable[[Connection], T]", *, dry_run: bool = False) -> T:
        """As `StoredDatabase.transact`; a copy whose source has moved here is a home by itself from then on.

        Raises: QueueMoved.
        """
        met: Move | None = None

        def at_home(tx: "Connection") -> T:
            residence = residence_of(tx)
            if not residence.is_home:
                if residence.copied_from is None or residence.copied_from != met:
                    raise self._away(residence)
                settle(tx)
            return action(tx)

        while True:
            try:
                return self.itself.transact(at_home, dry_run=dry_run)
            except _UnmetError as exc:
                self._check_met(exc.copied_from)
                met = exc.copied_from

    @contextmanager
    def read(self) -> "Iterator[Connection]":
        """As `StoredDatabase.read`. Raises: QueueMoved."""
        with self.itself.read() as tx:
            residence = residence_of(tx)
            if not residence.is_home:
                try:
                    raise self._away(residence)
                except _UnmetError as exc:
                    self._check_met(exc.copied_from)
            yield tx

    def _away(self, residence: Residence) -> Exception:
        """Return what to raise where a database is no home, or none by itself."""
        copied_from, moved_to = residence.copied_from, residence.moved_to
        if copied_from and copied_from.digest:
            return _UnmetError(copied_from)
        if moved_to:
            return moved(self._url, moved_to)
        assert copied_from
        return unfinished(self._url, copied_from, f"is half a copy of the queue in {copied_from.home}, which goes on")

    def _check_met(self, copied_from: Move) -> None:
        """Raises: QueueMoved: the source of this copy still answers, or cannot be asked."""
        source = copied_from.home
        try:
            there = self._ask(source)
        except QcqueueError as exc:
            says = f"is a copy of the queue in {source}, and whether that has moved here cannot be known: {exc}"
            raise unfinished(self._url, copied_from, says) from exc
        if copied_from.is_met_by(there.moved_to):
            return
        if there.moved_to:
            raise moved(source, there.moved_to)
        raise unfinished(self._url, copied_from, f"is a copy of the queue in {source}, which goes on there")


def moved(url: str, to: Move) -> QueueMoved:
    """Return what a home says whose queue was moved."""
    there = stored_home(to.home, source=url)
    return QueueMoved(f"the queue of {url} was moved to {to.home}", hint=there.types("status"))


def unfinished(url: str, copied_from: Move, says: str) -> QueueMoved:
    """Return what a copy says that is no home yet."""
    finish = f"qcqueue store copy {shlex.quote(copied_from.home)} {shlex.quote(url)}"
    source = stored_home(copied_from.home, source=url)
    return QueueMoved(f"{url} {says}", hint=f"{finish}, which finishes it; or {source.types('status')}")
