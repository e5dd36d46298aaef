"""What every store and every database owes, as test classes: a new member of a drawer is tested by being named here.

`StoreContract` runs over `STORES`, `SlotContract` over `SLOTS`, `DatabaseContract` over `DATABASES`. A place says how
the contract reaches one kind from any process and behind its back. The processes are real, they race, and they die by
SIGKILL; what they tell their parent travels over a pipe, so that no test waits for the clock.
"""

import contextlib
import hashlib
import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from qcqueue.clock import Clock, RandomIds, SystemClock
from qcqueue.database.base import Database, StoredDatabase
from qcqueue.database.chain import Chain
from qcqueue.database.local import LocalDatabase
from qcqueue.database.schema import FORMAT, history, metadata, sessions
from qcqueue.database.version import Contents
from qcqueue.database.versioned import VersionedDatabase
from qcqueue.errors import (
    BlobMissing,
    CorruptionError,
    DigestMismatch,
    QcqueueError,
    StoreError,
    StoreMissing,
    UnknownFormat,
)
from qcqueue.stores.base import Blob, Creation, Slots, Store
from qcqueue.stores.files import INCOMING
from qcqueue.stores.folder import CHUNK_BYTES, FolderStore, file_name
from qcqueue.stores.folder_slots import FolderSlots
from qcqueue.stores.shared import SharedStore
from qcqueue.testing.clocks import MachineClock, WorldTime
from qcqueue.testing.drive.places import OnDrive, SlotsOnDrive
from qcqueue.text.canonical_json import digest_of

# A fork server starts a process in milliseconds, and none inherits a connection or a lock from the test.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


class StorePlace(Protocol):
    """One kind of store: how to open it, and how its bytes go wrong without its knowledge.

    It is sent to other processes, which open the same store with it. running starts what it needs to be reached, on a
    clock that is the store's, and yields the place that is.
    """

    def running(self, clock: Clock) -> "AbstractContextManager[StorePlace]": ...

    def open(self, root: Path, clock: Clock) -> Store: ...

    def overwrite(self, root: Path, blob: Blob, data: bytes) -> None: ...


class SlotPlace(Protocol):
    """One kind of slots: how to open them, from any process, once what they need is `running`."""

    def running(self) -> "AbstractContextManager[SlotPlace]": ...

    def open(self, root: Path) -> Slots:
        """Make the place for slots if need be, and open it."""
        ...

    def attach(self, root: Path) -> Slots:
        """Open the place for slots as it is, or is not."""
        ...

    def bytes_of(self, root: Path) -> dict[str, bytes]: ...


class DatabasePlace(Protocol):
    """One kind of database: how to make and open it, and what a stranger can do to its bytes."""

    def running(self) -> "AbstractContextManager[DatabasePlace]": ...

    def make(self, folder: Path) -> None: ...

    def open(self, folder: Path) -> AbstractContextManager[Database]: ...

    def bytes_of(self, folder: Path) -> dict[str, bytes]: ...

    def overwrite(self, folder: Path, data: bytes) -> None: ...

    def set_format(self, folder: Path, number: int) -> None: ...


@dataclass(frozen=True, slots=True)
class InFolder:
    """A store in a local folder."""

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


STORES: Mapping[str, StorePlace] = {"folder": InFolder(), "shared": InSharedFolder(), "gdrive": OnDrive()}
SLOTS: Mapping[str, SlotPlace] = {"folder": SlotsInFolder(), "gdrive": SlotsOnDrive()}
DATABASES: Mapping[str, DatabasePlace] = {
    "local": OneFile(),
    "versions, many machines": InSlots(SlotsInFolder()),
    "versions, one machine": InSlots(SlotsInFolder(), one_cache=True),
    "versions on Drive": InSlots(SlotsOnDrive()),
}


# What no store gives as a name: it leads elsewhere, is no text, is a temporary file's, or is a device to some systems.
HOSTILE_NAMES = (
    "../../x",
    "../x",
    "..",
    ".",
    "",
    "/x",
    "a/../../x",
    "a/b",
    "a\\b",
    "C:x",
    "x\0y",
    "x\n",
    "x" * 300,
    "x" * 5000,
    "ä",
    "\ud800",
    "\x1b[2J",
    ".x",
    "x.",
    "*",
    "~",
    "a b",
    f"{INCOMING}x",
    INCOMING.upper(),
    "con",
    "NUL",
    "Com1",
)

ABSENT = Blob(sha256=hashlib.sha256(b"never stored").hexdigest(), size_bytes=12)


def contents_digest(database: Database) -> str:
    """Return the digest of every row of every table, so that "nothing was changed" can be said in one line."""
    with database.read() as tx:
        rows = {table.name: sorted(map(repr, tx.execute(select(table)))) for table in metadata.sorted_tables}
    return digest_of(rows)


@contextlib.contextmanager
def running(target: Callable[..., None], *arguments: object) -> Iterator[tuple[BaseProcess, Pipe]]:
    """Run `target(*arguments, pipe)` in another process; what is left of it is killed at the end."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=target, args=(*arguments, there), daemon=True)
    process.start()
    there.close()
    try:
        yield process, here
    finally:
        process.kill()
        process.join()
        here.close()


def kill_now(process: BaseProcess, pipe: Pipe) -> list[Any]:
    """SIGKILL the process and return what it had said and nobody had read."""
    process.kill()
    process.join()
    said = []
    while True:
        try:
            said.append(pipe.recv())
        except ConnectionResetError:  # it died before it heard all of ours; what it said is still to come
            continue
        except EOFError:
            return said


def race(target: Callable[..., None], arguments: list[tuple[object, ...]]) -> None:
    """Run `target(*each, barrier)` in one process for each, all past the barrier at once; all must end well."""
    barrier = PROCESSES.Barrier(len(arguments))
    racers = [PROCESSES.Process(target=target, args=(*each, barrier), daemon=True) for each in arguments]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert [racer.exitcode for racer in racers] == [0] * len(racers)


class StoreContract:
    """Everything `stores.base` promises."""

    @pytest.fixture(params=list(STORES))
    def place(self, request: pytest.FixtureRequest, time: WorldTime) -> Iterator[StorePlace]:
        with STORES[request.param].running(MachineClock(time)) as place:
            yield place

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return tmp_path / "store"

    @pytest.fixture
    def time(self) -> WorldTime:
        return WorldTime()

    @pytest.fixture
    def store(self, place: StorePlace, root: Path, time: WorldTime) -> Store:
        return place.open(root, MachineClock(time))

    @pytest.fixture
    def here(self, tmp_path: Path) -> Path:
        """A folder of this machine for sources and targets."""
        folder = tmp_path / "here"
        folder.mkdir()
        return folder

    @pytest.mark.parametrize("size_bytes", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 1])
    def test_a_blob_of_any_size_comes_back_as_it_was(self, store: Store, here: Path, size_bytes: int) -> None:
        data = _bytes(size_bytes)
        blob = store.put(_file(here / "source", data))
        store.fetch(blob, here / "target")
        assert (here / "target").read_bytes() == data
        assert store.size(blob) == size_bytes

    def test_a_blob_is_named_by_its_sha256_and_not_by_its_file(self, store: Store, here: Path) -> None:
        one, other = _file(here / "one", b"bytes"), _file(here / "other", b"bytes")
        assert store.put(one).sha256 == store.put(other).sha256 == hashlib.sha256(b"bytes").hexdigest()

    def test_putting_a_blob_again_changes_nothing(self, store: Store, here: Path) -> None:
        source = _file(here / "source", b"bytes")
        stored = {store.put(source) for _ in range(3)}
        assert set(_blobs_in(store)) == stored
        for blob in stored:
            store.fetch(blob, here / "target")
        assert {blob.sha256 for blob in stored} == {_sha256(b"bytes")}
        assert source.read_bytes() == b"bytes"

    def test_the_same_bytes_of_two_owners_never_share_a_place(self, store: Store, here: Path) -> None:
        source = _file(here / "source", b"bytes")
        owners = ("", "one-1", "one-2", "0" * 80)
        blobs = [store.put(source, owner=owner) for owner in owners]
        assert len({blob.place for blob in blobs}) == len(owners)
        for at, blob in enumerate(blobs):
            for _ in range(2):
                store.delete(blob)
            with pytest.raises(BlobMissing):
                store.fetch(blob, here / "nothing")
            for other in blobs[at + 1 :]:
                store.fetch(other, here / "target")
                assert (here / "target").read_bytes() == b"bytes"

    def test_what_was_deleted_and_stored_again_is_not_deleted_by_who_comes_late(self, store: Store, here: Path) -> None:
        source = _file(here / "source", b"bytes")
        retired = store.put(source, owner="frozen")
        store.delete(retired)
        again = store.put(source, owner="later")
        store.delete(retired)
        store.fetch(again, here / "target")
        assert (here / "target").read_bytes() == b"bytes"

    def test_a_listing_tells_owners_and_ages_by_the_clock_of_the_store(
        self, store: Store, here: Path, time: WorldTime
    ) -> None:
        stored = {}
        for owner, data in (("one-1", b"one"), ("", b"nobody's")):
            stored[store.put(_file(here / "source", data), owner=owner)] = (owner, time.now_s)
            time.now_s += 40.0
        for listed in store.list_blobs():
            owner, stored_s = stored.pop(listed.blob)
            assert listed.owner == owner
            assert listed.age_s == pytest.approx(time.now_s - stored_s, abs=1e-3)
        assert stored == {}

    def test_a_name_or_place_no_store_gives_is_missing_and_deletes_nothing(
        self, store: Store, root: Path, here: Path
    ) -> None:
        blob = store.put(_file(here / "source", b"bytes"), owner="one")
        around = _files_around(root)
        for hostile in (*HOSTILE_NAMES, "a.b.c"):
            for wrong in (
                *([replace(blob, place=hostile)] if hostile else []),  # "" is of an older version
                replace(blob, place=f"one.{hostile}"),
                replace(blob, place=f"{hostile}.{blob.place}"),
                replace(blob, sha256=hostile, place=""),
                replace(blob, sha256=f"../../{here.name}/source", place=""),
            ):
                assert store.size(wrong) is None
                with pytest.raises(BlobMissing):
                    store.fetch(wrong, here / "target")
                store.delete(wrong)
        assert _files_around(root) == around
        assert _blobs_in(store) == [blob]

    @pytest.mark.parametrize("owner", ["One", "a.b", "a/b", "..", "a b", "ä", "a" * 81, "a\n"])
    def test_an_owner_of_other_letters_is_an_error_of_ours(self, store: Store, here: Path, owner: str) -> None:
        with pytest.raises(AssertionError):
            store.put(_file(here / "source", b"bytes"), owner=owner)
        assert _blobs_in(store) == []

    def test_a_source_that_is_not_there_stores_nothing(self, store: Store, here: Path) -> None:
        with pytest.raises(StoreError):
            store.put(here / "nothing")
        assert _blobs_in(store) == []

    def test_a_blob_that_is_not_there_is_said_to_be_missing(self, store: Store, here: Path) -> None:
        with pytest.raises(BlobMissing, match=ABSENT.sha256[:12]):
            store.fetch(ABSENT, here / "target")
        assert store.size(ABSENT) is None
        assert list(here.iterdir()) == []

    def test_a_failed_fetch_leaves_the_file_that_was_there(self, store: Store, here: Path) -> None:
        target = _file(here / "target", b"mine")
        with pytest.raises(BlobMissing):
            store.fetch(ABSENT, target)
        assert target.read_bytes() == b"mine"

    @pytest.mark.parametrize("damaged", [b"", b"byt", b"bytez", b"bytes and more"])
    def test_a_damaged_blob_is_refused_and_leaves_nothing(
        self, place: StorePlace, store: Store, root: Path, here: Path, damaged: bytes
    ) -> None:
        blob = store.put(_file(here / "source", b"bytes"))
        place.overwrite(root, blob, damaged)
        with pytest.raises(DigestMismatch, match=blob.sha256[:12]):
            store.fetch(blob, here / "target")
        assert [path.name for path in here.iterdir()] == ["source"]

    def test_putting_a_damaged_blob_again_heals_it(
        self, place: StorePlace, store: Store, root: Path, here: Path
    ) -> None:
        blob = store.put(_file(here / "source", b"bytes"))
        place.overwrite(root, blob, b"rot")
        healed = store.put(here / "source")
        store.fetch(healed, here / "target")
        assert (healed.sha256, (here / "target").read_bytes()) == (blob.sha256, b"bytes")

    def test_a_deleted_blob_is_gone_and_deleting_it_again_is_fine(self, store: Store, here: Path) -> None:
        blob = store.put(_file(here / "source", b"bytes"))
        for _ in range(2):
            store.delete(blob)
        assert store.size(blob) is None
        with pytest.raises(BlobMissing):
            store.fetch(blob, here / "target")

    def test_a_deleted_blob_can_be_stored_again(self, store: Store, here: Path) -> None:
        blob = store.put(_file(here / "source", b"bytes"))
        store.delete(blob)
        again = store.put(here / "source")
        assert (again.sha256, store.size(again)) == (blob.sha256, 5)

    def test_a_listing_shows_nothing_that_was_never_stored(self, store: Store, here: Path) -> None:
        stored = {store.put(_file(here / "source", data)) for data in (b"one", b"two", b"three")}
        assert set(_blobs_in(store)) <= stored

    def test_a_store_opened_a_second_time_is_the_same_store(
        self, place: StorePlace, store: Store, root: Path, here: Path
    ) -> None:
        blob = store.put(_file(here / "source", b"bytes"))
        session = store.new_heartbeat("session")
        store.beat(session)
        again = place.open(root, SystemClock())
        again.fetch(blob, here / "target")
        assert again.url == store.url
        assert again.heartbeat_age_s(session) is not None

    def test_a_heartbeat_ages_by_the_clock_of_the_store(self, store: Store, time: WorldTime) -> None:
        session = store.new_heartbeat("session")
        store.beat(session)
        assert store.heartbeat_age_s(session) == pytest.approx(0.0, abs=1e-3)
        time.now_s += 40.0
        assert store.heartbeat_age_s(session) == pytest.approx(40.0, abs=1e-3)
        store.beat(session)
        assert store.heartbeat_age_s(session) == pytest.approx(0.0, abs=1e-3)

    def test_a_heartbeat_no_store_names_was_never_heard_of_and_touches_nothing(
        self, store: Store, root: Path, here: Path
    ) -> None:
        for path in (root.parent / "x", here / "x", root / "x"):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"somebody's")
        around = _files_around(root)
        for name in (*HOSTILE_NAMES, str(here / "x")):
            assert store.heartbeat_age_s(name) is None
            store.forget_heartbeat(name)
            with pytest.raises(CorruptionError) as caught:
                store.beat(name)
            assert str(caught.value).isprintable()
            assert len(str(caught.value)) < 400
        assert _files_around(root) == around

    def test_one_heartbeat_says_nothing_of_another(self, store: Store, time: WorldTime) -> None:
        one, other, never = (store.new_heartbeat(name) for name in ("one", "other", "never"))
        store.beat(one)
        time.now_s += 40.0
        store.beat(other)
        assert store.heartbeat_age_s(one) == pytest.approx(40.0, abs=1e-3)
        assert store.heartbeat_age_s(never) is None

    def test_a_forgotten_heartbeat_was_never_there_and_may_be_forgotten_again(self, store: Store) -> None:
        session = store.new_heartbeat("session")
        store.beat(session)
        for _ in range(2):
            store.forget_heartbeat(session)
        assert store.heartbeat_age_s(session) is None

    def test_a_heartbeat_is_no_blob(self, store: Store) -> None:
        store.beat(store.new_heartbeat("session"))
        assert _blobs_in(store) == []

    def test_processes_that_store_one_blob_at_once_leave_it_whole(
        self, place: StorePlace, store: Store, root: Path, here: Path
    ) -> None:
        data = _bytes(2 * CHUNK_BYTES)
        source = _file(here / "source", data)
        race(_put, [(place, root, source)] * 4)
        store.fetch(store.put(source), here / "target")
        assert (here / "target").read_bytes() == data

    def test_processes_that_fetch_to_one_target_never_show_half_a_blob(
        self, place: StorePlace, store: Store, root: Path, here: Path
    ) -> None:
        data = _bytes(2 * CHUNK_BYTES)
        blob = store.put(_file(here / "source", data))
        race(_fetch_and_look, [(place, root, blob, here / "target")] * 4)
        assert sorted(path.name for path in here.iterdir()) == ["source", "target"]

    def test_a_killed_put_leaves_all_of_the_blob_or_nothing(
        self, place: StorePlace, store: Store, root: Path, here: Path
    ) -> None:
        blobs = {f"{index}": _bytes(size, salt=index) for index, size in enumerate([1, 2**16, 2**20, 2**22, 2**23])}
        sources = [_file(here / name, data) for name, data in blobs.items()]
        for last in blobs:
            with running(_put_one_by_one, place, root, sources) as (process, pipe):
                while pipe.recv() != ("putting", last):
                    pass
                kill_now(process, pipe)
            for shown in _blobs_in(store):  # whatever is there is whole, told or not
                store.fetch(shown, here / "target")
                assert _sha256((here / "target").read_bytes()) == shown.sha256
            for name, data in blobs.items():
                again = store.put(here / name)
                store.fetch(again, here / "target")
                assert (here / "target").read_bytes() == data
            for shown in _blobs_in(store):
                store.delete(shown)
            assert _blobs_in(store) == []


class SlotContract:
    """Everything `stores.base` promises of slots."""

    @pytest.fixture(params=list(SLOTS))
    def place(self, request: pytest.FixtureRequest) -> Iterator[SlotPlace]:
        with SLOTS[request.param].running() as place:
            yield place

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return tmp_path / "store"

    @pytest.fixture
    def slots(self, place: SlotPlace, root: Path) -> Slots:
        return place.open(root)

    @pytest.mark.parametrize("body", [b"", b"bytes", b"two\nlines\n", bytes(range(256)) * 5000])
    def test_a_slot_comes_back_as_it_was_created(self, slots: Slots, body: bytes) -> None:
        facts = {"number": "1", "next": "ab12", "author": "Zoë “z” \\ \n @laptop", "empty": ""}
        slot = slots.reserve()
        assert slots.create(slot, body, facts) is Creation.CREATED
        assert (slots.body(slot), slots.facts(slot)) == (body, facts)

    def test_a_slot_that_is_taken_stays_as_it_is(self, slots: Slots) -> None:
        slots.create(slots.root, b"first", {"by": "one"})
        assert slots.create(slots.root, b"second", {"by": "other"}) is Creation.TAKEN
        assert (slots.body(slots.root), slots.facts(slots.root)) == (b"first", {"by": "one"})

    def test_the_same_bytes_again_are_taken_too(self, slots: Slots) -> None:
        assert slots.create(slots.root, b"same", {"by": "me"}) is Creation.CREATED
        assert slots.create(slots.root, b"same", {"by": "me"}) is Creation.TAKEN

    def test_a_name_that_no_slot_can_have_is_refused_in_one_sentence_and_touches_nothing(
        self, slots: Slots, root: Path
    ) -> None:
        (root.parent / "x").write_bytes(b"somebody's")
        around = _files_around(root)
        calls: list[Callable[[str], object]] = [
            slots.facts,
            slots.look_again,
            slots.body,
            slots.truncate,
            lambda name: slots.create(name, b"bytes", {"number": "1"}),
        ]
        for call in calls:
            for name in (*HOSTILE_NAMES, str(root.parent / "x")):
                with pytest.raises(CorruptionError) as caught:
                    call(name)
                assert str(caught.value).isprintable()
                assert len(str(caught.value)) < 400
        assert _files_around(root) == around

    def test_a_slot_that_was_seen_is_found_again_and_a_free_one_is_not(self, slots: Slots) -> None:
        taken = slots.reserve()
        slots.create(taken, b"bytes", {"number": "1"})
        assert slots.look_again(taken) == slots.facts(taken) == {"number": "1"}
        slots.truncate(taken)
        assert slots.look_again(taken) == {"number": "1"}
        assert slots.look_again(slots.reserve()) is None

    def test_a_free_slot_has_no_facts_and_no_bytes(self, slots: Slots) -> None:
        free = slots.reserve()
        assert slots.facts(free) is None
        with pytest.raises(StoreError):
            slots.body(free)

    def test_reserved_slots_are_all_different_and_free(self, slots: Slots) -> None:
        reserved = {slots.reserve() for _ in range(50)}
        assert len(reserved) == 50
        assert slots.root not in reserved
        assert {slots.facts(slot) for slot in reserved} == {None}

    def test_a_truncated_slot_keeps_its_facts_and_stays_taken(self, slots: Slots) -> None:
        slots.create(slots.root, b"bytes" * 1000, {"number": "1"})
        for _ in range(2):
            slots.truncate(slots.root)
            assert (slots.body(slots.root), slots.facts(slots.root)) == (b"", {"number": "1"})
            assert slots.create(slots.root, b"late", {"number": "1"}) is Creation.TAKEN

    def test_truncating_a_free_slot_does_not_take_it(self, slots: Slots) -> None:
        slots.truncate(slots.root)
        assert slots.create(slots.root, b"bytes", {}) is Creation.CREATED

    def test_a_listing_shows_nothing_that_was_never_created(self, slots: Slots) -> None:
        created = {slots.reserve(): {"number": str(number)} for number in range(5)}
        slots.reserve()
        for slot, facts in created.items():
            slots.create(slot, b"bytes", facts)
        assert all(created[slot] == facts for slot, facts in slots.list_slots())

    def test_slots_opened_a_second_time_are_the_same(self, place: SlotPlace, slots: Slots, root: Path) -> None:
        slots.create(slots.root, b"bytes", {"by": "me"})
        again = place.open(root)
        assert (again.url, again.body(again.root)) == (slots.url, b"bytes")
        assert again.create(again.root, b"late", {}) is Creation.TAKEN

    def test_of_processes_that_create_one_slot_exactly_one_is_told_so(
        self, place: SlotPlace, slots: Slots, root: Path, tmp_path: Path
    ) -> None:
        wanted = [slots.reserve() for _ in range(30)]
        told = [tmp_path / f"told-{racer}" for racer in range(8)]
        race(_create_all, [(place, root, wanted, path) for path in told])
        winners = {path.name: path.read_text().split() for path in told}
        assert sorted(slot for won in winners.values() for slot in won) == sorted(wanted)
        for name, won in winners.items():
            assert {slots.body(slot) for slot in won} <= {name.encode() * 1000}

    def test_a_killed_create_leaves_all_of_the_slot_or_nothing(
        self, place: SlotPlace, slots: Slots, root: Path
    ) -> None:
        wanted = [slots.reserve() for _ in range(40)]
        for last in wanted[3::9]:
            with running(_create_when_told, place, root, wanted) as (process, pipe):
                while pipe.recv() != ("creating", last):
                    pass
                said = kill_now(process, pipe)
            for slot in wanted:
                if slots.facts(slot) is not None or ("created", slot) in said:
                    assert (slots.facts(slot), slots.body(slot)) == ({"slot": slot}, slot.encode() * 1000)


class DatabaseContract:
    """Everything `database.base` promises, and what a person may find where a queue should be."""

    @pytest.fixture(params=list(DATABASES))
    def place(self, request: pytest.FixtureRequest) -> Iterator[DatabasePlace]:
        with DATABASES[request.param].running() as place:
            yield place

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "queue"
        folder.mkdir()
        return folder

    @pytest.fixture
    def database(self, place: DatabasePlace, folder: Path) -> Iterator[Database]:
        place.make(folder)
        with place.open(folder) as database:
            database.transact(_set_counters)
            yield database

    def test_a_transaction_returns_what_its_action_returns(self, database: Database) -> None:
        assert database.transact(_increment) == 1
        assert database.transact(_increment) == 2

    def test_what_was_committed_is_read_by_whoever_opens_it_next(
        self, place: DatabasePlace, database: Database, folder: Path
    ) -> None:
        database.transact(_increment)
        with place.open(folder) as again:
            assert _counters(again) == (1, 1)

    def test_making_it_again_changes_nothing(self, place: DatabasePlace, database: Database, folder: Path) -> None:
        before = contents_digest(database)
        place.make(folder)
        assert contents_digest(database) == before

    def test_an_action_that_raises_changes_nothing_and_its_error_passes_through(self, database: Database) -> None:
        before, error = contents_digest(database), RuntimeError("halfway")

        def halfway(tx: Connection) -> None:
            _increment(tx)
            raise error

        with pytest.raises(RuntimeError) as caught:
            database.transact(halfway)
        assert caught.value is error
        assert contents_digest(database) == before
        assert database.transact(_increment) == 1

    def test_a_rehearsal_returns_its_result_or_its_error_and_changes_nothing(self, database: StoredDatabase) -> None:
        before, error = contents_digest(database), RuntimeError("refused")

        def refuse(tx: Connection) -> None:
            _increment(tx)
            raise error

        assert database.transact(_increment, dry_run=True) == 1
        with pytest.raises(RuntimeError) as caught:
            database.transact(refuse, dry_run=True)
        assert caught.value is error
        assert contents_digest(database) == before
        assert database.transact(_increment) == 1

    def test_what_the_schema_forbids_changes_nothing(self, database: Database) -> None:
        before = contents_digest(database)

        def twice(tx: Connection) -> None:
            _increment(tx)
            _set_counters(tx)

        with pytest.raises(IntegrityError):
            database.transact(twice)
        assert contents_digest(database) == before

    def test_increments_of_many_processes_are_all_counted(
        self, place: DatabasePlace, database: Database, folder: Path
    ) -> None:
        race(_increment_often, [(place, folder, 20)] * 8)
        assert _counters(database) == (160, 160)

    def test_a_reader_sees_one_state_however_often_it_looks(self, place: DatabasePlace, database: Database) -> None:
        written = threading.Event()

        def increment(tx: Connection) -> None:
            _increment(tx)
            written.set()

        with database.read() as tx:
            before = _counter(tx, "left")
            writer = threading.Thread(target=database.transact, args=(increment,))
            writer.start()
            written.wait()
            assert (_counter(tx, "left"), _counter(tx, "right")) == (before, before)
        writer.join()
        assert _counters(database) == (before + 1, before + 1)

    def test_a_reader_never_sees_half_a_commit(self, place: DatabasePlace, database: Database, folder: Path) -> None:
        with running(_increment_when_told, place, folder) as (_, pipe):
            for _ in range(60):
                pipe.send("go")
                left, right = _counters(database)
                assert left == right
                pipe.recv()

    def test_a_reader_may_not_write(self, database: Database) -> None:
        before = contents_digest(database)
        with pytest.raises(QcqueueError), database.read() as tx:
            _increment(tx)
        assert contents_digest(database) == before

    def test_a_killed_transaction_leaves_the_old_state(
        self, place: DatabasePlace, database: Database, folder: Path
    ) -> None:
        before = contents_digest(database)
        with running(_write_and_wait, place, folder, 1) as (process, pipe):
            pipe.recv()
            kill_now(process, pipe)
        assert contents_digest(database) == before
        assert database.transact(_increment) == 1

    def test_a_large_killed_transaction_is_undone_by_whoever_reads_next(
        self, place: DatabasePlace, database: Database, folder: Path
    ) -> None:
        before = contents_digest(database)
        # More than a page cache holds: part of it is in the file already, and its journal must be rolled back.
        with running(_write_and_wait, place, folder, 8000) as (process, pipe):
            pipe.recv()
            kill_now(process, pipe)
        with place.open(folder) as reader:
            assert contents_digest(reader) == before
        assert database.transact(_increment) == 1

    @pytest.mark.parametrize("commits", [1, 2, 5, 11])
    def test_a_commit_that_was_reported_survives_the_death_of_its_process(
        self, place: DatabasePlace, database: Database, folder: Path, commits: int
    ) -> None:
        with running(_increment_when_told, place, folder) as (process, pipe):
            for _ in range(commits + 1):
                pipe.send("go")
            reported = [pipe.recv() for _ in range(commits)]
            reported += kill_now(process, pipe)
        left, right = _counters(database)
        assert left == right
        assert left - reported[-1] in (0, 1)

    def test_a_missing_database_says_how_to_make_one(self, place: DatabasePlace, folder: Path) -> None:
        with place.open(folder) as database:
            with pytest.raises(StoreMissing) as caught:
                database.transact(_increment)
            assert caught.value.hint == "qcqueue init"
            with pytest.raises(StoreMissing), database.read():
                pass
        assert place.bytes_of(folder) == {}

    def test_a_newer_format_is_refused_and_not_touched(
        self, place: DatabasePlace, database: Database, folder: Path
    ) -> None:
        place.set_format(folder, FORMAT + 1)
        before = place.bytes_of(folder)
        with place.open(folder) as newer:
            with pytest.raises(UnknownFormat, match=str(FORMAT + 1)) as caught:
                newer.transact(_increment)
            assert caught.value.hint
            with pytest.raises(UnknownFormat), newer.read():
                pass
        assert place.bytes_of(folder) == before

    @pytest.mark.parametrize("kind", ["other tables", "another meta table", "text", "noise", "a torn page"])
    def test_a_file_that_is_no_queue_is_refused_in_one_sentence_and_not_touched(
        self, place: DatabasePlace, folder: Path, tmp_path: Path, kind: str
    ) -> None:
        place.overwrite(folder, _not_a_queue(kind, tmp_path))
        before = place.bytes_of(folder)
        with place.open(folder) as database:
            with pytest.raises(CorruptionError) as caught:
                database.transact(_increment)
            assert "\n" not in str(caught.value)
            assert caught.value.hint
            with pytest.raises(CorruptionError), database.read():
                pass
        assert place.bytes_of(folder) == before

    @pytest.mark.parametrize("kind", ["other tables", "text", "noise", "a torn page"])
    def test_nothing_is_made_where_something_else_is(
        self, place: DatabasePlace, folder: Path, tmp_path: Path, kind: str
    ) -> None:
        place.overwrite(folder, _not_a_queue(kind, tmp_path))
        before = place.bytes_of(folder)
        with pytest.raises(CorruptionError):
            place.make(folder)
        assert place.bytes_of(folder) == before


# What the processes of the store contract do.


def _put(place: StorePlace, root: Path, source: Path, together: Barrier) -> None:
    store = place.open(root, SystemClock())
    together.wait()
    for _ in range(3):
        store.put(source)


def _fetch_and_look(place: StorePlace, root: Path, blob: Blob, target: Path, together: Barrier) -> None:
    store = place.open(root, SystemClock())
    together.wait()
    for _ in range(3):
        store.fetch(blob, target)
        assert _sha256(target.read_bytes()) == blob.sha256


def _put_one_by_one(place: StorePlace, root: Path, sources: list[Path], pipe: Pipe) -> None:
    store = place.open(root, SystemClock())
    for source in sources:
        pipe.send(("putting", source.name))
        store.put(source)
        pipe.send(("put", source.name))


# What the processes of the slot contract do.


def _create_all(place: SlotPlace, root: Path, wanted: list[str], told: Path, together: Barrier) -> None:
    slots = place.open(root)
    together.wait()
    body = told.name.encode() * 1000
    won = [slot for slot in wanted if slots.create(slot, body, {"by": told.name}) is Creation.CREATED]
    told.write_text(" ".join(won))


def _create_when_told(place: SlotPlace, root: Path, wanted: list[str], pipe: Pipe) -> None:
    slots = place.open(root)
    for slot in wanted:
        pipe.send(("creating", slot))
        slots.create(slot, slot.encode() * 1000, {"slot": slot})
        pipe.send(("created", slot))


# What the processes of the database contract do. Two counters that only ever move together show a torn commit.


def _set_counters(tx: Connection) -> None:
    row = {"machine": "m", "host": "h", "processor": "0", "started_at_s": 0.0}
    tx.execute(insert(sessions), [{"id": "left", **row}, {"id": "right", **row}])


def _counter(tx: Connection, name: str) -> int:
    return int(tx.execute(select(sessions.c.processor).where(sessions.c.id == name)).scalar_one())


def _counters(database: Database) -> tuple[int, int]:
    with database.read() as tx:
        return _counter(tx, "left"), _counter(tx, "right")


def _increment(tx: Connection) -> int:
    for name in ("left", "right"):
        value = _counter(tx, name) + 1
        tx.execute(update(sessions).where(sessions.c.id == name).values(processor=str(value)))
    return value


def _increment_often(place: DatabasePlace, folder: Path, times: int, together: Barrier) -> None:
    with place.open(folder) as database:
        together.wait()
        for _ in range(times):
            database.transact(_increment)


def _increment_when_told(place: DatabasePlace, folder: Path, pipe: Pipe) -> None:
    with place.open(folder) as database:
        while pipe.recv():
            pipe.send(database.transact(_increment))


def _write_and_wait(place: DatabasePlace, folder: Path, rows: int, pipe: Pipe) -> None:
    line = {"at_s": 0.0, "who": "w", "what": "w", "why": "w" * 500}

    def write(tx: Connection) -> None:
        _increment(tx)
        tx.execute(insert(history), [line] * rows)
        pipe.send("written")
        pipe.recv()

    with place.open(folder) as database:
        database.transact(write)


# What they work on.


def _files_around(root: Path) -> dict[Path, tuple[bytes, int]]:
    """Return every file in and around a store, with its bytes and its time."""
    found = (path for path in root.parent.rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def _file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _bytes(size: int, *, salt: int = 0) -> bytes:
    return hashlib.shake_128(str(salt).encode()).digest(size)


def _blobs_in(store: Store) -> list[Blob]:
    return [listed.blob for listed in store.list_blobs()]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _not_a_queue(kind: str, folder: Path) -> bytes:
    if kind == "text":
        return b"this is a letter, and a long one at that" * 40
    if kind == "noise":
        return _bytes(5000)
    if kind == "a torn page":
        OneFile(name="whole").make(folder)
        return (folder / "whole").read_bytes()[:1000]
    table = "songs" if kind == "other tables" else "meta"
    with contextlib.closing(sqlite3.connect(folder / "foreign")) as connection, connection:
        connection.execute(f"CREATE TABLE {table} (title TEXT)")
    return (folder / "foreign").read_bytes()
