"""A store in a folder on a disk that several machines share: a local folder's store, judged by the disk's clock.

It leaves blobs to `folder` and the queue's slots to `folder_slots`. What differs is time: the machines' clocks may be
years apart, so a heartbeat's age is the time the disk gives a file that is made now, less the time of the last beat;
and the database, which is kept as versions in slots, of which each machine has a copy.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.errors import StoreError
from qcqueue.stores.base import Access, Opened
from qcqueue.stores.files import translated
from qcqueue.stores.folder import FolderStore
from qcqueue.stores.folder_backend import FolderBackend, free_bytes
from qcqueue.stores.folder_slots import FolderSlots
from qcqueue.stores.paths import kept_of_queue

if TYPE_CHECKING:
    from qcqueue.stores.checks import Check


class SharedStore(FolderStore):
    """Blobs and heartbeats in a shared folder. clock is the disk's, see `DiskClock`."""

    @property
    def url(self) -> str:
        return f"shared:{self.root}"


class DiskClock:
    """What time the disk of a folder believes it is: the same for all machines that share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def now_s(self) -> float:
        with translated(self._folder), tempfile.TemporaryFile(dir=self._folder) as probe:
            return os.fstat(probe.fileno()).st_mtime


class SharedBackend(FolderBackend):
    """Queues on a disk that several machines share; each keeps a copy of the database in its cache."""

    scheme = "shared"
    missing_hint = "mount the disk it is on, or make a queue: qcqueue init"

    def open(self, address: str, access: Access, *, patient: bool) -> Opened:
        folder = Path(address)
        store = SharedStore(folder, DiskClock(folder), access.ids)
        return Opened(
            store=store,
            origin=store,
            slots=FolderSlots(folder, access.ids),
            folder=folder,
            copies=tuple(kept_of_queue(access.cache, name) for name in _names_of(folder)),
            free_bytes=lambda: free_bytes(folder),
        )

    def _make(self, folder: Path, access: Access) -> None:
        SharedStore(folder, DiskClock(folder), access.ids).create()
        FolderSlots(folder, access.ids).make()

    def _check_clock(self, folder: Path, access: Access) -> "Iterator[Check]":
        from qcqueue.stores.checks import clock_against, problem

        try:
            yield clock_against(DiskClock(folder).now_s(), access.clock.now_s(), "the disk's")
        except StoreError as exc:
            yield problem("clock", exc)


def _names_of(folder: Path) -> tuple[bytes, ...]:
    """Return the name a person has given a folder and, where that is another one, the one without links and dots.

    What this machine knows of a store it knows by whichever of its names it is opened.
    """
    return tuple(dict.fromkeys((os.fsencode(folder), os.fsencode(os.path.realpath(folder)))))


BACKEND = SharedBackend()
