"""What is particular to slots in a bucket: an answer that can mean two things, and names that a listing sorts."""

from concurrent.futures import wait
from pathlib import Path

import pytest

from qcqueue.clock import RandomIds
from qcqueue.errors import CorruptionError, DigestMismatch, OutcomeUnknown, StoreDenied
from qcqueue.stores.base import Creation
from qcqueue.stores.objects.slots import FACTS_BYTES_USUAL, BucketSlots
from qcqueue.stores.objects.store import BucketStore
from tests.stores_objects.objects import behind, made_up
from tests.support.members import SLOTS
from tests.support.servers.between import Asked, answer, between, leave_alone
from tests.support.servers.running import bucket_server

NOWHERE = "http://127.0.0.1:9"
CONFLICT = b"<Error><Code>ConditionalRequestConflict</Code></Error>"
NO_KEY = b"<Error><Code>NoSuchKey</Code></Error>"


def test_a_conflict_where_nothing_can_be_read_is_an_unknown_outcome() -> None:
    def change(asked: Asked) -> None:
        asked.answer = (409, CONFLICT) if asked.method == "PUT" else (404, NO_KEY)

    with between(NOWHERE, change) as server:
        slots = BucketSlots(made_up(server.endpoint), RandomIds())
        with pytest.raises(OutcomeUnknown, match="refuses slot"):
            slots.create(slots.reserve(2), b"body", {"by": "me"})


@pytest.mark.parametrize("status", [403, 503])
def test_a_conflict_that_cannot_be_looked_into_is_an_unknown_outcome(status: int) -> None:
    def change(asked: Asked) -> None:
        asked.answer = (409, CONFLICT) if asked.method == "PUT" else (status, b"")

    with between(NOWHERE, change) as server:
        slots = BucketSlots(made_up(server.endpoint), RandomIds())
        with pytest.raises(OutcomeUnknown, match="does not say whose slot"):
            slots.create(slots.reserve(2), b"body", {"by": "me"})


@pytest.mark.servers
@pytest.mark.parametrize("scheme", ["s3", "az"])
def test_a_conflict_where_the_slot_can_be_read_is_taken(scheme: str, tmp_path: Path) -> None:
    with SLOTS[scheme].running() as place:
        slots = place.open(tmp_path)
        slot = slots.reserve(2)
        place.open(tmp_path).create(slot, b"theirs", {"by": "another"})
        assert slots.create(slot, b"mine", {"by": "me"}) is Creation.TAKEN
        assert (slots.facts(slot), slots.body(slot)) == ({"by": "another"}, b"theirs")


@pytest.mark.servers
@pytest.mark.parametrize("scheme", ["s3", "az"])
def test_the_newest_are_listed_first_whatever_was_truncated_last(scheme: str, tmp_path: Path) -> None:
    with SLOTS[scheme].running() as place:
        slots = place.open(tmp_path)
        made = [slots.root, *(slots.reserve(number) for number in (2, 3, 9, 10, 11, 99, 100, 12345))]
        for number, slot in enumerate(made):
            assert slots.create(slot, b"bytes", {"number": str(number)}) is Creation.CREATED
        for slot in (made[5], slots.root):
            slots.truncate(slot)
        assert [slot for slot, _ in place.attach(tmp_path).list_slots()] == made[::-1]


@pytest.mark.servers
@pytest.mark.parametrize("scheme", ["s3", "az"])
def test_what_went_wrong_with_a_truncation_is_told_to_the_next(scheme: str, tmp_path: Path) -> None:
    server = bucket_server(scheme)
    with between(server.endpoint) as proxy:
        slots = BucketSlots(behind(server, proxy.endpoint, tmp_path), RandomIds())
        one, other = slots.reserve(2), slots.reserve(3)
        for slot in (one, other):
            slots.create(slot, b"bytes", {"slot": slot})
        proxy.change = answer(403)
        slots.truncate(one)
        assert slots._truncating
        wait([slots._truncating])
        proxy.change = leave_alone
        with pytest.raises(StoreDenied):
            slots.truncate(other)
        assert (slots.body(one), slots.body(other)) == (b"bytes", b"")
        slots.truncate(one)
        assert slots.body(one) == b""


@pytest.mark.servers
@pytest.mark.parametrize("scheme", ["s3", "az"])
def test_a_slot_or_a_blob_of_which_nothing_is_left_is_damaged(scheme: str, tmp_path: Path) -> None:
    server = bucket_server(scheme)
    bucket = behind(server, server.endpoint, tmp_path)
    bucket.write("versions/first", b"")
    assert (bucket.read_piece("versions/first", 0, 9), bucket.read_piece("versions/none", 0, 9)) == (b"", None)
    with pytest.raises(CorruptionError, match="does not begin with a line of facts"):
        BucketSlots(bucket, RandomIds()).facts("first")
    source = tmp_path / "source"
    source.write_bytes(b"bytes")
    store = BucketStore(bucket, RandomIds())
    blob = store.put(source)
    bucket.write(f"blobs/{blob.sha256}.{blob.place}", b"")
    with pytest.raises(DigestMismatch, match="it has 0 bytes instead of 5"):
        store.fetch(blob, tmp_path / "target")


@pytest.mark.servers
@pytest.mark.parametrize("scheme", ["s3", "az"])
def test_facts_that_are_longer_than_usual_are_read_whole(scheme: str, tmp_path: Path) -> None:
    with SLOTS[scheme].running() as place:
        slots = place.open(tmp_path)
        for letters in (FACTS_BYTES_USUAL - 20, FACTS_BYTES_USUAL, 3 * FACTS_BYTES_USUAL):
            facts = {"long": "x" * letters}
            for body in (b"", b"bytes\nmore"):
                slot = slots.reserve(1)
                slots.create(slot, body, facts)
                again = place.attach(tmp_path)
                assert (again.facts(slot), again.body(slot)) == (facts, body)
