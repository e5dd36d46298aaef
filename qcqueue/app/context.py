"""A queue on this machine, as a value: database, store, clock and names; how one is opened from settings, or made.

Everything a command does goes through a `QueueContext`. Opening one is cheap: no file is touched before it is used.
What differs between kinds of stores is their backends' (`stores.registry`); here a database is put into what they open.
"""

import contextlib
import getpass
import os
import shlex
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from qcqueue.app.answering import AnsweringDatabase
from qcqueue.app.home_address import HomeAddress, home_address
from qcqueue.app.settings import (
    FILE_NAME,
    Settings,
    as_text,
    as_written,
    load_settings,
    named_store,
    names_nothing,
    refuse_unshared,
    settle_settings,
    write_settings,
)
from qcqueue.app.upgrade import ASKED, Consent, NoOlderSession
from qcqueue.clock import Clock, Ids
from qcqueue.database.base import Database, Guard, StoredDatabase, Unguarded, nothing
from qcqueue.database.local import LocalDatabase
from qcqueue.errors import QcqueueError, SettingInvalid, StoreMissing
from qcqueue.stores.base import Access, LeaseRules, Opened, Slots, Store
from qcqueue.stores.folder import DATABASE_FILE
from qcqueue.stores.registry import StoreAddress, parse_url, scheme_of
from qcqueue.text.suggest import printable
from qcqueue.text.urls import bare_url

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qcqueue.database.address import ServerAddress
    from qcqueue.database.server import ServerDatabase
    from qcqueue.database.versioned import Behind, VersionedDatabase
    from qcqueue.queue.moves import Residence

T = TypeVar("T")

Remember = Callable[[StoreAddress], None]
"""Told where a queue is as soon as its making begins."""


def _silently(made: StoreAddress) -> None:
    """Nobody needs to know before it is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueContext:
    """who names the person in the story of a job. behind: how old the last read was, if not of now.

    owner: whose the jobs are that are enqueued from here, and the sessions, None where nobody has said; on Drive that
    is the account, for which it is asked once at most.
    greet asks the store, before long work begins, what would hinder it later; it returns a sentence on whose it is.
    warning: what will hinder it in the days to come, as far as this machine knows without asking anybody.
    origin: the store itself, where `store` also hands out what this machine keeps beside it. slots: where the database
    keeps its versions, if it does. folder: where the store lies on a disk. free_bytes: how much more it can take, None
    where it does not tell or has no limit; asking costs one request at most. versions: the database once more, where it
    is one of versions, for what only such a one can do. server: where it is, if that is on a server.
    check_files sees, before files are stored, read, counted or deleted, that the store has those of this queue.
    sees_all: whether this machine's sign-in opens more than what is qcqueue's.
    """

    database: StoredDatabase
    store: Store
    clock: Clock
    ids: Ids
    cache: Path
    who: str
    owner: Callable[[], str | None] = lambda: None
    lease: LeaseRules = LeaseRules()  # noqa: RUF009 (a frozen value)
    behind: "Callable[[], Behind | None]" = lambda: None
    greet: Callable[[], str | None] = lambda: None
    warning: Callable[[], str | None] = lambda: None
    origin: Store | None = None
    slots: Slots | None = None
    versions: "VersionedDatabase | None" = None
    folder: Path | None = None
    free_bytes: Callable[[], int | None] = lambda: None
    server: "ServerAddress | None" = None
    check_files: Callable[[], None] = lambda: None
    sees_all: Callable[[], bool] = lambda: False

    @property
    def store_itself(self) -> Store:
        """The store without what this machine keeps beside it."""
        return self.origin or self.store

    @property
    def database_itself(self) -> StoredDatabase:
        """The database, though its queue may be kept elsewhere."""
        return self.database.itself if isinstance(self.database, AnsweringDatabase) else self.database

    def transact(self, action: "Callable[[Connection], T]", *, dry_run: bool = False) -> T:
        """Run a transaction; with dry_run, run it to its result or refusal, and take everything back.

        Raises: OlderSession: it would end a session of an older qcqueue.
        """
        return self.database.transact(action, dry_run=dry_run)

    def ask_to_write(self) -> None:
        """See that changes are not refused, before anything is stored or deleted for one.

        Raises: as `transact`. SettingInvalid: the store has the files of another queue.
        """
        from qcqueue.queue.history import record_event

        self.transact(
            lambda tx: record_event(tx, who=self.who, what="asked", now_s=self.clock.now_s(), why=""), dry_run=True
        )
        self.check_files()

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
    """Return who sits at which machine, for the story of a job: text, whatever the environment calls them."""
    try:
        return printable(f"{getpass.getuser()}@{socket.gethostname()}")
    except (KeyError, OSError, ImportError):
        return printable(socket.gethostname())


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """What was found and made. settings_file is None where the store was named in another way.

    page: where a person can look at it in a browser. database: of the server that keeps the queue beside the store.
    """

    url: str
    is_new: bool
    database: str | None = None
    settings_file: Path | None = None
    page: str | None = None


def open_context(settings: Settings, *, persistent: bool = False, consent: Consent = ASKED) -> QueueContext:
    """Wire the queue the settings name. persistent: where the store is far away, ask for minutes if it must be.

    consent: what a person has said about sessions of an older qcqueue.

    Raises: SettingInvalid: they name none, or one this version cannot open. ExtraMissing.
    """
    store, access = named_store(settings), settings.access()
    refuse_unshared(store, settings)
    return _wired(store, access, server=settings.database, persistent=persistent, consent=consent, owner=settings.owner)


def context_in(folder: Path, *, cache: Path, consent: Consent = ASKED) -> QueueContext:
    """Wire the queue of one local folder."""
    return _wired(_in_folder(folder), Access(cache=cache, config=cache), consent=consent)


def create_queue(
    settings: Settings,
    *,
    remember: Remember = _silently,
    first: "Callable[[Connection], None]" = nothing,
    dry_run: bool = False,
) -> Created:
    """Make the queue the settings name, or finish one whose making was cut.

    remember is told where it is as soon as its making begins; first is done in a new one before anybody sees that.
    Raises: SettingInvalid, ExtraMissing, SignInFailed, StoreError.
    """
    store = named_store(settings)
    refuse_unshared(store, settings)
    return _created(store, settings.access(), server=settings.database, remember=remember, first=first, dry_run=dry_run)


def create_store(folder: Path) -> bool:
    """Make the queue of one local folder where it is missing; return whether the database is new."""
    return _created(_in_folder(folder), Access(cache=folder, config=folder)).is_new


def initialise(*, store: str | None, database: str | None = None, here: Path, dry_run: bool) -> Created:
    """Create the store a person asked for, or `./queue`, and remember it in `qcqueue.toml` here.

    database: the URL of a server that is to keep the queue, beside the store. Raises: SettingInvalid: commands here
    would not work on it. As `create_queue` does.
    """
    settings = load_settings(store=store or _begun(here), database=database, folder=here)
    target = _settings_file(settings, here)
    wanted = parse_url(settings.store or "folder:queue", source=settings.source)
    refuse_unshared(wanted, settings)
    if wanted.is_new:
        wanted = _asked_anew(wanted, settings, here)
    if forgotten := _forgotten(wanted, settings, target, here):
        # What is wrong with the store itself is said first.
        _created(wanted, settings.access(), server=settings.database, dry_run=True)
        raise forgotten
    remembered: list[StoreAddress] = []

    def remember(made: StoreAddress) -> None:
        if target:
            place = {"region": settings.region, "endpoint": settings.endpoint}
            write_settings(target, as_written(made, here), settings.database, **place)
            remembered.append(made)

    try:
        created = _created(wanted, settings.access(), server=settings.database, remember=remember, dry_run=dry_run)
    except QcqueueError:
        # Whoever named the store can name it again; the name that it was given now stands nowhere else.
        if target and remembered == [wanted]:
            with contextlib.suppress(OSError):  # what stays names the queue that the next init makes
                target.unlink()
        raise
    if not dry_run:
        settle_settings(here / FILE_NAME)
    return replace(created, settings_file=target)


def _wired(
    store: StoreAddress,
    access: Access,
    *,
    server: "ServerAddress | None" = None,
    persistent: bool = False,
    consent: Consent = ASKED,
    owner: str | None = None,
) -> QueueContext:
    opened = store.backend.open(store.address, access, patient=persistent)
    guard = NoOlderSession(opened.origin, clock=access.clock, cache=access.cache, consent=consent, lease=opened.lease)
    address = HomeAddress(store=store, server=server)

    def ask(home: str) -> "Residence":
        from qcqueue.queue.moves import residence_of

        other = home_address(home, source=address.url)
        near = load_settings(store=other.store.url, environment=access.environ)  # where its bucket is, if it has one
        there = _wired(other.store, replace(access, region=near.region, server=near.endpoint), server=other.server)
        with there.database_itself.read() as tx:
            return residence_of(tx)

    slots = opened.slots
    on_server = _on_server(server, guard) if server else None
    versions = _versions_in(opened, access, guard) if slots and not server else None

    def check_files() -> None:
        if on_server:
            # Imported here: whoever has no server need not wait for it.
            from qcqueue.database.bond import check_tied

            assert slots, "a store of several machines has slots"
            check_tied(on_server, slots)

    def greet() -> str | None:
        check_files()
        return opened.greet()

    return QueueContext(
        database=AnsweringDatabase(on_server or versions or _file_in(opened, guard), url=address.url, ask=ask),
        store=opened.store,
        clock=access.clock,
        ids=access.ids,
        cache=access.cache,
        who=person(),
        owner=lambda: opened.account() or owner,
        lease=opened.lease,
        behind=(lambda: versions.behind) if versions else lambda: None,
        greet=greet,
        warning=opened.warning,
        origin=opened.origin,
        slots=None if server else slots,
        versions=versions,
        folder=opened.folder,
        free_bytes=opened.free_bytes,
        server=server,
        check_files=check_files,
        sees_all=opened.sees_all,
    )


def _created(
    store: StoreAddress,
    access: Access,
    *,
    server: "ServerAddress | None" = None,
    remember: Remember = _silently,
    first: "Callable[[Connection], None]" = nothing,
    dry_run: bool = False,
) -> Created:
    def begin(opened: Opened) -> bool:
        if server:
            return _made_tied(server, opened, access, first)
        database = _versions_in(opened, access, Unguarded()) if opened.slots else _file_in(opened, Unguarded())
        return database.create(first)

    if server:
        _check_can_be_made(server, store, access)
    made = store.backend.create(
        store.address,
        access,
        begin=begin,
        remember=lambda address: remember(replace(store, address=address)),
        dry_run=dry_run,
    )
    url = replace(store, address=made.address).url
    return Created(
        url=url,
        is_new=made.is_new,
        page=store.backend.link(made.address),
        database=server.url if server else None,
    )


def _check_can_be_made(server: "ServerAddress", store: StoreAddress, access: Access) -> None:
    """See what the server, and a store that is there, say against a queue before anything is made in either.

    Raises: as `bond.make_tied`.
    """
    from qcqueue.database.bond import make_tied

    database = _on_server(server, Unguarded())
    database.create(dry_run=True)
    if store.is_new:
        return
    opened = store.backend.open(store.address, access, patient=True)
    assert opened.slots, "a store of several machines has slots"
    with contextlib.suppress(StoreMissing):  # of the store: the server was asked already
        make_tied(database, opened.slots, access.ids, dry_run=True)


def _made_tied(server: "ServerAddress", opened: Opened, access: Access, first: "Callable[[Connection], None]") -> bool:
    from qcqueue.database.bond import make_tied

    assert opened.slots, "a store of several machines has slots"
    return make_tied(_on_server(server, Unguarded()), opened.slots, access.ids, first=first)


def _on_server(server: "ServerAddress", guard: Guard) -> "ServerDatabase":
    from qcqueue.database.server import ServerDatabase

    return ServerDatabase(server, guard=guard)


def _file_in(opened: Opened, guard: Guard) -> LocalDatabase:
    assert opened.folder, "without slots the database is a file in the folder of the store"
    return LocalDatabase(opened.folder / DATABASE_FILE, guard=guard)


def _versions_in(opened: Opened, access: Access, guard: Guard) -> "VersionedDatabase":
    # Imported here: whoever works on one machine need not wait for it.
    from qcqueue.database.versioned import VersionedDatabase

    assert opened.slots, "versions are kept in slots"
    copy, *also = opened.copies
    return VersionedDatabase(
        opened.slots,
        copy=copy,
        also=tuple(also),
        clock=access.clock,
        ids=access.ids,
        author=person(),
        guard=guard,
    )


def _in_folder(folder: Path) -> StoreAddress:
    return StoreAddress(scheme="folder", address=str(folder))


def _forgotten(wanted: StoreAddress, settings: Settings, target: Path | None, here: Path) -> SettingInvalid | None:
    """Return what to raise where commands in this folder would go on with another queue, or with none.

    target: the settings file that is to be written. One further up does not count against it, the environment does.
    """
    if target and not os.environ.get("QCQUEUE_STORE"):
        return None
    usual, file = load_settings(folder=here), here / FILE_NAME
    beside = f" --database {shlex.quote(settings.database.url)}" if settings.database else ""
    again = f"qcqueue init --store {shlex.quote(wanted.url)}{beside}"
    if usual.source == "QCQUEUE_STORE":
        way_out = f"unset QCQUEUE_STORE, then: {again}"
    elif usual.store is None:  # it says something, and not which queue
        return SettingInvalid(
            f"{file} names no queue, so that none made now would be found again",
            hint=f"add this line at its top, then qcqueue init: store = {as_text(as_written(wanted, here))}",
        )
    else:
        away = f"mv {shlex.quote(str(file))} {shlex.quote(f'{file}.old')}"
        way_out = f"make it in another folder; or {away}, then: {again}"
    named = _named(usual)
    if named == wanted.url:
        return _forgotten_server(settings, usual, file)
    return SettingInvalid(
        f"{usual.source} names the queue {named}, and commands here go on with that; nothing was made", hint=way_out
    )


def _forgotten_server(settings: Settings, usual: Settings, file: Path) -> SettingInvalid | None:
    """As `_forgotten`, where the store is the same: whether the queue is beside it, or in it."""
    if settings.database == usual.database:
        return None
    wanted, known = settings.database, usual.database
    where = f"beside it in {known.url} (from {usual.database_source})" if known else "in it"
    way_out = f"write it into {file}: database = {as_text(wanted.url)}" if wanted else f"take database out of {file}"
    return SettingInvalid(
        f"commands here go on with a queue that is kept {where}; nothing was made",
        hint=f"{way_out}, then: qcqueue init",
    )


def _named(settings: Settings) -> str:
    """Return the URL that settings name, as whoever opens it has it; as it was written where it cannot be used."""
    with contextlib.suppress(SettingInvalid):  # which no command that reads it will keep to itself
        return named_store(settings).url
    return bare_url(settings.store or "")


def _begun(here: Path) -> str | None:
    """Return the queue that an `init` was cut off from remembering, None where there is none, or no doubt which.

    Whoever types `qcqueue init` again after a cut has it completed, and gets no second queue.
    """
    if (here / FILE_NAME).exists() and not names_nothing(here / FILE_NAME):
        return None
    from qcqueue.stores.folder_backend import begun_in

    scheme = begun_in(here / "queue")
    return f"{scheme}:queue" if scheme and not os.environ.get("QCQUEUE_STORE") else None


def _asked_anew(new: StoreAddress, settings: Settings, here: Path) -> StoreAddress:
    """Return what to make for who asks for a new queue: the one that a folder has already, so that no second is made.

    Raises: SettingInvalid: its name could not be kept, or the folder has another kind of queue, or the name of none.
    """
    if settings.source != "--store":
        raise SettingInvalid(
            f"{settings.source} names {new.url}, which would be another folder each time",
            hint=f"take it out there, then: qcqueue init --store {new.url}",
        )
    if not (here / FILE_NAME).exists():
        return new
    remembered = load_settings(folder=here, environment={})
    url = remembered.store or ""
    if scheme_of(url) != new.scheme or url == new.url:
        raise SettingInvalid(
            f"{here / FILE_NAME} names the queue {url}", hint="make the new one in another folder, or move this file"
        )
    return parse_url(url, source=settings.source)


def _settings_file(settings: Settings, here: Path) -> Path | None:
    """Return the settings file to write, None where there is one or the store was named in a lasting way."""
    target = here / FILE_NAME
    is_wanted = not target.exists() or names_nothing(target)
    return target if is_wanted and settings.source in ("--store", "nowhere") else None
