"""Bringing the bytes of a queue from one home into another: each file once, and none that was not read and verified.

What was put is written down in the database of the other home, some at a time; what a cut copy had put since is found
by its owner in a listing, and read back before it counts. It knows nothing of what is copied beside the bytes.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.app.context import QueueContext
from qcqueue.errors import BlobMissing, CorruptionError, DigestMismatch, QcqueueError
from qcqueue.queue.blobs import name_blobs
from qcqueue.queue.copied import BlobToCopy, blobs_there
from qcqueue.stores.base import Blob, BlobKind, Moved, silently
from qcqueue.stores.files import scratch

if TYPE_CHECKING:
    from sqlalchemy import Connection

OWNER = "copy"

# What was put is written down after so much.
NOTED_EVERY_BYTES = 64 << 20
NOTED_EVERY_FILES = 64

# The file that tells how fast a store gives out bytes.
SAMPLE_BYTES_MAX = 8 << 20


class BlobCopy:
    """The blobs of one queue on their way. there: where the other home has them; gone: not to be had, and not needed.

    check: raises, in a transaction on the other home, where that is no copy of this queue any more.
    """

    def __init__(self, source: QueueContext, target: QueueContext, *, check: "Callable[[Connection], None]") -> None:
        self.there: dict[str, Blob] = {}
        self.gone: set[str] = set()
        self._source = source
        self._target = target
        self._check = check
        self._is_begun = False

    def has(self, wanted: Sequence[BlobToCopy]) -> bool:
        """Return whether nothing of this is still to be brought."""
        return all(it.blob.sha256 in self.there or it.blob.sha256 in self.gone for it in wanted)

    def bring(self, wanted: Sequence[BlobToCopy], *, progress: Moved = silently) -> None:
        """Fetch and put what is not there yet. progress is told of bytes.

        Raises: StoreError. CorruptionError, BlobMissing: something that is needed is damaged or lost.
        """
        self._target.cache.mkdir(parents=True, exist_ok=True)
        with scratch(self._target.cache, prefix="copy-") as folder:
            if not self._is_begun:
                self._find_put(wanted, folder / "blob")
                self._is_begun = True
            whole, done = sum(it.blob.size_bytes for it in wanted), 0
            put: list[tuple[Blob, str]] = []
            try:
                for it in wanted:
                    if not self.has([it]):
                        put += self._brought(it, folder / "blob")
                    done += it.blob.size_bytes
                    progress(done, whole)
                    if len(put) >= NOTED_EVERY_FILES or sum(blob.size_bytes for blob, _ in put) >= NOTED_EVERY_BYTES:
                        self._note(put)
                        put = []
            except BaseException:
                with contextlib.suppress(QcqueueError):  # what is not written down is found by its owner
                    self._note(put)
                raise
            self._note(put)

    def _brought(self, it: BlobToCopy, file: Path) -> list[tuple[Blob, str]]:
        kind = BlobKind.DATASET if it.kind == "dataset" else BlobKind.OTHER
        try:
            self._source.store_itself.fetch(it.blob, file)
        except (BlobMissing, DigestMismatch):
            if it.is_needed:
                raise
            self.gone.add(it.blob.sha256)
            return []
        blob = self._target.store_itself.put(file, title=it.title, owner=OWNER, kind=kind)
        file.unlink()
        self.there[blob.sha256] = blob
        return [(blob, it.kind)]

    def _find_put(self, wanted: Sequence[BlobToCopy], file: Path) -> None:
        """Find what lies there already, as this home has written down, or as a copy that was cut has left it."""
        store, sizes = self._target.store_itself, {it.blob.sha256: it.blob.size_bytes for it in wanted}
        with self._target.database_itself.read() as tx:
            noted = blobs_there(tx)
        self.there |= {
            sha256: blob
            for sha256, blob in noted.items()
            if sha256 in sizes and store.size(blob) == blob.size_bytes == sizes[sha256]
        }
        found = {it.blob.sha256: it.blob for it in store.list_blobs() if it.owner == OWNER}
        for sha256, blob in found.items():
            if sha256 in sizes and sha256 not in self.there:
                with contextlib.suppress(BlobMissing, CorruptionError):
                    store.fetch(blob, file)
                    self.there[sha256] = blob
                    file.unlink()

    def _note(self, put: Sequence[tuple[Blob, str]]) -> None:
        def note(tx: "Connection") -> None:
            self._check(tx)
            name_blobs(tx, put, now_s=self._target.clock.now_s())

        if put:
            self._target.database_itself.transact(note)


def seconds_for(source: QueueContext, wanted: Sequence[BlobToCopy], there: Mapping[str, Blob]) -> float | None:
    """Return how long bringing takes, if giving takes as long as getting; None where nothing is to be brought.

    Two files are fetched to find out, a large one and the smallest. Raises: StoreError.
    """
    blobs = sorted((it.blob for it in wanted if it.blob.sha256 not in there), key=lambda it: it.size_bytes)
    if not blobs:
        return None
    large = max(
        (it for it in blobs if it.size_bytes <= SAMPLE_BYTES_MAX), key=lambda it: it.size_bytes, default=blobs[0]
    )
    with scratch(prefix="copy-") as folder:
        begin_s = _fetch_s(source, blobs[0], folder / "blob")
        large_s = _fetch_s(source, large, folder / "blob")
    byte_s = max(0.0, large_s - begin_s) / max(1, large.size_bytes)
    return 2 * (len(blobs) * begin_s + byte_s * sum(blob.size_bytes for blob in blobs))


def _fetch_s(source: QueueContext, blob: Blob, file: Path) -> float:
    began_s = source.clock.monotonic_s()
    with contextlib.suppress(BlobMissing, DigestMismatch):
        source.store_itself.fetch(blob, file)
    return source.clock.monotonic_s() - began_s
