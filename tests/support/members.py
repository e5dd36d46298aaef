"""The members of each contract: every kind of store, of slots and of database, and how a test reaches it."""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from qcqueue.clock import Clock, RandomIds, SystemClock
from qcqueue.conformance.databases import DatabasePlace
from qcqueue.conformance.slots import SlotPlace
from qcqueue.conformance.stores import StorePlace
from qcqueue.database.base import Database
from qcqueue.database.chain import Chain
from qcqueue.database.local import LocalDatabase
from qcqueue.database.version import Contents
from qcqueue.database.versioned import VersionedDatabase
from qcqueue.stores.base import Blob, Creation, Slots, Store
from qcqueue.stores.folder import FolderStore, file_name
from qcqueue.stores.folder_slots import FolderSlots
from qcqueue.stores.shared import SharedStore
from tests.support.drive.places import OnDrive, SlotsOnDrive
from tests.support.servers.on_postgres import OnPostgres
from tests.support.servers.places import SlotsInBucket, StoreInBucket


@dataclass(frozen=True, slots=True)
class InFolder:
    """A store in a local folder."""

    tick_s: float = 0.0

    def running(self, clock: Clock) -> AbstractContextManager[StorePlace]:
        return contextlib.nullcontext(self)

    def open(self, root: Path, clock: Clock) -> Store:
        store = FolderStore(root, clock, RandomIds())
        store.create()
        return store

    def overwrite(self, root: Path, blob: Blob, data: bytes) -> None:
        (root / "blobs" / file_name(blob)).write_bytes(data)


@dataclass(frozen=True, slots=True)
class InSharedFolder:
    """A store in a folder of a disk that machines share. The contract's clock stands for the disk's."""

    tick_s: float = 0.0

    def running(self, clock: Clock) -> AbstractContextManager[StorePlace]:
        return contextlib.nullcontext(self)

    def open(self, root: Path, clock: Clock) -> Store:
        store = SharedStore(root, clock, RandomIds())
        store.create()
        return store

    def overwrite(self, root: Path, blob: Blob, data: bytes) -> None:
        (root / "blobs" / file_name(blob)).write_bytes(data)


@dataclass(frozen=True, slots=True)
class SlotsInFolder:
    """Slots in a folder."""

    def running(self) -> AbstractContextManager[SlotPlace]:
        return contextlib.nullcontext(self)

    def open(self, root: Path) -> FolderSlots:
        slots = self.attach(root)
        slots.make()
        return slots

    def attach(self, root: Path) -> FolderSlots:
        return FolderSlots(root, RandomIds())

    def bytes_of(self, root: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@dataclass(frozen=True, slots=True)
class OneFile:
    """A database in one local file."""

    name: str = "queue.sqlite"
    is_bytes: bool = True

    def running(self) -> AbstractContextManager[DatabasePlace]:
        return contextlib.nullcontext(self)

    def make(self, folder: Path) -> None:
        with contextlib.closing(LocalDatabase(folder / self.name)) as database:
            database.create()

    def open(self, folder: Path) -> AbstractContextManager[Database]:
        return contextlib.closing(LocalDatabase(folder / self.name))

    def bytes_of(self, folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def overwrite(self, folder: Path, data: bytes) -> None:
        (folder / self.name).write_bytes(data)

    def set_format(self, folder: Path, number: int) -> None:
        with contextlib.closing(sqlite3.connect(folder / self.name)) as connection, connection:
            connection.execute("UPDATE meta SET format = ?", (number,))


@dataclass(frozen=True, slots=True)
class InSlots:
    """A database of versions in slots, each process a machine with a cache of its own, or all on one."""

    slots: SlotPlace
    one_cache: bool = False
    is_bytes: bool = True

    @contextlib.contextmanager
    def running(self) -> Iterator[DatabasePlace]:
        with self.slots.running() as slots:
            yield InSlots(slots, one_cache=self.one_cache)

    def make(self, folder: Path) -> None:
        self._database(self.slots.open(folder), folder).create()

    def open(self, folder: Path) -> AbstractContextManager[Database]:
        return contextlib.closing(self._database(self.slots.attach(folder), folder))

    def bytes_of(self, folder: Path) -> dict[str, bytes]:
        return self.slots.bytes_of(folder)

    def overwrite(self, folder: Path, data: bytes) -> None:
        """Put bytes that are no queue where the first version should be, well wrapped."""
        Chain(self.slots.open(folder), RandomIds(), author="a stranger").begin(data)

    def set_format(self, folder: Path, number: int) -> None:
        """Append a version as a newer qcqueue would."""
        slots = self.slots.attach(folder)
        head = Chain(slots, RandomIds(), author="").head(None)
        body = Contents(trail=(), image=b"of another kind").packed()
        facts = {"format": str(number), "wholly": "different"}
        assert slots.create(head.next, body, facts) is Creation.CREATED

    def _database(self, slots: Slots, folder: Path) -> VersionedDatabase:
        cache = folder.with_name("cache" if self.one_cache else f"cache-{os.getpid()}")
        return VersionedDatabase(slots, copy=cache, clock=SystemClock(), ids=RandomIds(), author=f"{os.getpid()}")


STORES: Mapping[str, StorePlace] = {
    "folder": InFolder(),
    "shared": InSharedFolder(),
    "gdrive": OnDrive(),
    "s3": StoreInBucket("s3"),
    "az": StoreInBucket("az"),
}
SLOTS: Mapping[str, SlotPlace] = {
    "folder": SlotsInFolder(),
    "gdrive": SlotsOnDrive(),
    "s3": SlotsInBucket("s3"),
    "az": SlotsInBucket("az"),
}
DATABASES: Mapping[str, DatabasePlace] = {
    "local": OneFile(),
    "versions, many machines": InSlots(SlotsInFolder()),
    "versions, one machine": InSlots(SlotsInFolder(), one_cache=True),
    "versions on Drive": InSlots(SlotsOnDrive()),
    "versions on S3": InSlots(SlotsInBucket("s3")),
    "versions on Azure": InSlots(SlotsInBucket("az")),
    "postgresql, psycopg": OnPostgres("psycopg"),
    "postgresql, psycopg2": OnPostgres("psycopg2"),
}
SERVED = frozenset({"s3", "az", "versions on S3", "versions on Azure", "postgresql, psycopg", "postgresql, psycopg2"})
"""Which members are at home on a server that must be at work."""


def params(members: Iterable[str]) -> list[ParameterSet]:
    """Return members as parameters of a test, those on servers with the marker that says so."""
    return [pytest.param(name, marks=[pytest.mark.servers] if name in SERVED else []) for name in members]
