"""What is particular to stores in a folder, of one machine or of several."""

import hashlib
import os
import shutil
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import pytest

from qcqueue.clock import RandomIds, SystemClock
from qcqueue.conformance.clocks import CountedIds
from qcqueue.conformance.processes import kill_now, running
from qcqueue.errors import BlobMissing, DigestMismatch, DiskFailed, MachineError, StoreDenied, StoreError, StoreMissing
from qcqueue.stores.base import Blob
from qcqueue.stores.folder import FolderStore
from qcqueue.stores.shared import DiskClock, SharedStore

BYTES = hashlib.sha256(b"bytes").hexdigest()

KINDS: dict[str, Callable[[Path], FolderStore]] = {
    "folder": lambda root: FolderStore(root, SystemClock(), CountedIds("id-")),
    "shared": lambda root: SharedStore(root, DiskClock(root), CountedIds("id-")),
}


@pytest.fixture(params=list(KINDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FolderStore:
    store = KINDS[request.param](tmp_path / "store")
    store.create()
    return store


def test_making_the_folders_again_changes_nothing(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"bytes")
    blob = store.put(tmp_path / "source")
    store.create()
    assert [listed.blob for listed in store.list_blobs()] == [blob]


def test_the_name_of_a_file_begins_with_its_digest_and_tells_its_owner(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"bytes")
    for owner, place in (("", "id-001"), ("s7-2", "s7-2.id-002")):
        blob = store.put(tmp_path / "source", owner=owner)
        assert blob.place == place
        assert (store.root / "blobs" / f"{BYTES}.{place}").read_bytes() == b"bytes"


def test_a_blob_of_an_older_version_has_no_place_and_is_a_blob_like_any_other(
    store: FolderStore, tmp_path: Path
) -> None:
    old, source = store.root / "blobs" / BYTES, tmp_path / "source"
    for path in (old, source):
        path.write_bytes(b"bytes")
    blob, new = Blob(sha256=BYTES, size_bytes=5), store.put(source)
    assert [(listed.blob, listed.owner) for listed in store.list_blobs()] == [(blob, ""), (new, "")]
    assert store.size(blob) == 5
    store.fetch(blob, tmp_path / "target")
    old.write_bytes(b"rot")
    with pytest.raises(DigestMismatch):
        store.fetch(blob, tmp_path / "target")
    for _ in range(2):
        store.delete(blob)
    assert not old.exists()
    with pytest.raises(BlobMissing):
        store.fetch(blob, tmp_path / "target")
    store.fetch(new, tmp_path / "target")


NO_BLOBS = ["incoming-x1", "notes.txt", "0" * 63, BYTES.upper(), f"{BYTES}.", f"{BYTES}.a.b.c", f"{BYTES}.A", ".nfs00"]


@pytest.mark.parametrize("name", NO_BLOBS)
def test_a_file_of_another_name_is_not_ours(store: FolderStore, tmp_path: Path, name: str) -> None:
    (store.root / "blobs" / name).write_bytes(b"bytes")
    assert list(store.list_blobs()) == []


def test_a_blob_that_is_deleted_while_it_is_listed_is_not_listed(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").write_bytes(b"bytes")
    first, last = store.put(tmp_path / "source"), store.put(tmp_path / "source")
    names = sorted((store.root / "blobs").iterdir())
    store.delete(first)
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(names))
    assert [listed.blob for listed in store.list_blobs()] == [last]


@pytest.mark.parametrize("written_s", [0.0, 4e9])
def test_an_age_is_never_negative_nor_the_sources(store: FolderStore, tmp_path: Path, written_s: float) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"bytes")
    os.utime(source, (written_s, written_s))
    store.put(source)
    (listed,) = store.list_blobs()
    assert 0.0 <= listed.age_s < 60.0
    os.utime(store.root / "blobs" / f"{BYTES}.{listed.blob.place}", (4e9, 4e9))
    assert [listed.age_s for listed in store.list_blobs()] == [0.0]


def test_a_put_that_is_cut_halfway_leaves_nothing_under_any_name(store: FolderStore, tmp_path: Path) -> None:
    # A pipe as the source holds the put exactly halfway, for as long as it takes to kill it.
    source = tmp_path / "source"
    os.mkfifo(source)
    with running(put_once, store.root, source) as (process, pipe), source.open("wb", buffering=0) as writing:
        writing.write(b"half of the bytes")
        kill_now(process, pipe)
    assert list(store.list_blobs()) == []
    half = hashlib.sha256(b"half of the bytes").hexdigest()
    assert store.size(Blob(sha256=half, size_bytes=17)) is None


def test_a_fetch_into_a_folder_that_is_not_there_is_no_missing_blob(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"bytes")
    blob = store.put(tmp_path / "source")
    with pytest.raises(MachineError, match="nowhere") as caught:
        store.fetch(blob, tmp_path / "nowhere" / "target")
    assert type(caught.value) is DiskFailed


@pytest.mark.parametrize("store", ["folder"], indirect=True)
def test_a_folder_that_went_away_is_a_store_error_whatever_is_asked(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"bytes")
    shutil.rmtree(store.root)
    questions: list[Callable[[], object]] = [
        lambda: store.put(tmp_path / "source"),
        store.list_blobs,
        lambda: store.beat("session"),
        lambda: store.size(Blob(sha256="0" * 64, size_bytes=1)),
    ]
    for question in questions:
        with pytest.raises(StoreError):
            question()
    assert store.heartbeat_age_s("session") is None


def test_a_folder_that_may_not_be_written_is_denied() -> None:
    # Permissions do not bind root, but nobody can make a folder in the kernel's own tree.
    forbidden = Path("/sys/qcqueue") if Path("/sys").is_dir() else Path("/System/qcqueue")
    with pytest.raises(StoreDenied, match="qcqueue"):
        FolderStore(forbidden, SystemClock(), RandomIds()).create()


def put_once(root: Path, source: Path, _: Pipe) -> None:
    FolderStore(root, SystemClock(), RandomIds()).put(source)


def test_a_store_whose_folder_was_moved_away_is_missing_and_says_so_of_no_blob(
    store: FolderStore, tmp_path: Path
) -> None:
    source, there = tmp_path / "source", store.root.with_name("elsewhere")
    source.write_bytes(b"bytes")
    blob = store.put(source)
    store.root.rename(there)
    asked: list[Callable[[], object]] = [
        lambda: store.put(source),
        lambda: store.fetch(blob, tmp_path / "target"),
        lambda: store.size(blob),
        lambda: store.beat(store.new_heartbeat("s1")),
        lambda: list(store.list_blobs()),
    ]
    for ask in asked:
        with pytest.raises(StoreMissing, match="is not there any more") as caught:
            ask()
        assert "mount the disk" in str(caught.value.hint)
    store.root.mkdir()  # a place to mount a disk on, and the disk is not there
    for ask in asked:
        with pytest.raises(StoreMissing, match="is not there any more"):
            ask()
    store.root.rmdir()
    there.rename(store.root)
    store.fetch(blob, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"bytes"


def test_one_blob_that_is_not_there_is_no_missing_store(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"bytes")
    blob = store.put(tmp_path / "source")
    store.delete(blob)
    assert store.size(blob) is None
    with pytest.raises(BlobMissing):
        store.fetch(blob, tmp_path / "target")
