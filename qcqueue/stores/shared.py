"""A store in a folder on a disk that several machines share: a local folder's store, judged by the disk's clock.

It leaves blobs to `folder` and the queue's slots to `slots`. What differs is time: the machines' clocks may be years
apart, so a heartbeat's age is the time the disk gives a file that is made now, less the time of the last beat.
"""

import os
import tempfile
from pathlib import Path

from qcqueue.stores.files import translated
from qcqueue.stores.folder import FolderStore


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
