"""What a dead attempt left is told from what a live one is about to commit; nobody else's is ever touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.stores.base import Blob, Listed
from qcqueue.worker.orphans import GRACE_S, orphans

OLD_S = GRACE_S + 1


def shown(place: str = "p", *, owner: str = "5e55-1", age_s: float = OLD_S, sha256: str = "a" * 64) -> Listed:
    return Listed(blob=Blob(sha256=sha256, size_bytes=7, place=place), owner=owner, age_s=age_s)


def test_what_an_ended_attempt_left_is_an_orphan() -> None:
    assert orphans([shown("p")], set(), set()) == (shown("p").blob,)


def test_what_the_database_needs_is_none() -> None:
    assert orphans([shown("p")], {"p"}, set()) == ()


def test_what_a_live_attempt_is_about_to_commit_is_none() -> None:
    assert orphans([shown(owner="5e55-1")], set(), {"5e55-1"}) == ()


def test_another_attempt_of_the_same_session_vouches_for_nothing() -> None:
    assert orphans([shown(owner="5e55-1")], set(), {"5e55-2", "5e55-11", "5e55"}) != ()


@pytest.mark.parametrize(("age_s", "found"), [(0.0, 0), (GRACE_S - 1, 0), (GRACE_S, 1)])
def test_what_is_young_is_none(age_s: float, found: int) -> None:
    assert len(orphans([shown(age_s=age_s)], set(), set())) == found


@pytest.mark.parametrize("owner", ["", "5e55", "-", "-1", "5e55-0", "5e55-", "Ada-1", "5e55-1\n", "a/../b-1", "x" * 70])
def test_what_no_attempt_signed_is_none(owner: str) -> None:
    assert orphans([shown(owner=owner)], set(), set()) == ()


def test_what_an_older_qcqueue_stored_has_no_place_of_its_own_and_is_none() -> None:
    assert orphans([shown("")], set(), set()) == ()


def test_two_copies_of_the_same_bytes_are_two_things() -> None:
    kept, left = shown("kept"), shown("left")
    assert orphans([kept, left], {"kept"}, set()) == (left.blob,)


def test_a_listing_that_shows_a_thing_twice_names_it_once() -> None:
    assert orphans([shown("p"), shown("q"), shown("p")], set(), set()) == (shown("p").blob, shown("q").blob)


places, owners = st.sampled_from("pqrs"), st.sampled_from(["", "a-1", "a-2", "b-1", "odd"])
listings = st.lists(st.builds(shown, places, owner=owners, age_s=st.floats(0, 3 * GRACE_S)))


@given(listings, st.frozensets(places), st.frozensets(owners))
def test_nothing_needed_live_young_or_unsigned_is_ever_among_them(
    listed: list[Listed], needed: frozenset[str], live: frozenset[str]
) -> None:
    found = orphans(listed, needed, live)
    assert len(set(found)) == len(found)
    assert not {blob.place for blob in found} & needed
    for blob in found:
        assert any(it.blob == blob and it.owner not in live | {"", "odd"} and it.age_s >= GRACE_S for it in listed)
