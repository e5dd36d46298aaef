"""A store that behaves as stores do: busy, cut off, away for a while, late with its listings.

`FaultyStore` wraps the real `FolderStore` for one session. Every call is a place where the world may let others
run first (`pause`), where the store may refuse, and where the session may be killed before, within or after the
real work. It tells the `Ledger` what truly happened, which the invariants compare with what the database says.
"""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path, PosixPath
from typing import IO, Any

from qcqueue.errors import DiskFull, StoreBusy
from qcqueue.stores.base import Blob, BlobKind, Listed, Moved, silently
from qcqueue.stores.files import INCOMING
from qcqueue.stores.folder import FolderStore
from tests.support.chance import Crash, Fault, Faults
from tests.support.ledger import Ledger


class FaultyStore:
    """The store as one session sees it. Implements `stores.base.Store`."""

    def __init__(
        self,
        store: FolderStore,
        ledger: Ledger,
        faults: Faults,
        pause: Callable[[], None],
        *,
        is_full: Callable[[], bool] = lambda: False,
    ) -> None:
        """is_full: whether the disk of the session's machine is."""
        self._is_full = is_full
        self._store = store
        self._ledger = ledger
        self._faults = faults
        self._pause = pause

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
        self._reach(Fault.KILL_BEFORE_PUT)
        if self._faults.hit(Fault.CUT_PUT):
            self._cut_put(source, owner)
        blob = self._store.put(source, title=title, owner=owner, kind=kind, moved=moved)
        self._faults.crash_on(Fault.KILL_AFTER_PUT)
        self._pause()
        return blob

    def fetch(self, blob: Blob, target: Path, *, moved: Moved = silently) -> None:
        self._reach()
        if self._is_full():
            raise DiskFull(f"{target.name}: no space left on device")
        if self._faults.hit(Fault.CUT_FETCH):
            target.with_name(target.name + ".part").write_bytes(b"half a")
            raise Crash(Fault.CUT_FETCH)
        self._store.fetch(blob, target, moved=moved)
        found, name = hashlib.sha256(target.read_bytes()).hexdigest(), blob.sha256
        self._ledger.demand(found == name, f"blob {name[:12]} was handed out with the bytes of {found[:12]}")
        self._pause()

    def size(self, blob: Blob) -> int | None:
        self._reach()
        return self._store.size(blob)

    def delete(self, blob: Blob) -> None:
        self._reach(Fault.KILL_BEFORE_DELETE)
        self._store.delete(blob)
        self._ledger.look()
        self._faults.crash_on(Fault.KILL_AFTER_DELETE)

    def list_blobs(self) -> Iterable[Listed]:
        self._reach()
        shown = list(self._store.list_blobs())
        return shown[: len(shown) // 2] if self._faults.hit(Fault.LATE_LISTING) else shown

    def new_heartbeat(self, session_id: str) -> str:
        return self._store.new_heartbeat(session_id)

    def beat(self, name: str) -> None:
        self._reach(Fault.KILL_AT_BEAT)
        self._store.beat(name)
        self._ledger.beat(name)

    def heartbeat_age_s(self, name: str) -> float | None:
        self._reach()
        return self._store.heartbeat_age_s(name)

    def forget_heartbeat(self, name: str) -> None:
        self._reach()
        self._store.forget_heartbeat(name)
        self._ledger.silenced.add(name)

    def _reach(self, kill: Fault | None = None) -> None:
        self._pause()
        if kill:
            self._faults.crash_on(kill)
        if self._ledger.store_is_away or self._faults.hit(Fault.STORE_BUSY):
            raise StoreBusy("the store is busy")

    def _cut_put(self, source: Path, owner: str) -> None:
        """Die with half of the bytes sent, and leave behind what a killed process cannot tidy."""
        half = source.stat().st_size // 2
        try:
            self._store.put(CutSource(source), owner=owner)
        except Crash:
            # The real code tidied its temporary file on the way out; a killed process could not have.
            self._store.root.joinpath("blobs", f"{INCOMING}{self._ledger.next_number()}").write_bytes(
                source.read_bytes()[:half]
            )
            raise


class CutSource(PosixPath):
    """A file whose reader is killed after half of it."""

    def open(self, *_: Any, **__: Any) -> "IO[Any]":  # type: ignore[override]
        return _CutReader(self)  # type: ignore[return-value]


class _CutReader:
    def __init__(self, path: Path) -> None:
        self._half = Path(path).read_bytes()[: path.stat().st_size // 2]

    def __enter__(self) -> "_CutReader":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def read(self, _: int) -> bytes:
        half, self._half = self._half, b""
        if not half:
            raise Crash(Fault.CUT_PUT)
        return half
