"""What is particular to a store in a local folder."""

import hashlib
import os
import shutil
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import pytest

from qcqueue.clock import SystemClock
from qcqueue.errors import StoreDenied, StoreError
from qcqueue.storage.base import Blob
from qcqueue.storage.folder import FolderStore
from qcqueue.testing.conformance import kill_now, running


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path / "store", SystemClock())
    store.create()
    return store


def test_making_the_folders_again_changes_nothing(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"bytes")
    blob = store.put(tmp_path / "source")
    store.create()
    assert list(store.list_blobs()) == [blob]


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
    with pytest.raises(StoreError, match="nowhere") as caught:
        store.fetch(blob, tmp_path / "nowhere" / "target")
    assert type(caught.value) is StoreError


def test_a_folder_that_went_away_is_a_store_error_whatever_is_asked(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"bytes")
    shutil.rmtree(store.root)
    for question in (lambda: store.put(tmp_path / "source"), store.list_blobs, lambda: store.beat("session")):
        with pytest.raises(StoreError):
            question()
    assert store.size(Blob(sha256="0" * 64, size_bytes=1)) is None
    assert store.heartbeat_age_s("session") is None


def test_a_folder_that_may_not_be_written_is_denied() -> None:
    # Permissions do not bind root, but nobody can make a folder in the kernel's own tree.
    forbidden = Path("/sys/qcqueue") if Path("/sys").is_dir() else Path("/System/qcqueue")
    with pytest.raises(StoreDenied, match="qcqueue"):
        FolderStore(forbidden, SystemClock()).create()


def put_once(root: Path, source: Path, _: Pipe) -> None:
    FolderStore(root, SystemClock()).put(source)
