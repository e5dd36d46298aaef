"""A store in a local folder: blobs as files named by digest and place, heartbeats as modification times.

It owns `blobs/` and `heartbeats/` below its root and leaves `DATABASE_FILE` beside them to `database.local`.
A blob is written under a temporary name, synced, renamed, and its folder synced, so after a power cut a name
either has all its bytes or does not exist. A name is `<digest>.<owner>.<id>`, or `<digest>.<id>` of nobody's, so
`sha256sum` checks a file against the first 64 letters. The id is new each time: what is damaged stays as it is, and
writing it again makes a whole one beside it.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from qcqueue.clock import Ids, WallTime
from qcqueue.errors import BlobMissing, DigestMismatch
from qcqueue.stores.base import Blob, BlobKind, Listed, Moved, silently
from qcqueue.stores.files import (
    is_folder,
    make_folder,
    missing,
    move_whole,
    on_this_machine,
    sync,
    to_be_stored,
    translated,
    unfinished,
)
from qcqueue.stores.names import checked, is_digest, is_owner, is_place_in_folder, is_word, owner_in
from qcqueue.stores.regular import NotRegularError, kind_of, opened

CHUNK_BYTES = 1 << 20

# Where the database of a queue lies whose folder no other machine uses.
DATABASE_FILE = "queue.sqlite"


class FolderStore:
    """Blobs and heartbeats in a folder of this machine. The folder's clock is the machine's; ids tell puts apart."""

    def __init__(self, root: Path, clock: WallTime, ids: Ids) -> None:
        self.root = root
        self._blobs = root / "blobs"
        self._heartbeats = root / "heartbeats"
        self._clock = clock
        self._ids = ids

    @property
    def url(self) -> str:
        return f"folder:{self.root}"

    def create(self) -> None:
        """Make the folders; making them again changes nothing."""
        with translated(self.root):
            for folder in (self._blobs, self._heartbeats):
                make_folder(folder)

    def put(
        self,
        source: Path,
        *,
        title: str = "",
        owner: str = "",
        kind: BlobKind = BlobKind.OTHER,
        moved: Moved = silently,
    ) -> Blob:
        assert is_owner(owner), f"{owner!r} is no owner"
        with translated(self._blobs), to_be_stored(source) as reading, unfinished(self._blobs) as writing:
            with on_this_machine(source):
                size_bytes = source.stat().st_size
            sha256 = _copy(_read_here(reading, source), writing, size_bytes, moved)
            place = f"{owner}.{self._ids.new()}" if owner else self._ids.new()
            blob = Blob(sha256=sha256, size_bytes=writing.tell(), place=place)
            self._date(writing)
            target = self._blobs / file_name(blob)
            move_whole(writing, target)
            try:
                sync(self._blobs)
            except OSError:  # after a power cut it may have no name, so it counts for nothing; the next is another
                with contextlib.suppress(OSError):
                    target.unlink()
                raise
        return blob

    def fetch(self, blob: Blob, target: Path, *, moved: Moved = silently) -> None:
        name, path = blob.sha256[:12], self._path(blob)
        if path is None:
            raise BlobMissing(f"{self.url} has no blob {name}")
        with contextlib.ExitStack() as stack:
            with translated(path):
                reading, size_bytes = stack.enter_context(self._opened(path, name))
            if size_bytes != blob.size_bytes:
                said = f"it has {size_bytes:,} bytes instead of {blob.size_bytes:,}"
                raise DigestMismatch(f"blob {name} in {self.url} is damaged: {said}")
            stack.enter_context(on_this_machine(target))
            writing = stack.enter_context(unfinished(target.parent))
            found = _copy(_read_there(reading, path), writing, blob.size_bytes, moved)
            if found != blob.sha256:
                raise DigestMismatch(f"blob {name} in {self.url} is damaged: its bytes hash to {found[:12]}")
            move_whole(writing, target)

    def size(self, blob: Blob) -> int | None:
        path = self._path(blob)
        with translated(self._blobs):
            try:
                status = path.lstat() if path else None
            except FileNotFoundError as exc:
                if not is_folder(self._blobs):  # nobody knows what it has
                    raise missing(self._blobs) from exc
                return None
        return status.st_size if status and not kind_of(status.st_mode) else None

    def delete(self, blob: Blob) -> None:
        if path := self._path(blob):
            with translated(self._blobs):
                path.unlink(missing_ok=True)

    def list_blobs(self) -> Iterable[Listed]:
        found: list[Listed] = []
        with translated(self._blobs):
            now_s = self._clock.now_s()
            for path in sorted(self._blobs.iterdir()):
                with contextlib.suppress(FileNotFoundError):  # it was deleted meanwhile
                    if shown := _listed(path, now_s):
                        found.append(shown)
        return found

    def new_heartbeat(self, session_id: str) -> str:
        assert is_word(session_id), f"{session_id!r} is no id of a session"
        return session_id

    def beat(self, name: str) -> None:
        path = self._heartbeats / checked(name, "heartbeat", url=self.url)
        now_s = self._clock.now_s()
        with translated(self._heartbeats):
            with contextlib.suppress(FileExistsError):
                path.touch(exist_ok=False)
            os.utime(path, (now_s, now_s), follow_symlinks=False)

    def heartbeat_age_s(self, name: str) -> float | None:
        if is_word(name):
            with translated(self._heartbeats), contextlib.suppress(FileNotFoundError):
                return self._clock.now_s() - (self._heartbeats / name).lstat().st_mtime
        return None

    def forget_heartbeat(self, name: str) -> None:
        if is_word(name):
            with translated(self._heartbeats):
                (self._heartbeats / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _opened(self, path: Path, name: str) -> Iterator[tuple[IO[bytes], int]]:
        try:
            with opened(path, follow=False) as (reading, size_bytes):
                yield reading, size_bytes
        except FileNotFoundError as exc:
            if not is_folder(self._blobs):  # nobody knows what it has
                raise missing(self._blobs) from exc
            raise BlobMissing(f"{self.url} has no blob {name}") from exc
        except NotRegularError as exc:
            raise DigestMismatch(f"blob {name} in {self.url} is damaged: it {exc}") from exc

    def _path(self, blob: Blob) -> Path | None:
        """Return where a blob lies if it lies here; None where this store can have given no such name or place."""
        is_ours = is_digest(blob.sha256) and (not blob.place or is_place_in_folder(blob.place))
        return self._blobs / file_name(blob) if is_ours else None

    def _date(self, writing: IO[bytes]) -> None:
        """Give a file the time of the store's clock, by which its age is told; else it has the time of its disk."""
        writing.flush()  # what is written later would date it anew
        now_s = self._clock.now_s()
        with contextlib.suppress(OSError):
            os.utime(writing.fileno(), (now_s, now_s))


def file_name(blob: Blob) -> str:
    """Return the name of a blob's file: without a place it is one that an older version stored."""
    return f"{blob.sha256}.{blob.place}" if blob.place else blob.sha256


def _listed(path: Path, now_s: float) -> Listed | None:
    """Return the blob in a file; None where it is no file, or its name is not one that a put gives."""
    sha256, dot, place = path.name.partition(".")
    if not is_digest(sha256) or (dot and not is_place_in_folder(place)):
        return None
    status = path.lstat()
    if kind_of(status.st_mode):
        return None
    blob = Blob(sha256=sha256, size_bytes=status.st_size, place=place)
    return Listed(blob=blob, owner=owner_in(place), age_s=max(0.0, now_s - status.st_mtime))


def _read_here(reading: IO[bytes], source: Path) -> Iterator[bytes]:
    """Yield the bytes of a file of this machine."""
    while True:
        with on_this_machine(source):
            chunk = reading.read(CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


def _read_there(reading: IO[bytes], path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file of the store."""
    while True:
        with translated(path):
            chunk = reading.read(CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


def _copy(chunks: Iterable[bytes], writing: IO[bytes], size_bytes: int, moved: Moved) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        writing.write(chunk)
        moved(writing.tell(), size_bytes)
    return digest.hexdigest()
