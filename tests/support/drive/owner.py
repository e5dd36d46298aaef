"""What a person does to their Drive behind a client's back: in the web interface, or with another program.

Nothing here asks for permission or meets a fault. The lock is taken, so it may be called while clients are at work.
"""

import threading

from tests.support.drive.drives import Change, Drive, Upload
from tests.support.drive.files import File
from tests.support.drive.metadata import Metadata

WEB = "the web interface"


class Owner:
    """The hands of one user."""

    def __init__(self, drive: Drive, lock: threading.Lock) -> None:
        self._drive = drive
        self._lock = lock

    def files(self) -> list[File]:
        """Return all there is, of every app, in the bin or not."""
        with self._lock:
            return list(self._drive.files.values())

    def file(self, file_id: str) -> File:
        with self._lock:
            return self._drive.files[file_id]

    def changes(self) -> list[Change]:
        """Return all that ever happened, in order: an insert has nothing before it, a deletion nothing after."""
        with self._lock:
            return list(self._drive.changes)

    def read(self, file_id: str) -> bytes:
        with self._lock:
            return self._drive.data[file_id]

    def trash(self, file_id: str) -> None:
        with self._lock:
            self._drive.set_trashed(self._drive.files[file_id], True)

    def untrash(self, file_id: str) -> None:
        with self._lock:
            self._drive.set_trashed(self._drive.files[file_id], False)

    def delete(self, file_id: str) -> None:
        """Delete for good: a folder goes with all below it."""
        with self._lock:
            self._drive.delete(self._drive.files[file_id])

    def empty_bin(self) -> None:
        with self._lock:
            for file in [one for one in self._drive.files.values() if one.trashed]:
                if file.id in self._drive.files:
                    self._drive.delete(file)

    def put(self, title: str, data: bytes, *, parent: str | None = None, app: str = WEB) -> File:
        """Add a file, as another app: one more of a title that may be there already."""
        with self._lock:
            return self._drive.insert(Metadata(title=title, parent=parent), app, Upload.of(data))

    def duplicate(self, file_id: str, *, app: str | None = None) -> File:
        """Add a second file of the same title and bytes in the same folder; by the same app unless another is named."""
        with self._lock:
            file = self._drive.files[file_id]
            wanted = Metadata(title=file.title, parent=file.parent, mime_type=file.mime_type)
            return self._drive.insert(wanted, app or file.app, Upload.of(self._drive.data.get(file_id, b"")))

    def overwrite(self, file_id: str, data: bytes) -> None:
        """Put other bytes into a file, as an upload of the same file would."""
        with self._lock:
            self._drive.change(self._drive.files[file_id], Metadata(), WEB, Upload.of(data), keep_time=False)

    def damage(self, file_id: str, data: bytes) -> None:
        """Change the bytes a download gives, while the checksums stay: what must never happen."""
        with self._lock:
            self._drive.data[file_id] = data

    def leave_free(self, size: int) -> None:
        """Let mail and photos take all of the quota but so many bytes."""
        with self._lock:
            user = self._drive.user
            user.other_bytes = user.quota_bytes - self._drive.used_bytes() - size
