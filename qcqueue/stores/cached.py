"""A store that is far away, with the newest of what this machine put or fetched kept beside it.

A session that follows another one on the same machine takes its state from here and downloads nothing. What is kept is
verified before it is handed out, so a damaged copy costs a download and never more. The far store alone is the truth.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from qcqueue.stores.base import Blob, BlobKind, Listed, Moved, Store, silently
from qcqueue.stores.files import holds, unfinished
from qcqueue.stores.names import is_digest

# The states a job can resume from, each of many blobs, and some for the next job.
KEPT_BYTES = 4 << 30


class CachedStore:
    """Wraps a store. folder: in this machine's cache, on the disk that spools lie on, so that a copy is a link."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder

    @property
    def url(self) -> str:
        return self._store.url

    def put(
        self,
        source: Path,
        *,
        title: str = "",
        owner: str = "",
        kind: BlobKind = BlobKind.OTHER,
        moved: Moved = silently,
    ) -> Blob:
        blob = self._store.put(source, title=title, owner=owner, kind=kind, moved=moved)
        self._keep(source, blob)
        return blob

    def fetch(self, blob: Blob, target: Path, *, moved: Moved = silently) -> None:
        if self._take(blob, target):
            moved(blob.size_bytes, blob.size_bytes)
            return
        self._store.fetch(blob, target, moved=moved)
        self._keep(target, blob)

    def size(self, blob: Blob) -> int | None:
        return self._store.size(blob)

    def delete(self, blob: Blob) -> None:
        self._store.delete(blob)
        self._forget(blob)

    def list_blobs(self) -> Iterable[Listed]:
        return self._store.list_blobs()

    def new_heartbeat(self, session_id: str) -> str:
        return self._store.new_heartbeat(session_id)

    def beat(self, name: str) -> None:
        self._store.beat(name)

    def heartbeat_age_s(self, name: str) -> float | None:
        return self._store.heartbeat_age_s(name)

    def forget_heartbeat(self, name: str) -> None:
        self._store.forget_heartbeat(name)

    def _take(self, blob: Blob, target: Path) -> bool:
        """Give out the copy kept of a blob; return whether there is one that is sound. What fails costs a download."""
        if not is_digest(blob.sha256):  # the far store has no such blob either, and will say so
            return False
        kept = self._folder / blob.sha256
        with contextlib.suppress(OSError):
            if holds(kept, blob.sha256, blob.size_bytes):
                _link(kept, target)
                os.utime(kept)
                return True
            self._forget(blob)
        return False

    def _keep(self, source: Path, blob: Blob) -> None:
        """Keep a copy if this machine can, and let go what was used longest ago."""
        if blob.size_bytes > KEPT_BYTES:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            _link(source, self._folder / blob.sha256)
            os.utime(self._folder / blob.sha256)
            self._make_room()

    def _make_room(self) -> None:
        found = [(path, path.stat()) for path in self._folder.iterdir()]
        kept_bytes = 0
        for path, status in sorted(found, key=lambda one: one[1].st_mtime_ns, reverse=True):
            kept_bytes += status.st_size
            if kept_bytes > KEPT_BYTES:
                path.unlink(missing_ok=True)

    def _forget(self, blob: Blob) -> None:
        if is_digest(blob.sha256):
            with contextlib.suppress(OSError):
                (self._folder / blob.sha256).unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    """Let `target` be the file `source`, or a copy of it where one disk cannot link to the other."""
    with unfinished(target.parent) as file:
        place = Path(file.name)
        file.close()
        place.unlink(missing_ok=True)
        try:
            place.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, place)
        place.replace(target)
