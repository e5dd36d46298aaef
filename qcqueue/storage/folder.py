"""A store in a local folder: blobs as files named by their digest, heartbeats as modification times.

It owns `blobs/` and `heartbeats/` below its root and leaves the database file beside them to `database.local`.
A blob is written under a temporary name, synced, renamed, and its folder synced, so after a power cut a name
either has all its bytes or does not exist. Writing a blob again replaces it, which also heals a damaged one.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from qcqueue.clock import Clock
from qcqueue.errors import BlobMissing, DigestMismatch, StoreDenied, StoreError

CHUNK_BYTES = 1 << 20
INCOMING = "incoming-"


class FolderStore:
    """Blobs and heartbeats in a folder of this machine. The folder's clock is the machine's."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.root = root
        self._blobs = root / "blobs"
        self._heartbeats = root / "heartbeats"
        self._clock = clock

    @property
    def url(self) -> str:
        return f"folder:{self.root}"

    def create(self) -> None:
        """Make the folders; making them again changes nothing."""
        with _translated(self.root):
            self._blobs.mkdir(parents=True, exist_ok=True)
            self._heartbeats.mkdir(exist_ok=True)

    def put(self, source: Path) -> str:
        with _translated(self._blobs), source.open("rb") as reading, self._incoming() as writing:
            sha256 = _copy(reading, writing)
            writing.flush()
            os.fsync(writing.fileno())
            Path(writing.name).replace(self._blobs / sha256)
            _sync_folder(self._blobs)
        return sha256

    def fetch(self, sha256: str, target: Path) -> None:
        unfinished = target.with_name(target.name + ".part")
        with _translated(target.parent):
            try:
                with (self._blobs / sha256).open("rb") as reading, unfinished.open("wb") as writing:
                    found = _copy(reading, writing)
            except FileNotFoundError as exc:
                raise BlobMissing(f"{self.url} has no blob {sha256[:12]}") from exc
            if found != sha256:
                unfinished.unlink()
                raise DigestMismatch(f"blob {sha256[:12]} in {self.url} is damaged: its bytes hash to {found[:12]}")
            unfinished.replace(target)

    def size(self, sha256: str) -> int | None:
        with contextlib.suppress(FileNotFoundError):
            return (self._blobs / sha256).stat().st_size
        return None

    def delete(self, sha256: str) -> None:
        with _translated(self._blobs):
            (self._blobs / sha256).unlink(missing_ok=True)

    def list_blobs(self) -> Iterable[str]:
        return sorted(path.name for path in self._blobs.iterdir() if not path.name.startswith(INCOMING))

    def beat(self, name: str) -> None:
        path = self._heartbeats / name
        now_s = self._clock.now_s()
        with _translated(self._heartbeats):
            path.touch()
            os.utime(path, (now_s, now_s))

    def heartbeat_age_s(self, name: str) -> float | None:
        with contextlib.suppress(FileNotFoundError):
            return self._clock.now_s() - (self._heartbeats / name).stat().st_mtime
        return None

    def forget_heartbeat(self, name: str) -> None:
        (self._heartbeats / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _incoming(self) -> Iterator[IO[bytes]]:
        """Yield a temporary file beside the blobs; whatever is left of it afterwards is removed."""
        with tempfile.NamedTemporaryFile(dir=self._blobs, prefix=INCOMING, delete=False) as file:
            try:
                yield file
            finally:
                Path(file.name).unlink(missing_ok=True)


def _copy(reading: IO[bytes], writing: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := reading.read(CHUNK_BYTES):
        digest.update(chunk)
        writing.write(chunk)
    return digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _translated(place: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as exc:
        raise StoreDenied(f"{exc.filename or place} may not be written: {exc.strerror}") from exc
    except OSError as exc:
        raise StoreError(f"{exc.filename or place}: {exc.strerror}") from exc
