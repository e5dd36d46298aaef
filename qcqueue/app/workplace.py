"""A queue opened on this machine: database, store, clock and names, wired from settings.

Everything a command does goes through a `Workplace`. Opening one is cheap: no file is touched before it is used.
"""

import getpass
import hashlib
import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from qcqueue.app.settings import (
    FILE_NAME,
    NEXT_STEP,
    Settings,
    folder_of,
    kind_of,
    load_settings,
    refuse_synced,
    write_settings,
)
from qcqueue.clock import Clock, Ids, RandomIds, SystemClock
from qcqueue.core.lease import LeaseRules
from qcqueue.database.base import Database
from qcqueue.database.local import LocalDatabase
from qcqueue.errors import SettingInvalid, StoreMissing
from qcqueue.storage.base import Store
from qcqueue.storage.folder import FolderStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qcqueue.database.versioned import Behind, VersionedDatabase
    from qcqueue.storage.slots import FolderSlots

T = TypeVar("T")

DATABASE_FILE = "queue.sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """who names the person in the story of a job. behind: how old the last read was, if not of now.

    greet asks the store, before long work begins, what would hinder it later; it returns a sentence on whose it is.
    warning: what will hinder it in the days to come, as far as this machine knows without asking anybody.
    """

    database: Database
    store: Store
    clock: Clock
    ids: Ids
    cache: Path
    who: str
    lease: LeaseRules = LeaseRules()  # noqa: RUF009 (a frozen value)
    behind: "Callable[[], Behind | None]" = lambda: None
    greet: Callable[[], str | None] = lambda: None
    warning: Callable[[], str | None] = lambda: None

    def transact(self, action: "Callable[[Connection], T]", *, dry_run: bool = False) -> T:
        """Run a transaction; with dry_run, run it to its result and take everything back."""
        return rehearse(self.database, action) if dry_run else self.database.transact(action)

    def read(self) -> "AbstractContextManager[Connection]":
        return self.database.read()

    def as_of_s(self) -> float:
        """Return the time of what the last read showed: now, or when the store last confirmed this machine's copy."""
        behind = self.behind()
        return behind.since_s if behind else self.clock.now_s()


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """What `create_store` found and made. settings_file is None where the store was named in another way.

    page: where a person can look at it in a browser.
    """

    url: str
    is_new: bool
    settings_file: Path | None
    page: str | None = None


class _TakenBackError(Exception):
    """Carries the result of a rehearsed transaction out of it, so that the database rolls back."""

    def __init__(self, result: object) -> None:
        super().__init__()
        self.result = result


def rehearse(database: Database, action: "Callable[[Connection], T]") -> T:
    """Return what `action` would return, changing nothing."""

    def take_back(tx: "Connection") -> T:
        raise _TakenBackError(action(tx))

    try:
        return database.transact(take_back)
    except _TakenBackError as exc:
        return exc.result  # type: ignore[return-value]


def open_workplace(settings: Settings, *, persistent: bool = False) -> Workplace:
    """Wire the queue the settings name. persistent: where the store is far away, ask for minutes if it must be.

    Raises: SettingInvalid: they name none, or one this version cannot open.
    """
    if settings.store is None:
        raise SettingInvalid(
            f"no store is named: there is no {FILE_NAME} here or above, and QCQUEUE_STORE is not set", hint=NEXT_STEP
        )
    if kind_of(settings.store) == "gdrive":
        from qcqueue.app.drive import workplace_on_drive

        return workplace_on_drive(settings, persistent=persistent)
    folder = folder_of(settings.store, source=settings.source)
    if kind_of(settings.store) == "shared":
        return workplace_shared(folder, cache=settings.cache)
    return workplace_in(folder, cache=settings.cache)


def workplace_in(folder: Path, *, cache: Path) -> Workplace:
    """Wire the queue of one local folder."""
    clock = SystemClock()
    return Workplace(
        database=LocalDatabase(folder / DATABASE_FILE),
        store=FolderStore(folder, clock),
        clock=clock,
        ids=RandomIds(),
        cache=cache,
        who=person(),
    )


def workplace_shared(folder: Path, *, cache: Path) -> Workplace:
    """Wire the queue of a folder on a disk that several machines share; this one keeps a copy in its cache."""
    from qcqueue.storage.shared import DiskClock, SharedStore

    database = _versions_in(folder, cache=cache)
    return Workplace(
        database=database,
        store=SharedStore(folder, DiskClock(folder)),
        clock=SystemClock(),
        ids=RandomIds(),
        cache=cache,
        who=person(),
        behind=lambda: database.behind,
    )


def create_shared_store(folder: Path, *, cache: Path) -> bool:
    """Make the shared store and the first version of its database where they are missing."""
    from qcqueue.storage.shared import DiskClock, SharedStore

    _refuse_file(folder)
    if (folder / DATABASE_FILE).exists():
        raise SettingInvalid(
            f"{folder} holds a queue of one machine already", hint=f"qcqueue init --store folder:{folder}"
        )
    SharedStore(folder, DiskClock(folder)).create()
    _slots_in(folder).make()
    return _versions_in(folder, cache=cache).create()


def _versions_in(folder: Path, *, cache: Path) -> "VersionedDatabase":
    # Imported here: whoever works on one machine need not wait for it.
    from qcqueue.database.versioned import VersionedDatabase

    refuse_synced(cache.absolute())
    copy = cache / "queues" / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return VersionedDatabase(_slots_in(folder), copy=copy, clock=SystemClock(), ids=RandomIds(), author=person())


def _slots_in(folder: Path) -> "FolderSlots":
    from qcqueue.storage.slots import FolderSlots

    return FolderSlots(folder, RandomIds())


def create_store(folder: Path) -> bool:
    """Make the store and its database where they are missing; return whether the database is new."""
    _refuse_file(folder)
    FolderStore(folder, SystemClock()).create()
    return LocalDatabase(folder / DATABASE_FILE).create()


def initialise(*, store: str | None, here: Path, dry_run: bool) -> Created:
    """Create the store a person asked for, or `./queue`, and remember it in `qcqueue.toml` here."""
    settings = load_settings(store=store, folder=here)
    url = settings.store or "folder:queue"
    if kind_of(url) == "gdrive":
        return _initialise_on_drive(settings, url, here=here, dry_run=dry_run)
    folder, kind = folder_of(url, source=settings.source), kind_of(url)
    is_new = not _is_there(kind, folder)
    target = _settings_file(settings, here)
    _refuse_file(folder)
    if not dry_run:
        if kind == "shared":
            create_shared_store(folder, cache=settings.cache)
        else:
            create_store(folder)
        if target:
            write_settings(target, f"{kind}:{folder.relative_to(here) if folder.is_relative_to(here) else folder}")
    return Created(url=f"{kind}:{folder}", is_new=is_new, settings_file=target)


def _initialise_on_drive(settings: Settings, url: str, *, here: Path, dry_run: bool) -> Created:
    from qcqueue.app.drive import NEW, create_on_drive, page_of

    target = _settings_file(settings, here)
    if url == f"gdrive:{NEW}" and (here / FILE_NAME).exists():
        url = _remembered_on_drive(here)
    made, is_new = create_on_drive(settings, url, dry_run=dry_run)
    if target and not dry_run:
        write_settings(target, made)
    return Created(url=made, is_new=is_new, settings_file=target, page=page_of(made))


def _remembered_on_drive(here: Path) -> str:
    """Return the queue on Drive that a folder has: who asks for a new one again gets no second one.

    Raises: SettingInvalid: it has another kind of queue.
    """
    remembered = load_settings(folder=here, environment={}).store or ""
    if kind_of(remembered) != "gdrive":
        raise SettingInvalid(
            f"{here / FILE_NAME} names the queue {remembered}",
            hint="make the new one in another folder, or move this file",
        )
    return remembered


def _settings_file(settings: Settings, here: Path) -> Path | None:
    """Return the settings file to write, None where there is one or the store was named in a lasting way."""
    target = here / FILE_NAME
    return target if not target.exists() and settings.source in ("--store", "nowhere") else None


def _refuse_file(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise SettingInvalid(f"{folder} is a file; a store needs a folder", hint="qcqueue init --store folder:queue")


def _is_there(kind: str, folder: Path) -> bool:
    if kind == "folder":
        return (folder / DATABASE_FILE).exists()
    slots = _slots_in(folder)
    try:
        return slots.facts(slots.root) is not None
    except StoreMissing:
        return False


def person() -> str:
    """Return who sits at which machine, for the story of a job."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return socket.gethostname()
