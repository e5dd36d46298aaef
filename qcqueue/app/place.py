"""A queue opened on this machine, as a value: database, store, clock and names.

`workplace` and `drive` make one from settings. Nothing here knows where a queue lies.
"""

import getpass
import hashlib
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from qcqueue.app.settings import refuse_synced
from qcqueue.clock import Clock, Ids
from qcqueue.core.lease import LeaseRules
from qcqueue.database.base import Database, Home
from qcqueue.storage.base import Slots, Store

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qcqueue.database.versioned import Behind, VersionedDatabase

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """who names the person in the story of a job. behind: how old the last read was, if not of now.

    greet asks the store, before long work begins, what would hinder it later; it returns a sentence on whose it is.
    warning: what will hinder it in the days to come, as far as this machine knows without asking anybody.
    origin: the store itself, where `store` also hands out what this machine keeps beside it. slots: where the database
    keeps its versions, if it does. folder: where the store lies on a disk. free_bytes: how much more it can take, None
    where it does not tell or has no limit; asking costs one request at most. versions: the database once more, where it
    is one of versions, for what only such a one can do.
    """

    database: Home
    store: Store
    clock: Clock
    ids: Ids
    cache: Path
    who: str
    lease: LeaseRules = LeaseRules()  # noqa: RUF009 (a frozen value)
    behind: "Callable[[], Behind | None]" = lambda: None
    greet: Callable[[], str | None] = lambda: None
    warning: Callable[[], str | None] = lambda: None
    origin: Store | None = None
    slots: Slots | None = None
    versions: "VersionedDatabase | None" = None
    folder: Path | None = None
    free_bytes: Callable[[], int | None] = lambda: None

    @property
    def store_itself(self) -> Store:
        """The store without what this machine keeps beside it."""
        return self.origin or self.store

    def transact(self, action: "Callable[[Connection], T]", *, dry_run: bool = False) -> T:
        """Run a transaction; with dry_run, run it to its result or refusal, and take everything back.

        Raises: OlderSession: it would end a session of an older qcqueue.
        """
        return self.database.transact(action, dry_run=dry_run)

    def ask_to_write(self) -> None:
        """See that changes are not refused, before anything is stored or deleted for one. Raises: as `transact`."""
        from qcqueue.queue.story import tell

        self.transact(lambda tx: tell(tx, who=self.who, what="asked", now_s=self.clock.now_s(), why=""), dry_run=True)

    def read(self) -> "AbstractContextManager[Connection]":
        return self.database.read()

    def as_of_s(self) -> float:
        """Return the time of what the last read showed: now, or when the store last confirmed this machine's copy."""
        behind = self.behind()
        return behind.since_s if behind else self.clock.now_s()


class _TakenBackError(Exception):
    """Carries the result of a rehearsed transaction out of it, so that the database rolls back."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result


def rehearse(database: Database, action: "Callable[[Connection], T]") -> T:
    """Return what `action` would return, changing nothing: for a look that has to write on what it looks at."""

    def take_back(tx: "Connection") -> T:
        raise _TakenBackError(action(tx))

    try:
        return database.transact(take_back)
    except _TakenBackError as exc:
        return exc.result  # type: ignore[return-value]


def person() -> str:
    """Return who sits at which machine, for the story of a job."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return socket.gethostname()


def kept_of_queue(cache: Path, name: bytes) -> Path:
    """Return where this machine keeps what it knows of a queue. Raises: SettingInvalid: the cache is synced."""
    refuse_synced(cache.absolute())
    return cache / "queues" / hashlib.sha256(name).hexdigest()[:16]
