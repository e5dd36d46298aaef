"""Queues on Google Drive: opening one, making one or finishing one whose making was cut, deleting one.

Signing in is `sign_in`'s, looking at everything `checks`', the store itself `store`'s and `slots`'. Always true: to
import this module, and to open a queue, asks nobody, and none of Google's libraries is imported before it is needed.
"""

import contextlib
import re
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from qcqueue.clock import fresh_seed, seeded
from qcqueue.errors import QcqueueError
from qcqueue.stores.base import Access, Ask, Begin, LeaseRules, Made, Opened, Remember
from qcqueue.stores.paths import kept_of_queue
from qcqueue.text.humanize import size

if TYPE_CHECKING:
    from qcqueue.stores.checks import Check, Reached
    from qcqueue.stores.drive.files import DriveFiles
    from qcqueue.stores.drive.layout import DriveLayout, RememberedHome

# Drive may take a while to show what it was told, and every beat is a request.
LEASE = LeaseRules(beat_every_s=60.0, ttl_s=600.0)
NEW = "new"
ADDRESS = re.compile(r"new|[0-9A-Za-z_-]{10,120}")


class DriveBackend:
    """Queues in folders of the person's own Drive, each named by the folder's id. Implements `base.Backend`."""

    def parse(self, rest: str, *, source: str) -> str | None:
        return rest if ADDRESS.fullmatch(rest) else None

    def open(self, address: str, access: Access, *, patient: bool) -> Opened:
        files = files_on_drive(access, patient=patient)
        return _opened(files, remembered_home(files, address, access), address, access)

    def create(self, address: str, access: Access, *, begin: Begin, remember: Remember, dry_run: bool = False) -> Made:
        """As `Backend.create`; a new folder is remembered as soon as it is made, any other once it holds a queue."""
        from qcqueue.stores.drive.sign_in import drive_libraries

        with drive_libraries():
            from qcqueue.stores.drive.layout import check_account, find_home, furnish, make_home

        files = files_on_drive(access, patient=False)
        account = files.about().account
        if address == NEW and dry_run:
            return Made(address=NEW, is_new=True)
        home = make_home(files, account) if address == NEW else find_home(files, address)
        check_account(home, account)
        if address == NEW:
            remember(home.folder)
        opened = _opened(files, remembered_home(files, home.folder, access, home=home), home.folder, access)
        is_new = address == NEW or _is_empty(opened)
        if is_new and not dry_run:
            with _to_be_finished(home.folder):
                furnish(files, home)
                begin(opened)
        if address != NEW and not dry_run:
            remember(home.folder)
        return Made(address=home.folder, is_new=is_new)

    def beside(self, address: str, access: Access) -> str:
        """As `Backend.beside`. It is not made inside: what lies in the folder of a queue belongs to that queue."""
        if address != NEW:
            files = files_on_drive(access, patient=False)
            from qcqueue.stores.drive.layout import find_folder

            find_folder(files, address)
        return NEW

    def delete(self, address: str, access: Access) -> None:
        files_on_drive(access, patient=True).delete(address)

    def check(self, address: str, access: Access) -> "Generator[Check, None, Reached | None]":
        from qcqueue.stores.drive.checks import check_drive

        return check_drive(address, access)

    def sign_in(self, access: Access, ask: Ask) -> Access:
        from qcqueue.stores.drive.sign_in import signed_in

        return signed_in(access, ask)

    def link(self, address: str) -> str | None:
        return None if address == NEW else f"https://drive.google.com/drive/folders/{address}"

    def notebook_steps(self, file: str, *, has_client: bool) -> tuple[str, ...]:
        if has_client:
            return (
                f"next: open {file} in Colab (File > Upload notebook), run its cell, and sign in as it says;",
                "      the notebook holds your client's secret, so share it with nobody",
            )
        return (
            "next: qcqueue colab-token; what it prints is for Colab's secret QCQUEUE_TOKEN",
            f"      (key at the left); then open {file} there (File > Upload notebook), run its cell",
        )


def files_on_drive(access: Access, *, patient: bool) -> "DriveFiles":
    """Return the person's files on Drive. It connects with the first request. Raises: ExtraMissing."""
    from qcqueue.stores.drive.sign_in import drive_libraries, drive_token

    with drive_libraries():
        from qcqueue.stores.drive.caller import QUICK, STEADY, Caller
        from qcqueue.stores.drive.files import DriveFiles

    return DriveFiles(
        Caller(
            lambda: drive_token(access),
            endpoint=access.endpoint,
            patience=STEADY if patient else QUICK,
            clock=access.clock,
            rng=seeded(fresh_seed()),
        )
    )


def remembered_home(
    files: "DriveFiles", folder: str, access: Access, *, home: "DriveLayout | None" = None
) -> "RememberedHome":
    """Return the ids of a queue as this machine keeps them. home: what is known of them already."""
    from qcqueue.stores.drive.layout import RememberedHome

    return RememberedHome(files, folder, kept_of_queue(access.cache, _name_of(folder)) / "home.json", home=home)


def _opened(files: "DriveFiles", home: "RememberedHome", folder: str, access: Access) -> Opened:
    from qcqueue.stores.cached import CachedStore
    from qcqueue.stores.drive.sign_in import end_ahead, sees_whole_drive
    from qcqueue.stores.drive.slots import DriveSlots
    from qcqueue.stores.drive.store import DriveStore

    kept = kept_of_queue(access.cache, _name_of(folder))
    store = DriveStore(files, home, folder=folder, journal=kept / "uploads")

    def greet() -> str:
        about = home.check(files.about())
        free = "without a limit" if about.free_bytes is None else f"{size(about.free_bytes)} free"
        return f"Google Drive of {about.account}, {free}"

    return Opened(
        store=CachedStore(store, kept / "nearby"),
        origin=store,
        slots=DriveSlots(files, home, folder=folder),
        copies=(kept,),
        lease=LEASE,
        free_bytes=lambda: files.about().free_bytes,
        greet=greet,
        warning=lambda: end_ahead(access),
        account=lambda: home().account,
        sees_all=lambda: sees_whole_drive(access),
    )


def _is_empty(opened: Opened) -> bool:
    """Return whether a folder of ours holds no version of a queue yet."""
    assert opened.slots, "a queue on Drive keeps its versions in slots"
    return opened.slots.facts(opened.slots.root) is None


def _name_of(folder: str) -> bytes:
    return f"gdrive:{folder}".encode()


@contextlib.contextmanager
def _to_be_finished(folder: str) -> Iterator[None]:
    """Say of what goes wrong meanwhile how to go on with what is there."""
    try:
        yield
    except QcqueueError as exc:
        finish = f"qcqueue init --store gdrive:{folder}, which finishes what was begun"
        exc.hint = f"{exc.hint}; then {finish}" if exc.hint else finish
        raise


BACKEND = DriveBackend()
