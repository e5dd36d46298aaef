"""A store in a local folder: blobs as files named by their digest, heartbeats as modification times.

It owns `blobs/` and `heartbeats/` below its root and leaves the database file beside them to `database.local`.
A blob is written under a temporary name, synced, renamed, and its folder synced, so after a power cut a name
either has all its bytes or does not exist. Writing a blob again replaces it, which also heals a damaged one.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from qcqueue.clock import WallTime
from qcqueue.errors import BlobMissing, DigestMismatch
from qcqueue.storage.base import Blob, Moved, Shelf, silently
from qcqueue.storage.files import INCOMING, move_whole, sync_folder, translated, unfinished

CHUNK_BYTES = 1 << 20


class FolderStore:
    """Blobs and heartbeats in a folder of this machine. The folder's clock is the machine's."""

    def __init__(self, root: Path, clock: WallTime) -> None:
        self.root = root
        self._blobs = root / "blobs"
        self._heartbeats = root / "heartbeats"
        self._clock = clock

    @property
    def url(self) -> str:
        return f"folder:{self.root}"

    def create(self) -> None:
        """Make the folders; making them again changes nothing."""
        with translated(self.root):
            self._blobs.mkdir(parents=True, exist_ok=True)
            self._heartbeats.mkdir(exist_ok=True)

    def put(self, source: Path, *, title: str = "", shelf: Shelf = Shelf.BLOBS, moved: Moved = silently) -> Blob:
        with translated(self._blobs), source.open("rb") as reading, unfinished(self._blobs) as writing:
            sha256 = _copy(reading, writing, source.stat().st_size, moved)
            size_bytes = writing.tell()
            move_whole(writing, self._blobs / sha256)
            sync_folder(self._blobs)
        return Blob(sha256=sha256, size_bytes=size_bytes)

    def fetch(self, blob: Blob, target: Path, *, moved: Moved = silently) -> None:
        name = blob.sha256[:12]
        with translated(target.parent), unfinished(target.parent) as writing:
            try:
                with (self._blobs / blob.sha256).open("rb") as reading:
                    found = _copy(reading, writing, blob.size_bytes, moved)
            except FileNotFoundError as exc:
                raise BlobMissing(f"{self.url} has no blob {name}") from exc
            if found != blob.sha256:
                raise DigestMismatch(f"blob {name} in {self.url} is damaged: its bytes hash to {found[:12]}")
            move_whole(writing, target)

    def size(self, blob: Blob) -> int | None:
        with translated(self._blobs), contextlib.suppress(FileNotFoundError):
            return (self._blobs / blob.sha256).stat().st_size
        return None

    def delete(self, blob: Blob) -> None:
        with translated(self._blobs):
            (self._blobs / blob.sha256).unlink(missing_ok=True)

    def list_blobs(self) -> Iterable[Blob]:
        with translated(self._blobs):
            whole = sorted(path for path in self._blobs.iterdir() if not path.name.startswith(INCOMING))
            return [Blob(sha256=path.name, size_bytes=path.stat().st_size) for path in whole]

    def new_heartbeat(self, session_id: str) -> str:
        return session_id

    def beat(self, name: str) -> None:
        path = self._heartbeats / name
        now_s = self._clock.now_s()
        with translated(self._heartbeats):
            path.touch()
            os.utime(path, (now_s, now_s))

    def heartbeat_age_s(self, name: str) -> float | None:
        with translated(self._heartbeats), contextlib.suppress(FileNotFoundError):
            return self._clock.now_s() - (self._heartbeats / name).stat().st_mtime
        return None

    def forget_heartbeat(self, name: str) -> None:
        with translated(self._heartbeats):
            (self._heartbeats / name).unlink(missing_ok=True)


def _copy(reading: IO[bytes], writing: IO[bytes], size_bytes: int, moved: Moved) -> str:
    digest = hashlib.sha256()
    while chunk := reading.read(CHUNK_BYTES):
        digest.update(chunk)
        writing.write(chunk)
        moved(writing.tell(), size_bytes)
    return digest.hexdigest()
