"""What the versioned database does at the edges: cuts, frozen writers, offline machines, damage, and its price."""

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from qcqueue.clock import RandomIds
from qcqueue.database.chain import BODIES_KEPT, Chain
from qcqueue.database.schema import history, meta
from qcqueue.database.versioned import VersionedDatabase
from qcqueue.errors import CorruptionError, OutcomeUnknown, StoreBusy, StoreError, StoreMissing
from qcqueue.storage.base import Creation, Slots
from qcqueue.storage.slots import FolderSlots
from qcqueue.testing.chance import Crash
from qcqueue.testing.clocks import MachineClock, WorldTime
from qcqueue.testing.rivals import Told, chain_of, check, commit, lines_of

TIME = WorldTime()


class Watched:
    """Slots that tell of every call before and after it."""

    def __init__(self, slots: Slots, before: Callable[[str], None], after: Callable[[str], None]) -> None:
        self._slots, self._before, self._after = slots, before, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._slots, name)
        if not callable(real):
            return real

        def call(*arguments: Any) -> Any:
            self._before(name)
            answer = real(*arguments)
            self._after(name)
            return answer

        return call


def nothing(_: str) -> None:
    pass


def watched(slots: Slots, *, before: Callable[[str], None] = nothing, after: Callable[[str], None] = nothing) -> Slots:
    return Watched(slots, before, after)


@pytest.fixture
def slots(memory: Path) -> FolderSlots:
    slots = FolderSlots(memory / "store", RandomIds())
    slots.make()
    a_machine(slots, memory / "maker").create()
    return slots


def a_machine(slots: Slots, copy: Path) -> VersionedDatabase:
    return VersionedDatabase(slots, copy=copy, clock=MachineClock(TIME), ids=RandomIds(), author=copy.name)


@pytest.fixture
def laptop(slots: FolderSlots, memory: Path) -> VersionedDatabase:
    return a_machine(slots, memory / "laptop")


def test_an_action_that_changes_nothing_writes_nothing(slots: FolderSlots, laptop: VersionedDatabase) -> None:
    assert laptop.transact(lambda tx: tx.execute(select(meta.c.format)).scalar_one()) == 1
    assert len(chain_of(slots)) == 1


def test_the_newest_bodies_are_kept_and_every_slot(slots: FolderSlots, laptop: VersionedDatabase) -> None:
    for number in range(BODIES_KEPT + 12):
        commit(laptop, f"{number}")
    versions = chain_of(slots)
    assert len(versions) == BODIES_KEPT + 13
    assert [bool(slots.body(version.slot)) for version in versions] == [False] * 13 + [True] * BODIES_KEPT


def test_a_body_that_a_killed_writer_left_is_given_back_by_the_next(slots: FolderSlots, memory: Path) -> None:
    def die(call: str) -> None:
        if call == "truncate":
            raise Crash(call)

    for number in range(BODIES_KEPT + 9):
        with contextlib.suppress(Crash):
            mortal = number % 2 == 0
            commit(a_machine(watched(slots, before=die if mortal else nothing), memory / "colab"), f"{number}")
    kept = [version for version in chain_of(slots) if slots.body(version.slot)]
    assert len(kept) <= BODIES_KEPT + 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_writer_killed_at_any_call_leaves_the_old_state_or_the_new(
    slots: FolderSlots, memory: Path, when: str
) -> None:
    told: dict[str, Told] = {}
    for number in range(BODIES_KEPT + 2):  # enough versions that a commit truncates as well
        told[f"{number}"] = commit(a_machine(slots, memory / "first"), f"{number}")
    calls = 0
    while True:
        calls += 1
        left = iter(range(calls - 1))

        def die(call: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Crash(call)

        told[f"cut {calls}"] = Told.UNKNOWN
        try:
            commit(a_machine(watched(slots, **{when: die}), memory / "cut"), f"cut {calls}")
            break
        except Crash:
            told[f"next {calls}"] = commit(a_machine(slots, memory / "next"), f"next {calls}")
    assert calls > 5
    check(slots, told, lambda: lines_of(a_machine(slots, memory / "onlooker")))


def test_a_writer_frozen_for_long_finds_its_slot_taken(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path
) -> None:
    frozen = True

    def others_go_on(call: str) -> None:
        nonlocal frozen
        if call == "create" and frozen:
            frozen = False
            for number in range(2 * BODIES_KEPT):
                commit(laptop, f"{number}")

    sleeper = a_machine(watched(slots, before=others_go_on), memory / "sleeper")
    assert commit(sleeper, "late") is Told.SAVED
    assert lines_of(laptop) == [*(f"{number}" for number in range(2 * BODIES_KEPT)), "late"]


def test_an_answer_that_never_comes_is_an_unknown_outcome_and_looking_tells(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path
) -> None:
    def lose(call: str) -> None:
        if call in ("create", "facts") and created():
            raise OutcomeUnknown("the answer was lost")

    def created() -> bool:
        return slots.facts(chain_of(slots)[0].next) is not None

    away = a_machine(watched(slots, after=lose), memory / "away")
    assert commit(away, "lost") is Told.UNKNOWN
    assert lines_of(laptop) == ["lost"]


def test_a_store_that_refuses_every_time_is_busy_and_nothing_is_saved(slots: FolderSlots, memory: Path) -> None:
    def refuse(call: str) -> None:
        if call == "create":
            raise StoreBusy("slow down")

    busy = a_machine(watched(slots, before=refuse), memory / "busy")
    with pytest.raises(StoreBusy, match="too busy") as caught:
        busy.transact(lambda tx: tx.execute(history.insert().values(at_s=0, who="", what="", why="")))
    assert not isinstance(caught.value, OutcomeUnknown)
    assert len(chain_of(slots)) == 1


def test_a_machine_that_is_offline_answers_from_its_copy_and_says_how_old_it_is(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path
) -> None:
    commit(laptop, "seen")
    confirmed_at_s = MachineClock(TIME).now_s()
    TIME.now_s += 3600.0
    (memory / "store").rename(memory / "unplugged")
    for machine in (laptop, a_machine(slots, memory / "laptop")):
        assert lines_of(machine) == ["seen"]
        assert machine.behind is not None
        assert machine.behind.since_s == confirmed_at_s
        with pytest.raises(StoreError):
            machine.transact(lambda tx: None)
    (memory / "unplugged").rename(memory / "store")
    assert lines_of(laptop) == ["seen"]
    assert laptop.behind is None


def test_a_machine_that_was_never_online_has_nothing_to_answer_from(slots: FolderSlots, memory: Path) -> None:
    shutil.rmtree(memory / "store")
    with pytest.raises(StoreMissing):
        lines_of(a_machine(slots, memory / "new"))


def test_the_copy_is_a_sqlite_file_that_any_tool_opens(laptop: VersionedDatabase, memory: Path) -> None:
    commit(laptop, "seen")
    with contextlib.closing(sqlite3.connect(memory / "laptop" / "queue.sqlite")) as tool:
        assert tool.execute("SELECT why FROM history").fetchall() == [("seen",)]


@pytest.mark.parametrize("name", ["queue.sqlite", "queue.json"])
@pytest.mark.parametrize("data", [None, b"", b"noise", b"{}"])
def test_a_damaged_copy_costs_nothing_but_time(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path, name: str, data: bytes | None
) -> None:
    commit(laptop, "one")
    path = memory / "laptop" / name
    path.unlink() if data is None else path.write_bytes(data)
    again = a_machine(slots, memory / "laptop")
    assert lines_of(again) == ["one"]
    assert commit(again, "two") is Told.SAVED
    (memory / "store").rename(memory / "unplugged")
    assert lines_of(a_machine(slots, memory / "laptop")) == ["one", "two"]


def test_a_copy_of_a_queue_that_was_made_anew_is_not_believed(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path
) -> None:
    for number in range(3):
        commit(laptop, f"old {number}")
    shutil.rmtree(memory / "store")
    slots.make()
    a_machine(slots, memory / "maker").create()
    again = a_machine(slots, memory / "laptop")
    assert commit(again, "new") is Told.SAVED
    assert lines_of(a_machine(slots, memory / "colab")) == ["new"]


def test_a_version_with_other_bytes_is_refused_by_its_number(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path
) -> None:
    commit(laptop, "one")
    damaged = memory / "store" / "slots" / chain_of(slots)[-1].slot
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CorruptionError, match=r"version 2 .* is damaged"):
        lines_of(a_machine(slots, memory / "colab"))


FORGED: dict[str, dict[str, str]] = {
    "another predecessor": {"before": "0" * 64},
    "a number that was": {"number": "1"},
    "a number that skips one": {"number": "3"},
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_version_that_does_not_follow_is_refused(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path, forged: str
) -> None:
    first = chain_of(slots)[0]
    facts = first.facts | {"number": "2", "before": first.digest, "next": "elsewhere"} | FORGED[forged]
    assert slots.create(first.next, b"body", facts) is Creation.CREATED
    with pytest.raises(CorruptionError, match="does not follow version 1"):
        commit(laptop, "on a forged version")


@pytest.mark.parametrize("missing", ["format", "number", "next", "sha256", "before", "nonce"])
def test_facts_that_lack_something_are_refused(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path, missing: str
) -> None:
    first = chain_of(slots)[0]
    facts = {name: value for name, value in first.facts.items() if name != missing}
    slots.create(first.next, b"body", facts)
    with pytest.raises(CorruptionError, match=first.next):
        commit(laptop, "on half a version")


def test_a_slot_name_cannot_lead_out_of_the_store(slots: FolderSlots) -> None:
    for name in ("../../etc/passwd", "", ".", "a/b", "incoming-x"):
        with pytest.raises(CorruptionError):
            slots.facts(name)


def test_looking_costs_few_requests(slots: FolderSlots, laptop: VersionedDatabase, memory: Path) -> None:
    for number in range(60):
        commit(laptop, f"{number}")
    calls: list[str] = []
    fresh = a_machine(watched(slots, before=calls.append), memory / "fresh")
    assert len(lines_of(fresh)) == 60
    assert len(calls) <= 8  # on a machine that never saw this queue
    calls.clear()
    assert len(lines_of(fresh)) == 60
    assert calls == ["facts"]  # in a process that has seen the newest version
    calls.clear()
    assert len(lines_of(a_machine(watched(slots, before=calls.append), memory / "fresh"))) == 60
    assert calls == ["facts", "facts"]  # on a machine that has
    calls.clear()
    commit(fresh, "one more")
    assert calls == ["facts", "reserve", "create", "truncate", "truncate"]


def test_without_any_listing_the_newest_version_is_found_by_walking(slots: FolderSlots, memory: Path) -> None:
    laptop = a_machine(slots, memory / "laptop")
    for number in range(12):
        commit(laptop, f"{number}")

    def refuse(call: str) -> None:
        if call == "list_slots":
            raise StoreBusy("no listing today")

    assert len(lines_of(a_machine(watched(slots, before=refuse), memory / "walker"))) == 12
    assert Chain(slots, RandomIds(), author="").head(None).number == 13
