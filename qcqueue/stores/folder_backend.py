"""Queues in folders: which paths can hold one, what is there already, making one, removing one, looking at one.

All of it is the same for a folder of this machine and for one on a shared disk (`shared`), but for where the database
lies and whose clock counts. Always true: one folder never holds queues of both kinds.
"""

import errno
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.clock import RandomIds
from qcqueue.errors import QcqueueError, SettingInvalid, StoreMissing
from qcqueue.stores.base import Access, Ask, Begin, Made, Opened, Remember
from qcqueue.stores.files import translated
from qcqueue.stores.folder import DATABASE_FILE, FolderStore
from qcqueue.stores.paths import expanded
from qcqueue.stores.synced import refuse_synced

if TYPE_CHECKING:
    from qcqueue.stores.checks import Check, Reached

ELSEWHERE = "qcqueue init --store folder:queue, in a folder that is only on this machine"
AWAY = "mv {path} ~/qcqueue, where no other program syncs it, then: qcqueue init --store {scheme}:~/qcqueue"


class FolderBackend:
    """Queues of this machine alone: the database is one file in the folder. Implements `base.Backend`."""

    scheme = "folder"
    missing_hint = "qcqueue init"

    def parse(self, rest: str, *, source: str) -> str | None:
        if sys.platform == "win32":
            raise SettingInvalid(
                f"a queue in a folder, such as {self.scheme}:{rest}, cannot be kept on Windows itself",
                hint="qcqueue init --store gdrive:new; or type it in WSL",
            )
        path = expanded(str(expanded(rest, source).absolute()), source)  # the current folder has a name, too
        away = AWAY.format(path=shlex.quote(str(path)), scheme=self.scheme)
        refuse_synced(path, hint=away if (path / DATABASE_FILE).exists() or (path / "slots").exists() else ELSEWHERE)
        return str(path)

    def open(self, address: str, access: Access, *, patient: bool) -> Opened:
        folder = Path(address)
        store = FolderStore(folder, access.clock, access.ids)
        return Opened(store=store, origin=store, folder=folder, free_bytes=lambda: free_bytes(folder))

    def create(self, address: str, access: Access, *, begin: Begin, remember: Remember, dry_run: bool = False) -> Made:
        """As `Backend.create`; it is remembered before anything is made, so that a cut one is completed."""
        folder = Path(address)
        self._refuse_another(folder)
        if dry_run:
            return Made(address=address, is_new=not is_there(self.scheme, folder))
        opened = self.open(address, access, patient=True)
        remember(address)
        self._make(folder, access)
        return Made(address=address, is_new=begin(opened))

    def beside(self, address: str, access: Access) -> str:
        folder = Path(address)
        if not folder.is_dir():
            raise SettingInvalid(f"{folder} is no folder; a drill makes one of its own in it", hint=f"mkdir {folder}")
        try:
            return tempfile.mkdtemp(prefix="qcqueue-drill-", dir=folder)
        except OSError as exc:
            raise SettingInvalid(f"{folder} cannot be written: {exc.strerror}", hint="--store folder:ANOTHER") from exc

    def delete(self, address: str, access: Access) -> None:
        shutil.rmtree(address, ignore_errors=True)

    def check(self, address: str, access: Access) -> "Generator[Check, None, Reached | None]":
        from qcqueue.stores.checks import LEAST_BYTES, TIDY_DISK, Reached, problem, room

        folder = Path(address)
        try:
            self._check_written(folder)
            with translated(folder):
                free = shutil.disk_usage(folder).free
        except QcqueueError as exc:
            yield problem("store", exc)
            return None
        yield room("store", f"{self.scheme}:{address}", free, needed_bytes=LEAST_BYTES, hint=TIDY_DISK)
        yield from self._check_clock(folder, access)
        return Reached(free_bytes=free)

    def sign_in(self, access: Access, ask: Ask) -> Access:
        return access

    def link(self, address: str) -> str | None:
        return None

    def notebook_steps(self, file: str, *, has_client: bool) -> tuple[str, ...]:
        return (f"next: open {file} in Jupyter on a machine that reaches this store, and run its cell",)

    def _make(self, folder: Path, access: Access) -> None:
        FolderStore(folder, access.clock, access.ids).create()

    def _check_clock(self, folder: Path, access: Access) -> "Iterator[Check]":
        yield from ()

    def _check_written(self, folder: Path) -> None:
        """Raises: StoreMissing. StoreError: nothing can be written there."""
        if not folder.is_dir():
            raise StoreMissing(f"there is no folder {folder}", hint=self.missing_hint)
        with translated(folder), tempfile.TemporaryFile(dir=folder):
            pass

    def _refuse_another(self, folder: Path) -> None:
        """Raises: SettingInvalid: the place is no folder, or holds a queue of the other kind. StoreError."""
        with translated(folder):
            above = next(above for above in folder.parents if above.exists())
            if not above.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(above))
            if folder.exists() and not folder.is_dir():
                raise SettingInvalid(
                    f"{folder} is a file; a store needs a folder", hint="qcqueue init --store folder:queue"
                )
        for other, users in (("folder", "one machine"), ("shared", "several machines")):
            if other != self.scheme and is_there(other, folder):
                raise SettingInvalid(
                    f"{folder} holds a queue of {users} already", hint=f"qcqueue init --store {other}:{folder}"
                )


def is_there(scheme: str, folder: Path) -> bool:
    """Return whether a folder holds a queue of this kind, `folder` or `shared`. Raises: StoreError: nobody can say."""
    if scheme == "folder":
        with translated(folder):
            return (folder / DATABASE_FILE).exists()
    from qcqueue.stores.folder_slots import FolderSlots  # which whoever works on one machine need not wait for

    slots = FolderSlots(folder, RandomIds())
    try:
        return slots.facts(slots.root) is not None
    except StoreMissing:
        return False


def begun_in(folder: Path) -> str | None:
    """Return the kind of queue that somebody has begun to make in a folder, `folder` or `shared`; None where nobody."""
    with translated(folder):
        begun = (("folder", folder / DATABASE_FILE), ("shared", folder / "slots"))
        return next((scheme for scheme, path in begun if path.exists()), None)


def free_bytes(folder: Path) -> int | None:
    """Return how much more the disk of a folder takes, None where it does not tell."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # it is not there, which whoever wants more than a number will be told
        return None


BACKEND = FolderBackend()
