"""Everything a store owes, as a test class: a new kind is tested by giving the class its `place`.

A place says how the contract reaches one kind from any process and behind its back. The processes are real, they race,
and they die by SIGKILL; what they tell their parent travels over a pipe, so that no test waits for the clock.
"""

import hashlib
from contextlib import AbstractContextManager
from dataclasses import replace
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Protocol

import pytest

from qcqueue.clock import Clock, SystemClock
from qcqueue.conformance.clocks import MachineClock, WorldTime
from qcqueue.conformance.processes import kill_now, race, running
from qcqueue.errors import (
    BlobMissing,
    CorruptionError,
    DigestMismatch,
    StoreError,
)
from qcqueue.stores.base import Blob, Store
from qcqueue.stores.files import INCOMING
from qcqueue.stores.folder import CHUNK_BYTES


class StorePlace(Protocol):
    """One kind of store: how to open it, and how its bytes go wrong without its knowledge.

    It is sent to other processes, which open the same store with it. running starts what it needs to be reached, on a
    clock that is the store's, and yields the place that is. tick_s: what its times are whole multiples of, where the
    store has a clock that nobody sets; 0.0 where it takes the one that it is given.
    """

    @property
    def tick_s(self) -> float: ...

    def running(self, clock: Clock) -> "AbstractContextManager[StorePlace]": ...

    def open(self, root: Path, clock: Clock) -> Store: ...

    def overwrite(self, root: Path, blob: Blob, data: bytes) -> None: ...


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


PASSES_S = 40.0
TICKS = 3


def let_pass(place: StorePlace, time: WorldTime) -> float:
    """Let time pass for a store: on the clock that it was given, or by waiting. Returns how many seconds."""
    if not place.tick_s:
        time.now_s += PASSES_S
        return PASSES_S
    SystemClock().sleep(TICKS * place.tick_s)
    return TICKS * place.tick_s


def about(age_s: float, place: StorePlace) -> object:
    """Return what an age is equal to that should be this one, as exactly as the clock of the store tells."""
    return pytest.approx(age_s, abs=place.tick_s * 1.9 or 1e-3)


ABSENT = Blob(sha256=hashlib.sha256(b"never stored").hexdigest(), size_bytes=12)


class StoreContract:
    """Everything `stores.base` promises.

    Whoever derives from it has a fixture `place`, a `StorePlace` that is running on a clock of the fixture `time`.
    """

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
        self, place: StorePlace, store: Store, here: Path, time: WorldTime
    ) -> None:
        stored, now_s = {}, 0.0
        for owner, data in (("one-1", b"one"), ("", b"nobody's")):
            stored[store.put(_file(here / "source", data), owner=owner)] = (owner, now_s)
            now_s += let_pass(place, time)
        for listed in store.list_blobs():
            owner, stored_s = stored.pop(listed.blob)
            assert listed.owner == owner
            assert listed.age_s == about(now_s - stored_s, place)
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

    def test_a_heartbeat_ages_by_the_clock_of_the_store(self, place: StorePlace, store: Store, time: WorldTime) -> None:
        session = store.new_heartbeat("session")
        store.beat(session)
        assert store.heartbeat_age_s(session) == about(0.0, place)
        passed_s = let_pass(place, time)
        assert store.heartbeat_age_s(session) == about(passed_s, place)
        store.beat(session)
        assert store.heartbeat_age_s(session) == about(0.0, place)

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

    def test_one_heartbeat_says_nothing_of_another(self, place: StorePlace, store: Store, time: WorldTime) -> None:
        one, other, never = (store.new_heartbeat(name) for name in ("one", "other", "never"))
        store.beat(one)
        passed_s = let_pass(place, time)
        store.beat(other)
        assert store.heartbeat_age_s(one) == about(passed_s, place)
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
