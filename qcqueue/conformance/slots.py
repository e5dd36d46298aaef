"""Everything slots owe, as a test class that is given the `place` of a kind of slots."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Protocol

import pytest

from qcqueue.conformance.processes import kill_now, race, running
from qcqueue.conformance.stores import HOSTILE_NAMES
from qcqueue.errors import (
    CorruptionError,
    StoreError,
)
from qcqueue.stores.base import Creation, Slots


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


class SlotContract:
    """Everything `stores.base` promises of slots. Whoever derives from it has a running `place` as a fixture."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return tmp_path / "store"

    @pytest.fixture
    def slots(self, place: SlotPlace, root: Path) -> Slots:
        return place.open(root)

    @pytest.mark.parametrize("body", [b"", b"bytes", b"two\nlines\n", bytes(range(256)) * 5000])
    def test_a_slot_comes_back_as_it_was_created(self, slots: Slots, body: bytes) -> None:
        facts = {"number": "1", "next": "ab12", "author": "Zoë “z” \\ \n @laptop", "empty": ""}
        slot = slots.reserve(1)
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
        taken = slots.reserve(1)
        slots.create(taken, b"bytes", {"number": "1"})
        assert slots.look_again(taken) == slots.facts(taken) == {"number": "1"}
        slots.truncate(taken)
        assert slots.look_again(taken) == {"number": "1"}
        assert slots.look_again(slots.reserve(1)) is None

    def test_a_free_slot_has_no_facts_and_no_bytes(self, slots: Slots) -> None:
        free = slots.reserve(1)
        assert slots.facts(free) is None
        with pytest.raises(StoreError):
            slots.body(free)

    def test_reserved_slots_are_all_different_and_free(self, slots: Slots) -> None:
        reserved = {slots.reserve(1) for _ in range(50)}
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
        created = {slots.reserve(1): {"number": str(number)} for number in range(5)}
        slots.reserve(1)
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
        wanted = [slots.reserve(1) for _ in range(30)]
        told = [tmp_path / f"told-{racer}" for racer in range(8)]
        race(_create_all, [(place, root, wanted, path) for path in told])
        winners = {path.name: path.read_text().split() for path in told}
        assert sorted(slot for won in winners.values() for slot in won) == sorted(wanted)
        for name, won in winners.items():
            assert {slots.body(slot) for slot in won} <= {name.encode() * 1000}

    def test_a_killed_create_leaves_all_of_the_slot_or_nothing(
        self, place: SlotPlace, slots: Slots, root: Path
    ) -> None:
        wanted = [slots.reserve(1) for _ in range(40)]
        for last in wanted[3::9]:
            with running(_create_when_told, place, root, wanted) as (process, pipe):
                while pipe.recv() != ("creating", last):
                    pass
                said = kill_now(process, pipe)
            for slot in wanted:
                if slots.facts(slot) is not None or ("created", slot) in said:
                    assert (slots.facts(slot), slots.body(slot)) == ({"slot": slot}, slot.encode() * 1000)


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


# What they work on.


def _files_around(root: Path) -> dict[Path, tuple[bytes, int]]:
    """Return every file in and around a store, with its bytes and its time."""
    found = (path for path in root.parent.rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in found}
