"""How bytes come into a bucket: in parts where they are many, compared once they are there, and never half of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from qcqueue.clock import RandomIds
from qcqueue.errors import BlobMissing, DigestMismatch
from qcqueue.stores.base import Access
from qcqueue.stores.objects import bucket as bucket_module
from qcqueue.stores.objects import store as store_module
from qcqueue.stores.objects.address import BucketPlace
from qcqueue.stores.objects.bucket import Bucket
from qcqueue.stores.objects.store import BucketStore
from tests.stores_objects.objects import ONCE, behind
from tests.support.servers.between import Asked, Between, between, leave_alone, spoil
from tests.support.servers.running import bucket_server

MIB = 1 << 20
PART = re.compile(r"partNumber=|comp=block&")

pytestmark = pytest.mark.servers


@dataclass(frozen=True, slots=True)
class Here:
    """A store whose bytes pass a proxy, and a source of 13 MiB, in which it is large."""

    store: BucketStore
    bucket: Bucket
    proxy: Between
    source: Path

    def names(self) -> list[str]:
        return [found.name for found in self.bucket.list()]


@pytest.fixture(params=["s3", "az"])
def here(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Here]:
    monkeypatch.setattr(store_module, "ONE_REQUEST_BYTES", 10 * MIB)
    for module in (store_module, bucket_module):
        monkeypatch.setattr(module, "PIECE_BYTES", 5 * MIB)
    server = bucket_server(request.param)
    source = tmp_path / "source"
    source.write_bytes(b"spoil" + bytes(13 * MIB))
    with between(server.endpoint) as proxy:
        bucket = behind(server, proxy.endpoint, tmp_path)
        yield Here(BucketStore(bucket, RandomIds()), bucket, proxy, source)


def test_what_is_large_goes_in_parts_and_what_is_not_in_one_request(here: Here, tmp_path: Path) -> None:
    here.store.put(here.source)
    assert len([path for method, path in here.proxy.seen if method == "PUT" and PART.search(path)]) == 3
    here.proxy.seen.clear()
    small = tmp_path / "small"
    small.write_bytes(bytes(10 * MIB))
    here.store.put(small)
    assert [PART.search(path) for method, path in here.proxy.seen if method == "PUT"] == [None]


def test_how_far_it_is_is_told_piece_by_piece_to_the_last_byte(here: Here, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    blob = here.store.put(here.source, moved=lambda *moved: told.append(moved))
    assert [moved for moved, _ in told] == [5 * MIB, 10 * MIB, blob.size_bytes]
    told.clear()
    here.store.fetch(blob, tmp_path / "target", moved=lambda *moved: told.append(moved))
    assert told == [(5 * MIB, blob.size_bytes), (10 * MIB, blob.size_bytes), (blob.size_bytes, blob.size_bytes)]


@pytest.mark.parametrize("letters", [13 * MIB, 7])
def test_bytes_that_arrive_as_others_are_refused_and_leave_nothing(here: Here, letters: int) -> None:
    here.source.write_bytes(b"spoil" + bytes(letters))
    here.proxy.change = spoil
    with pytest.raises(DigestMismatch):
        here.store.put(here.source)
    here.proxy.change = leave_alone
    assert here.names() == []


def test_who_ends_an_upload_leaves_nothing_and_is_told_what_they_said(here: Here) -> None:
    def ends(moved_bytes: int, size_bytes: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        here.store.put(here.source, moved=ends)
    assert here.names() == []


def test_a_source_that_changes_meanwhile_is_not_stored(here: Here) -> None:
    def rewrites(moved_bytes: int, size_bytes: int) -> None:
        with here.source.open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"x")

    with pytest.raises(DigestMismatch, match="was changed while it was stored"):
        here.store.put(here.source, moved=rewrites)
    assert here.names() == []


def test_a_blob_that_is_deleted_while_it_is_fetched_is_missing_and_leaves_no_file(here: Here, tmp_path: Path) -> None:
    blob = here.store.put(here.source)
    with pytest.raises(BlobMissing):
        here.store.fetch(blob, tmp_path / "target", moved=lambda *_: here.store.delete(blob))
    assert not (tmp_path / "target").exists()


def test_amazon_compares_what_arrives_and_nothing_is_read_back_from_it(here: Here, tmp_path: Path) -> None:
    def reads(store: BucketStore) -> int:
        here.proxy.seen.clear()
        store.put(here.source)
        return len([path for method, path in here.proxy.seen if method == "GET"])

    assert reads(here.store) == 3
    at_amazon = Bucket(
        BucketPlace(scheme="s3", bucket="bucket", prefix="queue"), Access(cache=tmp_path, config=tmp_path), ONCE
    )
    assert at_amazon.compares_digests


def test_every_part_carries_its_sha256_where_the_protocol_has_it(here: Here) -> None:
    seen: list[str] = []

    def note(asked: Asked) -> None:
        if asked.method == "PUT" and PART.search(asked.path):
            seen.append({name.lower(): value for name, value in asked.headers.items()}.get("x-amz-checksum-sha256", ""))

    here.proxy.change = note
    here.store.put(here.source)
    assert len(seen) == 3
    assert all(map(bool, seen)) == (here.bucket.place.scheme == "s3")
