"""A queue on this machine, as a value: database, store, clock and names; how one is opened from settings, or made.

Everything a command does goes through a `QueueContext`. Opening one is cheap: no file is touched before it is used.
Drive's part of it is in `drive`.
"""

import contextlib
import getpass
import hashlib
import os
import shutil
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from qcqueue.app.settings import (
    FILE_NAME,
    FOLDER_KINDS,
    NEXT_STEP,
    Settings,
    folder_of,
    kind_of,
    load_settings,
    names_nothing,
    refuse_synced,
    settle_settings,
    write_settings,
)
from qcqueue.app.upgrade import ASKED, Consent, NoOlderSession
from qcqueue.clock import Clock, Ids, RandomIds, SystemClock
from qcqueue.database.base import Database, Guard, StoredDatabase, Unguarded
from qcqueue.database.local import LocalDatabase
from qcqueue.errors import QcqueueError, SettingInvalid, StoreMissing
from qcqueue.stores.base import LeaseRules, Slots, Store
from qcqueue.stores.files import translated
from qcqueue.stores.folder import FolderStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qcqueue.database.versioned import Behind, VersionedDatabase
    from qcqueue.stores.folder_slots import FolderSlots

DATABASE_FILE = "queue.sqlite"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueContext:
    """who names the person in the story of a job. behind: how old the last read was, if not of now.

    greet asks the store, before long work begins, what would hinder it later; it returns a sentence on whose it is.
    warning: what will hinder it in the days to come, as far as this machine knows without asking anybody.
    origin: the store itself, where `store` also hands out what this machine keeps beside it. slots: where the database
    keeps its versions, if it does. folder: where the store lies on a disk. free_bytes: how much more it can take, None
    where it does not tell or has no limit; asking costs one request at most. versions: the database once more, where it
    is one of versions, for what only such a one can do.
    """

    database: StoredDatabase
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
        from qcqueue.queue.history import record_event

        self.transact(
            lambda tx: record_event(tx, who=self.who, what="asked", now_s=self.clock.now_s(), why=""), dry_run=True
        )

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """What `create_store` found and made. settings_file is None where the store was named in another way.

    page: where a person can look at it in a browser. instead: which other queue commands here go on with, and why.
    """

    url: str
    is_new: bool
    settings_file: Path | None
    page: str | None = None
    instead: str | None = None


def open_workplace(settings: Settings, *, persistent: bool = False, consent: Consent = ASKED) -> QueueContext:
    """Wire the queue the settings name. persistent: where the store is far away, ask for minutes if it must be.

    consent: what a person has said about sessions of an older qcqueue.

    Raises: SettingInvalid: they name none, or one this version cannot open.
    """
    if settings.store is None:
        raise SettingInvalid(
            f"no store is named: there is no {FILE_NAME} here or above, and QCQUEUE_STORE is not set", hint=NEXT_STEP
        )
    if kind_of(settings.store) == "gdrive":
        from qcqueue.app.drive import workplace_on_drive

        return workplace_on_drive(settings, persistent=persistent, consent=consent)
    folder = folder_of(settings.store, source=settings.source)
    if kind_of(settings.store) == "shared":
        return workplace_shared(folder, cache=settings.cache, consent=consent)
    return workplace_in(folder, cache=settings.cache, consent=consent)


def workplace_in(folder: Path, *, cache: Path, consent: Consent = ASKED) -> QueueContext:
    """Wire the queue of one local folder."""
    clock, ids = SystemClock(), RandomIds()
    store = FolderStore(folder, clock, ids)
    guard = NoOlderSession(store, clock=clock, cache=cache, consent=consent, lease=LeaseRules())
    return QueueContext(
        database=LocalDatabase(folder / DATABASE_FILE, guard=guard),
        store=store,
        clock=clock,
        ids=ids,
        cache=cache,
        who=person(),
        folder=folder,
        free_bytes=lambda: _free_bytes(folder),
    )


def workplace_shared(folder: Path, *, cache: Path, consent: Consent = ASKED) -> QueueContext:
    """Wire the queue of a folder on a disk that several machines share; this one keeps a copy in its cache."""
    from qcqueue.stores.shared import DiskClock, SharedStore

    clock, ids = SystemClock(), RandomIds()
    store = SharedStore(folder, DiskClock(folder), ids)
    guard = NoOlderSession(store, clock=clock, cache=cache, consent=consent, lease=LeaseRules())
    database = _versions_in(folder, cache=cache, guard=guard)
    return QueueContext(
        database=database,
        store=store,
        clock=clock,
        ids=ids,
        cache=cache,
        who=person(),
        behind=lambda: database.behind,
        slots=_slots_in(folder),
        versions=database,
        folder=folder,
        free_bytes=lambda: _free_bytes(folder),
    )


def create_shared_store(folder: Path, *, cache: Path) -> bool:
    """Make the shared store and the first version of its database where they are missing."""
    from qcqueue.stores.shared import DiskClock, SharedStore

    _refuse_another(folder, "shared")
    SharedStore(folder, DiskClock(folder), RandomIds()).create()
    _slots_in(folder).make()
    return _versions_in(folder, cache=cache, guard=Unguarded()).create()


def _versions_in(folder: Path, *, cache: Path, guard: Guard) -> "VersionedDatabase":
    # Imported here: whoever works on one machine need not wait for it.
    from qcqueue.database.versioned import VersionedDatabase

    # What this machine knows of a store it knows by whichever of its names it is opened.
    copy, *also = (kept_of_queue(cache, name) for name in _names_of(folder))
    return VersionedDatabase(
        _slots_in(folder),
        copy=copy,
        also=tuple(also),
        clock=SystemClock(),
        ids=RandomIds(),
        author=person(),
        guard=guard,
    )


def _names_of(folder: Path) -> tuple[bytes, ...]:
    """Return the name a person has given a folder and, where that is another one, the one without links and dots."""
    return tuple(dict.fromkeys((os.fsencode(folder), os.fsencode(os.path.realpath(folder)))))


def _slots_in(folder: Path) -> "FolderSlots":
    from qcqueue.stores.folder_slots import FolderSlots

    return FolderSlots(folder, RandomIds())


def create_store(folder: Path) -> bool:
    """Make the store and its database where they are missing; return whether the database is new."""
    _refuse_another(folder, "folder")
    FolderStore(folder, SystemClock(), RandomIds()).create()
    return LocalDatabase(folder / DATABASE_FILE).create()


def initialise(*, store: str | None, here: Path, dry_run: bool) -> Created:
    """Create the store a person asked for, or `./queue`, and remember it in `qcqueue.toml` here."""
    settings = load_settings(store=store or _begun(here), folder=here)
    url = settings.store or "folder:queue"
    if kind_of(url) == "gdrive":
        return _initialise_on_drive(settings, url, here=here, dry_run=dry_run)
    folder, kind = folder_of(url, source=settings.source), kind_of(url)
    is_new = not _is_there(kind, folder)
    target = _settings_file(settings, here)
    _refuse_another(folder, kind)
    if not dry_run:
        if target:  # first, so that whoever types init again after a cut has this very queue completed
            write_settings(target, f"{kind}:{folder.relative_to(here) if folder.is_relative_to(here) else folder}")
        try:
            is_new = create_shared_store(folder, cache=settings.cache) if kind == "shared" else create_store(folder)
        except QcqueueError:
            if target:
                with contextlib.suppress(OSError):  # what stays names the queue that the next init makes
                    target.unlink()
            raise
        settle_settings(here / FILE_NAME)
    url = f"{kind}:{folder}"
    return Created(url=url, is_new=is_new, settings_file=target, instead=_another(here, url))


def _another(here: Path, url: str) -> str | None:
    """Return which queue other than this one commands in a folder work on, in words; None where they find this one."""
    usual = load_settings(folder=here)
    if not usual.store or kind_of(usual.store) not in FOLDER_KINDS:
        return f"{usual.source} names {usual.store}" if usual.store else None
    named = f"{kind_of(usual.store)}:{folder_of(usual.store, source=usual.source)}"
    return None if named == url else f"{usual.source} names {named}"


def _begun(here: Path) -> str | None:
    """Return the queue that an `init` was cut off from remembering, None where there is none, or no doubt which.

    Whoever types `qcqueue init` again after a cut has it completed, and gets no second queue.
    """
    if (here / FILE_NAME).exists() and not names_nothing(here / FILE_NAME):
        return None
    kinds = [kind for kind in FOLDER_KINDS if _is_begun(kind, here / "queue")]
    return f"{kinds[0]}:queue" if kinds and not os.environ.get("QCQUEUE_STORE") else None


def _initialise_on_drive(settings: Settings, url: str, *, here: Path, dry_run: bool) -> Created:
    from qcqueue.app.drive import NEW, create_on_drive, page_of

    new, target = f"gdrive:{NEW}", _settings_file(settings, here)
    if url == new and settings.source != "--store":
        raise SettingInvalid(
            f"{settings.source} names {new}, which would be another folder each time",
            hint=f"take it out there, then: qcqueue init --store {new}",
        )
    if url == new and (here / FILE_NAME).exists():
        url = _remembered_on_drive(here, new)

    def remember(made: str) -> None:
        if target:
            write_settings(target, made)

    made, is_new = create_on_drive(settings, url, remember=remember, dry_run=dry_run)
    return Created(url=made, is_new=is_new, settings_file=target, page=page_of(made))


def _remembered_on_drive(here: Path, new: str) -> str:
    """Return the queue on Drive that a folder has: who asks for a new one again gets no second one.

    Raises: SettingInvalid: it has another kind of queue, or the name of none.
    """
    remembered = load_settings(folder=here, environment={}).store or ""
    if kind_of(remembered) != "gdrive" or remembered == new:
        raise SettingInvalid(
            f"{here / FILE_NAME} names the queue {remembered}",
            hint="make the new one in another folder, or move this file",
        )
    return remembered


def _settings_file(settings: Settings, here: Path) -> Path | None:
    """Return the settings file to write, None where there is one or the store was named in a lasting way."""
    target = here / FILE_NAME
    is_wanted = not target.exists() or names_nothing(target)
    return target if is_wanted and settings.source in ("--store", "nowhere") else None


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # it is not there, which whoever wants more than a number will be told
        return None


def _refuse_another(folder: Path, kind: str) -> None:
    """Raises: SettingInvalid: the place is no folder, or holds a queue of the other kind."""
    with translated(folder):
        if folder.exists() and not folder.is_dir():
            raise SettingInvalid(
                f"{folder} is a file; a store needs a folder", hint="qcqueue init --store folder:queue"
            )
    if kind == "shared" and _is_there("folder", folder):
        raise SettingInvalid(
            f"{folder} holds a queue of one machine already", hint=f"qcqueue init --store folder:{folder}"
        )
    if kind == "folder" and _is_there("shared", folder):
        raise SettingInvalid(
            f"{folder} holds a queue of several machines already", hint=f"qcqueue init --store shared:{folder}"
        )


def _is_begun(kind: str, folder: Path) -> bool:
    """Return whether somebody has begun to make a queue of this kind there."""
    with translated(folder):
        return (folder / (DATABASE_FILE if kind == "folder" else "slots")).exists()


def _is_there(kind: str, folder: Path) -> bool:
    if kind == "folder":
        with translated(folder):
            return (folder / DATABASE_FILE).exists()
    slots = _slots_in(folder)
    try:
        return slots.facts(slots.root) is not None
    except StoreMissing:
        return False
