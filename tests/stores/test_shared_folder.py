"""What only a folder on a shared disk does: the disk's own clock, answers that get lost, a disk that is not mounted."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from qcqueue.clock import RandomIds
from qcqueue.errors import CorruptionError, OutcomeUnknown, StoreDenied, StoreMissing
from qcqueue.stores import folder_slots as module
from qcqueue.stores.base import Creation
from qcqueue.stores.folder_slots import FolderSlots
from qcqueue.stores.shared import DiskClock, SharedStore


@pytest.fixture
def slots(tmp_path: Path) -> FolderSlots:
    slots = FolderSlots(tmp_path, RandomIds())
    slots.make()
    return slots


def test_a_heartbeat_is_judged_by_the_clock_of_the_disk(tmp_path: Path) -> None:
    store = SharedStore(tmp_path, DiskClock(tmp_path), RandomIds())
    store.create()
    store.beat("session")
    age_s = store.heartbeat_age_s("session")
    assert age_s is not None
    assert 0.0 <= age_s < 60.0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs", "heartbeats"]


def test_a_link_whose_answer_is_lost_is_unknown_and_then_taken(
    slots: FolderSlots, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(module, "sync", fail)
        with pytest.raises(OutcomeUnknown):
            slots.create(slots.root, b"bytes", {"by": "me"})
    assert slots.create(slots.root, b"bytes", {"by": "me"}) is Creation.TAKEN
    assert slots.facts(slots.root) == {"by": "me"}


def test_a_disk_that_knows_no_links_refuses_for_sure(slots: FolderSlots, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with pytest.raises(StoreDenied):
        slots.create(slots.root, b"bytes", {})


def test_a_disk_that_is_not_mounted_is_not_a_folder_without_slots(slots: FolderSlots, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "slots")
    for ask in (slots.facts, slots.body, slots.truncate):
        with pytest.raises(StoreMissing):
            ask(slots.root)
    with pytest.raises(StoreMissing):
        slots.create(slots.root, b"bytes", {})


@pytest.mark.parametrize("data", [b"", b"noise", b"[1]\n", b'{"number": 1}\n', b"\xff\n"])
def test_a_damaged_slot_is_refused_and_stays_taken(slots: FolderSlots, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "slots" / slots.root
    path.write_bytes(data)
    with pytest.raises(CorruptionError, match=slots.root):
        slots.facts(slots.root)
    assert slots.create(slots.root, b"bytes", {}) is Creation.TAKEN
    assert path.read_bytes() == data


def test_truncating_old_slots_does_not_make_them_new(slots: FolderSlots, tmp_path: Path) -> None:
    for age_s, slot in enumerate(["newest", "old", "older"]):
        slots.create(slot, b"bytes", {})
        os.utime(tmp_path / "slots" / slot, (1e9 - age_s, 1e9 - age_s))
    slots.truncate("older")
    assert [slot for slot, _ in slots.list_slots()] == ["newest", "old", "older"]
