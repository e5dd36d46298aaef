"""Whose trouble an error of a disk is, and that "saved" is said only once file and folder are synced."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qcqueue.clock import RandomIds, SystemClock
from qcqueue.errors import DiskFailed, DiskFull, OutcomeUnknown, StoreDenied, StoreError, StoreFull
from qcqueue.stores.base import Creation
from qcqueue.stores.files import make_folder, on_this_machine, scratch, translated, unfinished
from qcqueue.stores.folder import FolderStore
from qcqueue.stores.folder_slots import FolderSlots


@pytest.mark.parametrize(
    ("number", "of_a_store", "of_this_machine"),
    [
        (errno.ENOSPC, StoreFull, DiskFull),
        (errno.EDQUOT, StoreFull, DiskFull),
        (errno.EACCES, StoreDenied, DiskFailed),
        (errno.EROFS, StoreDenied, DiskFailed),
        (errno.EIO, StoreError, DiskFailed),
        (errno.ESTALE, StoreError, DiskFailed),
    ],
)
def test_an_error_of_a_disk_is_the_stores_or_this_machines(
    number: int, of_a_store: type[Exception], of_this_machine: type[Exception]
) -> None:
    for told, expected in ((translated, of_a_store), (on_this_machine, of_this_machine)):
        with pytest.raises(expected, match="some/file") as caught, told(Path("place")):
            raise OSError(number, os.strerror(number), "some/file")
        assert type(caught.value) is expected


class Syncs:
    """Counts what is synced, and lets the n-th sync of a folder fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, fail: int) -> None:
        self.folders = 0
        self.files = 0
        self._fail, self._fsync = fail, os.fsync
        monkeypatch.setattr(os, "fsync", self)

    def __call__(self, descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112 (a link to follow)
            self.folders += 1
            if self.folders == self._fail:
                raise OSError(errno.EIO, "Input/output error")
        else:
            self.files += 1
        self._fsync(descriptor)


def test_a_slot_whose_folder_was_not_synced_is_synced_again_before_it_is_said_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = FolderSlots(tmp_path, RandomIds())
    slots.make()
    syncs = Syncs(monkeypatch, fail=1)
    with pytest.raises(OutcomeUnknown, match="may or may not"):
        slots.create("first", b"body", {"nonce": "mine"})
    before = syncs.files, syncs.folders
    assert slots.create("first", b"body", {"nonce": "mine"}) is Creation.TAKEN
    assert (syncs.files, syncs.folders) == (before[0] + 2, before[1] + 1)  # the new file, then the slot and its folder
    assert slots.facts("first") == {"nonce": "mine"}


def test_a_slot_that_still_cannot_be_synced_is_not_said_to_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = FolderSlots(tmp_path, RandomIds())
    slots.make()
    slots.create("first", b"body", {})
    Syncs(monkeypatch, fail=1)
    with pytest.raises(OutcomeUnknown):
        slots.create("first", b"body", {})


def test_a_blob_whose_folder_was_not_synced_counts_for_nothing_and_is_stored_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderStore(tmp_path / "store", SystemClock(), RandomIds())
    store.create()
    (tmp_path / "source").write_bytes(b"bytes")
    syncs = Syncs(monkeypatch, fail=1)
    with pytest.raises(StoreError):
        store.put(tmp_path / "source")
    assert list(store.list_blobs()) == []
    blob = store.put(tmp_path / "source")
    assert syncs.folders == 2
    assert store.size(blob) == 5


@pytest.mark.parametrize("call", ["unlink", "close"])
def test_what_clears_up_after_a_file_has_its_name_denies_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    slots = FolderSlots(tmp_path, RandomIds())
    slots.make()

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    if call == "unlink":
        monkeypatch.setattr(Path, "unlink", fails)
    else:
        monkeypatch.setattr(os, "close", _closing_with(os.close, fails))
    assert slots.create("first", b"body", {}) is Creation.CREATED


def _closing_with(real: Callable[[int], None], fails: Callable[..., None]) -> Callable[[int], None]:
    def close(descriptor: int) -> None:
        real(descriptor)
        fails()

    return close


def test_no_room_for_a_slot_is_a_refusal_that_made_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = FolderSlots(tmp_path, RandomIds())
    slots.make()

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "hardlink_to", no_room)
    with pytest.raises(StoreFull):
        slots.create("first", b"body", {})
    assert slots.facts("first") is None
    assert list((tmp_path / "slots").iterdir()) == []


def test_a_full_store_and_a_full_cache_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path / "store", SystemClock(), RandomIds())
    store.create()
    (tmp_path / "source").write_bytes(b"bytes")
    blob = store.put(tmp_path / "source")

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("qcqueue.stores.folder.move_whole", no_room)
    with pytest.raises(StoreFull):
        store.put(tmp_path / "source")
    with pytest.raises(DiskFull, match="target"):
        store.fetch(blob, tmp_path / "target")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "store"]


def test_folders_are_synced_with_those_above_them_also_when_they_were_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = Syncs(monkeypatch, fail=0)
    make_folder(tmp_path / "a" / "b")
    made = syncs.folders
    assert made >= 3  # b, a, and what a was made in
    make_folder(tmp_path / "a" / "b")
    assert syncs.folders == made + 2


def test_a_scratch_folder_that_cannot_be_removed_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with scratch(tmp_path / "cache") as folder:
        (folder / "file").write_bytes(b"bytes")
        monkeypatch.setattr(os, "unlink", fails)


def test_an_error_is_told_and_not_that_of_clearing_up_after_it(tmp_path: Path) -> None:
    with pytest.raises(StoreFull), translated(tmp_path), unfinished(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_never_said_to_be_missing(tmp_path: Path) -> None:
    there = tmp_path / "there.safetensors"
    there.write_bytes(b"a state")
    for path, said in ((there, "it cannot be opened"), (tmp_path / "gone", "No such file or directory")):
        with pytest.raises(DiskFailed, match=said), on_this_machine(path):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
