"""A queue on Google Drive, wired: sign-in, patience, this machine's part of it, and making a new one."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.app.context import QueueContext, kept_of_queue, person
from qcqueue.app.settings import Settings, drive_folder_of
from qcqueue.app.sign_in import drive_libraries, drive_token, end_ahead
from qcqueue.app.upgrade import ASKED, Consent, NoOlderSession
from qcqueue.clock import RandomIds, SystemClock, fresh_seed, seeded
from qcqueue.database.versioned import VersionedDatabase
from qcqueue.errors import QcqueueError
from qcqueue.stores.base import LeaseRules
from qcqueue.stores.cached import CachedStore
from qcqueue.text.humanize import size

if TYPE_CHECKING:
    from qcqueue.stores.drive.files import DriveFiles

# Drive may take a while to show what it was told, and every beat is a request.
LEASE = LeaseRules(beat_every_s=60.0, ttl_s=600.0)
NEW = "new"


def workplace_on_drive(settings: Settings, *, persistent: bool, consent: Consent = ASKED) -> QueueContext:
    """Wire the queue of a folder on Drive. persistent: ask for minutes where Drive does not answer.

    consent: what a person has said about sessions of an older qcqueue.
    Raises: ExtraMissing. SettingInvalid: the store names no folder.
    """
    assert settings.store is not None, "open_workplace has asked for it"
    with drive_libraries():
        from qcqueue.stores.drive.layout import RememberedHome
        from qcqueue.stores.drive.slots import DriveSlots
        from qcqueue.stores.drive.store import DriveStore

    folder = drive_folder_of(settings.store, source=settings.source)
    here = part_of_this_machine(settings.cache, folder)
    files = files_on_drive(settings, persistent=persistent)
    home = RememberedHome(files, folder, here / "home.json")
    clock, ids = SystemClock(), RandomIds()
    slots = DriveSlots(files, home, folder=folder)
    store = DriveStore(files, home, folder=folder, journal=here / "uploads")
    guard = NoOlderSession(store, clock=clock, cache=settings.cache, consent=consent, lease=LEASE)
    database = VersionedDatabase(slots, copy=here, clock=clock, ids=ids, author=person(), guard=guard)

    def greet() -> str:
        about = home.check(files.about())
        free = "without a limit" if about.free_bytes is None else f"{size(about.free_bytes)} free"
        return f"Google Drive of {about.account}, {free}"

    return QueueContext(
        database=database,
        store=CachedStore(store, here / "nearby"),
        clock=clock,
        ids=ids,
        cache=settings.cache,
        who=person(),
        lease=LEASE,
        behind=lambda: database.behind,
        greet=greet,
        warning=lambda: end_ahead(settings, clock.now_s()),
        origin=store,
        slots=slots,
        versions=database,
        free_bytes=lambda: files.about().free_bytes,
    )


def create_on_drive(
    settings: Settings, url: str, *, dry_run: bool, remember: Callable[[str], None] = lambda url: None
) -> tuple[str, bool]:
    """Make a folder on Drive for a new queue, or finish one whose making was cut; return its URL and whether it is new.

    remember is told the URL as soon as a folder is made, so that who comes again finishes it and makes no second one.
    Raises: SignInFailed, StoreDenied, StoreMissing, StoreBusy.
    """
    with drive_libraries():
        from qcqueue.stores.drive.layout import check_account, find_home, furnish, make_home
        from qcqueue.stores.drive.slots import DriveSlots

    wanted = drive_folder_of(url, source=settings.source)
    files = files_on_drive(settings, persistent=False)
    account = files.about().account
    if wanted == NEW and dry_run:
        return f"gdrive:{NEW}", True
    home = make_home(files, account) if wanted == NEW else find_home(files, wanted)
    check_account(home, account)
    made = f"gdrive:{home.folder}"
    if wanted == NEW:
        remember(made)
    slots = DriveSlots(files, lambda: home, folder=home.folder)
    is_new = wanted == NEW or slots.facts(slots.root) is None
    if is_new and not dry_run:
        with _to_be_finished(made):
            furnish(files, home)
            copy = part_of_this_machine(settings.cache, home.folder)
            VersionedDatabase(slots, copy=copy, clock=SystemClock(), ids=RandomIds(), author=person()).create()
    if wanted != NEW and not dry_run:
        remember(made)
    return made, is_new


@contextlib.contextmanager
def _to_be_finished(url: str) -> Iterator[None]:
    """Say of what goes wrong meanwhile how to go on with what is there."""
    try:
        yield
    except QcqueueError as exc:
        finish = f"qcqueue init --store {url}, which finishes what was begun"
        exc.hint = f"{exc.hint}; then {finish}" if exc.hint else finish
        raise


def page_of(url: str) -> str | None:
    """Return the address of a queue's folder for a browser; None where the folder is not made yet."""
    folder = url.removeprefix("gdrive:")
    return None if folder == NEW else f"https://drive.google.com/drive/folders/{folder}"


def files_on_drive(settings: Settings, *, persistent: bool) -> "DriveFiles":
    """Return the person's files on Drive. It connects with the first request. Raises: ExtraMissing."""
    with drive_libraries():
        from qcqueue.stores.drive.caller import QUICK, STEADY, Caller
        from qcqueue.stores.drive.files import DriveFiles

    return DriveFiles(
        Caller(
            lambda: drive_token(settings),
            endpoint=settings.drive_endpoint,
            patience=STEADY if persistent else QUICK,
            clock=SystemClock(),
            rng=seeded(fresh_seed()),
        )
    )


def part_of_this_machine(cache: Path, folder: str) -> Path:
    """Return where this machine keeps what it knows of a queue. Raises: SettingInvalid: the cache is synced."""
    return kept_of_queue(cache, f"gdrive:{folder}".encode())
