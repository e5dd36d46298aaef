"""A store in a bucket: blobs as objects named by digest and place, heartbeats as the times of empty objects.

A blob's name is `<digest>.<owner>.<id>`, or `<digest>.<id>` of nobody's. It counts once its size was compared and its
SHA-256 too: by the bucket itself where it is known to do that, else by reading it back. Ages are the difference of two
times that the bucket gave. A put that is cut leaves no object; the parts of one that was killed, which nobody sees, go
by a rule of the bucket's.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from qcqueue.clock import Ids
from qcqueue.errors import BlobMissing, DigestMismatch, QcqueueError, StoreBusy
from qcqueue.stores.base import Blob, BlobKind, Listed, Moved, silently
from qcqueue.stores.files import move_whole, on_this_machine, to_be_stored, unfinished
from qcqueue.stores.names import checked, is_digest, is_owner, is_place_in_folder, is_word, owner_in
from qcqueue.stores.objects.answers import LATER
from qcqueue.stores.objects.bucket import PIECE_BYTES, Bucket, Found
from qcqueue.stores.objects.clock import BucketClock

BLOBS, HEARTBEATS = "blobs", "heartbeats"

ONE_REQUEST_BYTES = 64 << 20
"""What is larger goes in parts."""
HASHED_BYTES = 1 << 20


class BucketStore:
    """Blobs and heartbeats of one queue; ids tell puts apart."""

    def __init__(self, bucket: Bucket, ids: Ids) -> None:
        self._bucket = bucket
        self._clock = BucketClock(bucket)
        self._ids = ids

    @property
    def url(self) -> str:
        return self._bucket.url

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
        with to_be_stored(source) as reading:
            with on_this_machine(source):
                sha256, size_bytes = _measured(reading)
            place = f"{owner}.{self._ids.new()}" if owner else self._ids.new()
            blob = Blob(sha256=sha256, size_bytes=size_bytes, place=place)
            try:
                self._upload(blob, reading, source, moved)
                self._verify(blob)
            except DigestMismatch:
                with contextlib.suppress(QcqueueError):  # the mismatch is what there is to be told
                    self.delete(blob)
                raise
        return blob

    def fetch(self, blob: Blob, target: Path, *, moved: Moved = silently) -> None:
        name, found = blob.sha256[:12], self._look(blob)
        if found is None:
            raise BlobMissing(f"{self.url} has no blob {name}")
        if found.size_bytes != blob.size_bytes:
            said = f"it has {found.size_bytes:,} bytes instead of {blob.size_bytes:,}"
            raise DigestMismatch(f"blob {name} in {self.url} is damaged: {said}")
        with on_this_machine(target), unfinished(target.parent) as writing:
            digest = hashlib.sha256()
            for piece in self._pieces(blob):
                digest.update(piece)
                writing.write(piece)
                moved(writing.tell(), blob.size_bytes)
            if digest.hexdigest() != blob.sha256:
                said = f"its bytes hash to {digest.hexdigest()[:12]}"
                raise DigestMismatch(f"blob {name} in {self.url} is damaged: {said}")
            move_whole(writing, target)

    def size(self, blob: Blob) -> int | None:
        found = self._look(blob)
        return found.size_bytes if found else None

    def delete(self, blob: Blob) -> None:
        if _is_ours(blob):
            self._bucket.remove(_name_of(blob))

    def list_blobs(self) -> Iterable[Listed]:
        now_s = self._clock.now_s()
        for found in self._bucket.list(BLOBS):
            sha256, _, place = found.name.removeprefix(f"{BLOBS}/").partition(".")
            blob = Blob(sha256=sha256, size_bytes=found.size_bytes, place=place)
            if _is_ours(blob):
                yield Listed(blob=blob, owner=owner_in(place), age_s=max(0.0, now_s - found.modified_s))

    def new_heartbeat(self, session_id: str) -> str:
        assert is_word(session_id), f"{session_id!r} is no id of a session"
        return session_id

    def beat(self, name: str) -> None:
        self._bucket.write(f"{HEARTBEATS}/{checked(name, 'heartbeat', url=self.url)}", b"")

    def heartbeat_age_s(self, name: str) -> float | None:
        found = self._bucket.look(f"{HEARTBEATS}/{name}") if is_word(name) else None
        return max(0.0, self._clock.now_s() - found.modified_s) if found else None

    def forget_heartbeat(self, name: str) -> None:
        if is_word(name):
            self._bucket.remove(f"{HEARTBEATS}/{name}")

    def _look(self, blob: Blob) -> Found | None:
        return self._bucket.look(_name_of(blob)) if _is_ours(blob) else None

    def _upload(self, blob: Blob, reading: IO[bytes], source: Path, moved: Moved) -> None:
        pieces = _sent_again(reading, source, blob)
        if blob.size_bytes <= ONE_REQUEST_BYTES:
            self._bucket.write(_name_of(blob), next(pieces, b""))
            moved(blob.size_bytes, blob.size_bytes)
        else:
            self._bucket.write_pieces(_name_of(blob), _told(pieces, blob.size_bytes, moved))

    def _verify(self, blob: Blob) -> None:
        """Compare what has arrived. Raises: DigestMismatch. StoreBusy: it is not shown."""
        found = self._look(blob)
        if found is None:
            raise StoreBusy(f"{self.url} does not show what was just stored", hint=LATER)
        is_whole = found.size_bytes == blob.size_bytes
        if is_whole and not self._bucket.compares_digests:
            digest = hashlib.sha256()
            for piece in self._pieces(blob):
                digest.update(piece)
            is_whole = digest.hexdigest() == blob.sha256
        if not is_whole:
            raise DigestMismatch(f"blob {blob.sha256[:12]} did not arrive in {self.url} as it was sent", hint=LATER)

    def _pieces(self, blob: Blob) -> Iterator[bytes]:
        """Yield the bytes of a blob that is there, so many as it should have."""
        for first in range(0, blob.size_bytes, PIECE_BYTES):
            piece = self._bucket.read_piece(_name_of(blob), first, min(PIECE_BYTES, blob.size_bytes - first))
            if piece is None:
                raise BlobMissing(f"{self.url} has no blob {blob.sha256[:12]}")
            yield piece


def _name_of(blob: Blob) -> str:
    return f"{BLOBS}/{blob.sha256}.{blob.place}"


def _is_ours(blob: Blob) -> bool:
    """Return whether this store can have given such a name."""
    return is_digest(blob.sha256) and is_place_in_folder(blob.place)


def _measured(reading: IO[bytes]) -> tuple[str, int]:
    digest = hashlib.file_digest(reading, "sha256")  # type: ignore[arg-type]  # a binary file is all it asks for
    return digest.hexdigest(), reading.tell()


def _sent_again(reading: IO[bytes], source: Path, blob: Blob) -> Iterator[bytes]:
    """Yield the bytes of a file that was measured, all at once where it is not large.

    Raises: DigestMismatch: it has become another one meanwhile; what it was has not been yielded whole then.
    """
    digest = hashlib.sha256()
    reading.seek(0)
    at_once = ONE_REQUEST_BYTES if blob.size_bytes <= ONE_REQUEST_BYTES else PIECE_BYTES
    while True:
        with on_this_machine(source):
            piece = reading.read(at_once)
        digest.update(piece)
        is_last = reading.tell() >= blob.size_bytes or not piece
        if is_last and digest.hexdigest() != blob.sha256:
            raise DigestMismatch(f"{source} was changed while it was stored")
        if piece:
            yield piece
        if is_last:
            return


def _told(pieces: Iterator[bytes], size_bytes: int, moved: Moved) -> Iterator[bytes]:
    """Yield pieces, telling of each once the next is wanted."""
    moved_bytes = 0
    for piece in pieces:
        yield piece
        moved_bytes += len(piece)
        moved(moved_bytes, size_bytes)
