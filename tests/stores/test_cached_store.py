"""The copies this machine keeps of a far store: they save downloads, and whatever happens to them costs one."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from qcqueue.clock import RandomIds, SystemClock
from qcqueue.errors import BlobMissing
from qcqueue.stores import cached as module
from qcqueue.stores.base import Blob
from qcqueue.stores.cached import CachedStore
from qcqueue.stores.files import holds
from qcqueue.stores.folder import FolderStore


class Far(FolderStore):
    """A store that counts what is fetched from it."""

    fetched = 0

    def fetch(self, blob: Blob, target: Path, **how: Any) -> None:
        self.fetched += 1
        super().fetch(blob, target, **how)


@pytest.fixture
def far(tmp_path: Path) -> Far:
    far = Far(tmp_path / "far", SystemClock(), RandomIds())
    far.create()
    return far


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "nearby"


@pytest.fixture
def near(far: Far, kept: Path) -> CachedStore:
    return CachedStore(far, kept)


def source_of(folder: Path, data: bytes = b"bytes") -> Path:
    path = folder / f"source of {len(data)}"
    path.write_bytes(data)
    return path


def put_ten_bytes_each(near: CachedStore, kept: Path, folder: Path, count: int) -> list[str]:
    """Put so many blobs, the last of which was used last; return their digests."""
    digests = []
    for number in range(count):
        source = source_of(folder, b"%010d" % number)
        digests.append(near.put(source).sha256)
        source.unlink()  # the copy is a link to it, and not to be written over by the next
        if (kept / digests[-1]).exists():
            os.utime(kept / digests[-1], (number, number))
    return digests


def names_in(kept: Path) -> set[str]:
    return {path.name for path in kept.iterdir()} if kept.exists() else set()


def test_what_was_put_here_is_fetched_without_a_download(far: Far, near: CachedStore, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    blob = near.put(source_of(tmp_path))
    near.fetch(blob, tmp_path / "target", moved=lambda *moved: told.append(moved))
    assert ((tmp_path / "target").read_bytes(), far.fetched, told) == (b"bytes", 0, [(5, 5)])


def test_what_was_fetched_once_is_not_downloaded_again(far: Far, near: CachedStore, tmp_path: Path) -> None:
    blob = far.put(source_of(tmp_path))
    for _ in range(3):
        near.fetch(blob, tmp_path / "target")
    assert far.fetched == 1


def test_a_copy_on_the_same_disk_is_a_link(near: CachedStore, kept: Path, tmp_path: Path) -> None:
    source = source_of(tmp_path)
    blob = near.put(source)
    near.fetch(blob, tmp_path / "target")
    assert source.stat().st_ino == (kept / blob.sha256).stat().st_ino == (tmp_path / "target").stat().st_ino


def test_a_disk_that_cannot_link_has_copies(
    far: Far, near: CachedStore, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    source = source_of(tmp_path)
    blob = near.put(source)
    near.fetch(blob, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"bytes"
    assert (kept / blob.sha256).stat().st_ino != source.stat().st_ino
    assert far.fetched == 0


@pytest.mark.parametrize("damage", [b"", b"byte", b"bytez", b"bytes and more"])
def test_a_damaged_copy_costs_a_download_and_is_replaced(
    far: Far, near: CachedStore, kept: Path, tmp_path: Path, damage: bytes
) -> None:
    blob = near.put(source_of(tmp_path))
    (kept / blob.sha256).write_bytes(damage)
    for _ in range(2):
        near.fetch(blob, tmp_path / "target")
        assert (tmp_path / "target").read_bytes() == b"bytes"
    assert far.fetched == 1


def test_a_source_that_is_written_over_damages_the_copy_and_no_more(
    far: Far, near: CachedStore, tmp_path: Path
) -> None:
    source = source_of(tmp_path)
    blob = near.put(source)
    source.write_bytes(b"others")
    near.fetch(blob, tmp_path / "target")
    assert ((tmp_path / "target").read_bytes(), source.read_bytes()) == (b"bytes", b"others")


def test_a_fetch_replaces_the_target_and_not_what_it_was_a_link_to(near: CachedStore, tmp_path: Path) -> None:
    one, other = near.put(source_of(tmp_path)), near.put(source_of(tmp_path, b"other bytes"))
    near.fetch(one, tmp_path / "target")
    near.fetch(other, tmp_path / "target")
    near.fetch(one, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == b"bytes"


@pytest.mark.parametrize("fails", ["mkdir", "copy", "utime"])
def test_a_disk_that_is_full_keeps_nothing_and_harms_nothing(
    near: CachedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    source = source_of(tmp_path)
    if fails == "copy":
        monkeypatch.setattr(Path, "hardlink_to", full)
        monkeypatch.setattr(shutil, "copyfile", full)
    elif fails == "utime":
        really = os.utime  # which the far store asks of a descriptor
        monkeypatch.setattr(os, "utime", lambda file, *how: full() if isinstance(file, Path) else really(file, *how))
    else:
        monkeypatch.setattr(Path, fails, full)
    blob = near.put(source)
    near.fetch(blob, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"bytes"
    near.delete(blob)


def test_a_folder_that_is_a_file_keeps_nothing_and_harms_nothing(far: Far, kept: Path, tmp_path: Path) -> None:
    kept.parent.mkdir()
    kept.write_bytes(b"in the way")
    near = CachedStore(far, kept)
    blob = near.put(source_of(tmp_path))
    near.fetch(blob, tmp_path / "target")
    near.delete(blob)
    assert (tmp_path / "target").read_bytes() == b"bytes"
    assert kept.read_bytes() == b"in the way"


def test_a_copy_that_goes_while_it_is_taken_costs_a_download(
    far: Far, near: CachedStore, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = near.put(source_of(tmp_path))
    real = holds

    def look_and_lose(path: Path, sha256: str, size_bytes: int) -> bool:
        found = real(path, sha256, size_bytes)
        path.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(module, "holds", look_and_lose)
    near.fetch(blob, tmp_path / "target")
    assert ((tmp_path / "target").read_bytes(), far.fetched) == (b"bytes", 1)


@pytest.mark.parametrize(("room_bytes", "most"), [(0, 0), (9, 0), (10, 1), (39, 3), (40, 4), (1000, 6)])
def test_the_oldest_copies_go(
    near: CachedStore, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room_bytes: int, most: int
) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", room_bytes)
    digests = put_ten_bytes_each(near, kept, tmp_path, 6)
    assert names_in(kept) == set(digests[len(digests) - most :])


def test_what_is_used_is_young_again(
    near: CachedStore, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 60)
    first, _, *others = put_ten_bytes_each(near, kept, tmp_path, 6)
    near.fetch(Blob(sha256=first, size_bytes=10), tmp_path / "target")
    near.put(source_of(tmp_path, b"x" * 5))
    assert names_in(kept) == {first, *others, hashlib.sha256(b"x" * 5).hexdigest()}


def test_a_blob_larger_than_the_room_costs_no_other_its_copy(
    near: CachedStore, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 60)
    digests = put_ten_bytes_each(near, kept, tmp_path, 3)
    near.put(source_of(tmp_path, b"x" * 61))
    assert names_in(kept) == set(digests)


def test_the_copy_of_one_place_serves_every_other(far: Far, near: CachedStore, tmp_path: Path) -> None:
    one, other = near.put(source_of(tmp_path), owner="one"), far.put(source_of(tmp_path), owner="other")
    assert (one.place.partition(".")[0], one.place == other.place) == ("one", False)
    near.fetch(other, tmp_path / "target")
    near.delete(one)
    near.fetch(other, tmp_path / "target")
    assert (far.fetched, (tmp_path / "target").read_bytes()) == (1, b"bytes")


def test_a_name_that_is_no_digest_reaches_no_file_beside_the_copies(near: CachedStore, tmp_path: Path) -> None:
    mine = source_of(tmp_path, b"mine")
    for name in (f"../../{mine.name}", str(mine), "x\0y", "x" * 5000):
        hostile = Blob(sha256=name, size_bytes=4)
        with pytest.raises(BlobMissing):
            near.fetch(hostile, tmp_path / "target")
        near.delete(hostile)
    assert mine.read_bytes() == b"mine"


def test_what_is_deleted_is_gone_here_too(far: Far, near: CachedStore, kept: Path, tmp_path: Path) -> None:
    blob = near.put(source_of(tmp_path))
    for _ in range(2):
        near.delete(blob)
    assert list(kept.iterdir()) == []
    with pytest.raises(BlobMissing):
        near.fetch(blob, tmp_path / "target")


def test_nothing_unfinished_stays(near: CachedStore, kept: Path, tmp_path: Path) -> None:
    near.fetch(near.put(source_of(tmp_path)), tmp_path / "target")
    assert [path.name for path in tmp_path.rglob("incoming-*")] == []


def test_all_else_is_the_far_stores(far: Far, near: CachedStore, tmp_path: Path) -> None:
    blob = near.put(source_of(tmp_path))
    assert (near.url, near.size(blob)) == (far.url, 5)
    assert [listed.blob for listed in near.list_blobs()] == [blob]
    name = near.new_heartbeat("session")
    near.beat(name)
    assert near.heartbeat_age_s(name) is not None
    near.forget_heartbeat(name)
    assert near.heartbeat_age_s(name) is None
