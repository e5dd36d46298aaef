"""A kind of store in one file, as the next one would be added: queues in the memory of this process.

It has a store, slots, and the backend that a row of the table names. `test_new_kind` adds that row.
"""

import hashlib
import re
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qcqueue.errors import BlobMissing, StoreBusy, StoreMissing
from qcqueue.stores.base import (
    Access,
    Ask,
    Begin,
    Blob,
    BlobKind,
    Creation,
    Listed,
    Made,
    Moved,
    Opened,
    Remember,
    silently,
)
from qcqueue.stores.checks import Check, Reached, fine, problem
from qcqueue.stores.names import checked, is_word
from qcqueue.stores.paths import kept_of_queue
from qcqueue.stores.registry import StoreKind

KIND = StoreKind(
    backend=f"{__name__}:BACKEND", form="memory:NAME", name="the memory of a process", secrets=("MEMORY_KEY",)
)
NAME = re.compile(r"[a-z-]{1,40}")


@dataclass(slots=True)
class Contents:
    """What lies in one store."""

    blobs: dict[Blob, tuple[bytes, str]] = field(default_factory=dict)
    beats: dict[str, float] = field(default_factory=dict)
    taken: dict[str, tuple[bytes, Mapping[str, str]]] = field(default_factory=dict)


STORED: dict[str, Contents] = {}


@dataclass(frozen=True, slots=True)
class MemoryStore:
    """Implements `stores.base.Store`."""

    name: str
    access: Access

    @property
    def url(self) -> str:
        return f"memory:{self.name}"

    def put(
        self,
        source: Path,
        *,
        title: str = "",
        owner: str = "",
        kind: BlobKind = BlobKind.OTHER,
        moved: Moved = silently,
    ) -> Blob:
        data, place = source.read_bytes(), self.access.ids.new()
        blob = Blob(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), place=place)
        STORED[self.name].blobs[blob] = data, owner
        return blob

    def fetch(self, blob: Blob, target: Path, *, moved: Moved = silently) -> None:
        if blob not in STORED[self.name].blobs:
            raise BlobMissing(f"{self.url} has no blob {blob.sha256[:12]}")
        target.write_bytes(STORED[self.name].blobs[blob][0])

    def size(self, blob: Blob) -> int | None:
        return blob.size_bytes if blob in STORED[self.name].blobs else None

    def delete(self, blob: Blob) -> None:
        STORED[self.name].blobs.pop(blob, None)

    def list_blobs(self) -> Iterable[Listed]:
        return [Listed(blob=blob, owner=owner, age_s=0.0) for blob, (_, owner) in STORED[self.name].blobs.items()]

    def new_heartbeat(self, session_id: str) -> str:
        return session_id

    def beat(self, name: str) -> None:
        STORED[self.name].beats[checked(name, "heartbeat", url=self.url)] = self.access.clock.now_s()

    def heartbeat_age_s(self, name: str) -> float | None:
        last_s = STORED[self.name].beats.get(name)
        return None if last_s is None else self.access.clock.now_s() - last_s

    def forget_heartbeat(self, name: str) -> None:
        STORED[self.name].beats.pop(name, None)


@dataclass(frozen=True, slots=True)
class MemorySlots:
    """Implements `stores.base.Slots`."""

    name: str
    access: Access

    @property
    def url(self) -> str:
        return f"memory:{self.name}"

    @property
    def root(self) -> str:
        return "first"

    @property
    def is_near(self) -> bool:
        return True

    def reserve(self, number: int) -> str:
        return f"{number:06}-{self.access.ids.new()}"

    def create(self, slot: str, body: bytes, facts: Mapping[str, str]) -> Creation:
        taken = self._there()
        if checked(slot, "slot", url=self.url) in taken:
            return Creation.TAKEN
        taken[slot] = body, dict(facts)
        return Creation.CREATED

    def facts(self, slot: str) -> Mapping[str, str] | None:
        found = self._there().get(checked(slot, "slot", url=self.url))
        return found[1] if found else None

    def look_again(self, slot: str) -> Mapping[str, str] | None:
        return self.facts(slot)

    def body(self, slot: str) -> bytes:
        if self.facts(slot) is None:
            raise StoreBusy(f"{self.url} does not show slot {slot} yet")
        return self._there()[slot][0]

    def truncate(self, slot: str) -> None:
        if (facts := self.facts(slot)) is not None:
            self._there()[slot] = b"", facts

    def list_slots(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        return [(slot, facts) for slot, (_, facts) in sorted(self._there().items(), reverse=True) if is_word(slot)]

    def _there(self) -> dict[str, tuple[bytes, Mapping[str, str]]]:
        if self.name not in STORED:
            raise StoreMissing(f"there is no queue in {self.url}", hint="qcqueue init")
        return STORED[self.name].taken


class MemoryBackend:
    """Implements `stores.base.Backend`."""

    def parse(self, rest: str, *, source: str) -> str | None:
        return rest if NAME.fullmatch(rest) else None

    def open(self, address: str, access: Access, *, patient: bool) -> Opened:
        store = MemoryStore(address, access)
        copy = kept_of_queue(access.cache, f"memory:{address}".encode())
        return Opened(store=store, origin=store, slots=MemorySlots(address, access), copies=(copy,))

    def create(self, address: str, access: Access, *, begin: Begin, remember: Remember, dry_run: bool = False) -> Made:
        if dry_run:
            return Made(address=address, is_new=address not in STORED)
        remember(address)
        STORED.setdefault(address, Contents())
        return Made(address=address, is_new=begin(self.open(address, access, patient=True)))

    def beside(self, address: str, access: Access) -> str:
        return f"{address}-beside"

    def delete(self, address: str, access: Access) -> None:
        STORED.pop(address, None)

    def check(self, address: str, access: Access) -> Generator[Check, None, Reached | None]:
        if address not in STORED:
            yield problem("memory", StoreMissing(f"there is no queue in memory:{address}", hint="qcqueue init"))
            return None
        yield fine("memory", "all of it is there")
        return Reached(free_bytes=None)

    def sign_in(self, access: Access, ask: Ask) -> Access:
        return access

    def link(self, address: str) -> str | None:
        return f"https://memory.example/{address}"

    def notebook_steps(self, file: str, *, has_client: bool) -> tuple[str, ...]:
        return (f"next: think of {file}",)


BACKEND = MemoryBackend()
