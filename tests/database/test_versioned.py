"""What the versioned database does at the edges: cuts, frozen writers, offline machines, damage, and its price."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from qcqueue.clock import RandomIds
from qcqueue.conformance.clocks import MachineClock, WorldTime
from qcqueue.database.chain import BODIES_KEPT, Chain
from qcqueue.database.schema import FORMAT, history, meta
from qcqueue.database.sqlite import RESCUE
from qcqueue.database.versioned import TRAIL_MAX, Behind, VersionedDatabase
from qcqueue.errors import CorruptionError, LeaseLost, OutcomeUnknown, StoreBusy, StoreError, StoreMissing, StorePutBack
from qcqueue.stores.base import Creation, Slots
from qcqueue.stores.files import INCOMING
from qcqueue.stores.folder_slots import FolderSlots
from tests.support.chance import Crash
from tests.support.contenders import Told, chain_of, check, commit, lines_by_refusal, lines_by_result, lines_of

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


class FarAway(Watched):
    """Slots each question to which is a request, told of by name; what was seen is remembered, as Drive's slots do."""

    is_near = False

    def __init__(self, slots: Slots, calls: list[str]) -> None:
        super().__init__(slots, calls.append, nothing)
        self._seen: dict[str, Any] = {}

    def create(self, slot: str, body: bytes, facts: Any) -> Any:
        made = self.__getattr__("create")(slot, body, facts)
        if made is Creation.CREATED:
            self._seen[slot] = facts
        return made

    def facts(self, slot: str) -> Any:
        if slot not in self._seen and (found := self.__getattr__("facts")(slot)) is not None:
            self._seen[slot] = found
        return self._seen.get(slot)

    def list_slots(self) -> Any:
        for slot, facts in self.__getattr__("list_slots")():
            self._seen[slot] = facts
            yield slot, facts


def far_away(slots: Slots, calls: list[str]) -> Slots:
    return FarAway(slots, calls)


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
    assert laptop.transact(lambda tx: tx.execute(select(meta.c.format)).scalar_one()) == FORMAT
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


def test_a_store_that_refuses_is_asked_once_and_nothing_is_saved(slots: FolderSlots, memory: Path) -> None:
    calls: list[str] = []
    refusal = StoreBusy("slow down")

    def refuse(call: str) -> None:
        calls.append(call)
        if call == "create":
            raise refusal

    busy = a_machine(watched(slots, before=refuse), memory / "busy")
    with pytest.raises(StoreBusy) as caught:
        busy.transact(lambda tx: tx.execute(history.insert().values(at_s=0, who="", what="", why="")))
    assert caught.value is refusal
    assert calls.count("create") == 1  # the store has been patient already
    assert len(chain_of(slots)) == 1


def test_a_refusal_after_a_lost_answer_does_not_make_the_outcome_known(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path
) -> None:
    said = iter([OutcomeUnknown("the answer was lost"), StoreBusy("slow down"), StoreMissing("gone")])

    def lose_then_refuse(call: str) -> None:
        if call == "create" and (error := next(said, None)):
            raise error

    away = a_machine(watched(slots, after=lose_then_refuse), memory / "away")
    assert commit(away, "lost") is Told.SAVED
    assert lines_of(laptop) == ["lost"]


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


def test_a_process_that_loses_its_store_says_since_when_its_answer_is_old(slots: FolderSlots, memory: Path) -> None:
    away = False

    def lose(_: str) -> None:
        if away:
            raise StoreBusy("Google cannot be reached")

    machine = a_machine(watched(slots, before=lose), memory / "colab")
    commit(machine, "seen")
    TIME.now_s += 60.0
    assert (lines_of(machine), machine.behind) == (["seen"], None)
    confirmed_at_s = MachineClock(TIME).now_s()
    TIME.now_s += 3600.0
    away = True
    for reader in (machine, a_machine(watched(slots, before=lose), memory / "colab")):
        assert lines_of(reader) == ["seen"]
        assert reader.behind == Behind(since_s=confirmed_at_s, why="Google cannot be reached")


GONE: dict[str, tuple[str | None, str | None]] = {
    "a disk that is not mounted": ("qcqueue init", "mount the disk it is on"),
    "a folder in the bin": ("take the folder out of the bin", "take the folder out of the bin"),
    "a store that knows no way back": (None, RESCUE),
}


@pytest.mark.parametrize("gone", GONE)
@pytest.mark.parametrize("has_read", [False, True])
def test_where_a_queue_was_seen_nobody_is_told_to_begin_another(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path, gone: str, has_read: bool
) -> None:
    commit(laptop, "seen")
    hint, told = GONE[gone]
    is_gone = False

    def lose(call: str) -> None:
        if is_gone and call != "reserve":
            raise StoreMissing("there is no such folder", hint=hint)

    machine = a_machine(watched(slots, before=lose), memory / "laptop")
    if has_read:
        lines_of(machine)
    is_gone = True
    with pytest.raises(StoreMissing, match="saw version 2") as caught:
        machine.transact(lambda tx: tx.execute(history.insert().values(at_s=0, who="", what="", why="")))
    assert caught.value.hint == told


def test_a_store_that_holds_no_queue_any_more_is_not_begun_anew(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path
) -> None:
    commit(laptop, "seen")
    shutil.rmtree(memory / "store")
    slots.make()
    with pytest.raises(StoreMissing, match="saw version 2") as caught:
        a_machine(slots, memory / "laptop").transact(lambda tx: None)
    assert caught.value.hint == RESCUE


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


def test_what_a_killed_process_was_about_to_copy_goes_with_the_next_version(
    laptop: VersionedDatabase, memory: Path
) -> None:
    copy = memory / "laptop"
    commit(laptop, "one")
    for name in ("queue.sqlite.123", "queue.json.77", f"{INCOMING}abcdefgh.tmp", f"{INCOMING}abcdefg9.tmp"):
        (copy / name).write_bytes(b"half")
    commit(laptop, "two")
    assert sorted(path.name for path in copy.iterdir()) == ["queue.json", "queue.lock", "queue.sqlite"]


def test_a_copy_of_a_queue_that_was_made_anew_is_not_believed_and_the_new_one_is_asked_about(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path
) -> None:
    for number in range(3):
        commit(laptop, f"old {number}")
    shutil.rmtree(memory / "store")
    slots.make()
    a_machine(slots, memory / "maker").create()
    again = a_machine(slots, memory / "laptop")
    with pytest.raises(StorePutBack, match="made anew"):
        commit(again, "new")
    assert again.adopt(lambda tx, lost, it: it.lost.version.number) == 4
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


def test_looking_far_away_costs_few_requests(slots: FolderSlots, laptop: VersionedDatabase, memory: Path) -> None:
    for number in range(60):
        commit(laptop, f"{number}")
    calls: list[str] = []
    fresh = a_machine(far_away(slots, calls), memory / "fresh")
    assert len(lines_of(fresh)) == 60
    assert len(calls) <= 8  # on a machine that never saw this queue
    calls.clear()
    assert len(lines_of(fresh)) == 60
    assert calls == ["facts"]  # in a process that has seen the newest version
    calls.clear()
    assert len(lines_of(a_machine(far_away(slots, calls), memory / "fresh"))) == 60
    assert calls == ["facts", "facts"]  # on a machine that has


def test_a_commit_far_away_costs_one_request_and_its_tidying_another(slots: FolderSlots, memory: Path) -> None:
    calls: list[str] = []
    colab = a_machine(far_away(slots, calls), memory / "colab")
    for number in range(2 * BODIES_KEPT):
        calls.clear()
        commit(colab, f"{number}")
        assert calls.count("facts") == (2 if number == 0 else 0)  # a process asks once: the store may be another
        assert calls[-3:] in (["reserve", "create"], ["reserve", "create", "truncate"]) or number == 0
    assert calls == ["reserve", "create", "truncate"]


def test_a_process_far_away_asks_once_for_what_its_first_commit_builds_upon(slots: FolderSlots, memory: Path) -> None:
    for number in range(3):
        commit(a_machine(slots, memory / "colab"), f"{number}")
    calls: list[str] = []
    colab = a_machine(far_away(slots, calls), memory / "colab")
    commit(colab, "first")
    assert calls == ["facts"] * 3 + ["reserve", "create"]  # the version, what comes after it, and what before
    calls.clear()
    commit(colab, "second")
    assert calls == ["reserve", "create"]


def test_near_by_a_commit_looks_at_what_it_builds_upon_before_and_after(slots: FolderSlots, memory: Path) -> None:
    calls: list[str] = []
    lab = a_machine(watched(slots, before=calls.append), memory / "lab")
    for number in range(2 * BODIES_KEPT):
        commit(lab, f"{number}")
    assert calls.count("facts") <= 2 * BODIES_KEPT * 10
    calls.clear()
    commit(lab, "last")
    assert calls[:1] + calls[-3:] == ["facts", "create", "facts", "truncate"]


def test_a_fresh_machine_finds_the_newest_of_a_thousand_versions_at_once(slots: FolderSlots, memory: Path) -> None:
    past = Chain(slots, RandomIds(), author="past")
    head = past.head(None)
    contents = past.contents(head)
    assert contents is not None
    for number in range(1000):
        after = past.append(head, contents)
        assert after is not None
        head = after
        # As if they were hours apart, and not many within one tick of the disk's clock.
        os.utime(memory / "store" / "slots" / head.slot, ns=(number, number))
    calls: list[str] = []
    assert lines_of(a_machine(far_away(slots, calls), memory / "fresh")) == []
    assert calls == ["facts", "list_slots", "facts", "body"]
    calls.clear()
    assert lines_of(a_machine(watched(slots, before=calls.append), memory / "near by")) == []
    assert len(calls) <= 4 + TRAIL_MAX


# A process tries its transactions on the version it saw last, and asks only if nothing would come of that.


def test_a_stale_version_costs_a_second_try_and_nothing_else(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path
) -> None:
    colab = a_machine(slots, memory / "colab")
    commit(laptop, "one")
    commit(colab, "two")
    commit(laptop, "three")
    assert lines_of(colab) == ["one", "two", "three"]


def test_a_result_that_changes_nothing_is_of_the_newest_version(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path
) -> None:
    commit(laptop, "old")
    commit(a_machine(slots, memory / "colab"), "new")
    assert lines_by_result(laptop) == ["old", "new"]


def test_a_refusal_is_of_the_newest_version(slots: FolderSlots, laptop: VersionedDatabase, memory: Path) -> None:
    commit(laptop, "old")
    commit(a_machine(slots, memory / "colab"), "new")
    assert lines_by_refusal(laptop) == ["old", "new"]


def test_what_was_refused_on_a_stale_version_may_be_done_on_the_newest(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path
) -> None:
    def add_after_new(tx: Connection) -> None:
        if tx.execute(select(history.c.why).where(history.c.why == "new")).first() is None:
            raise LeaseLost
        tx.execute(history.insert().values(at_s=0, who="", what="", why="after"))

    commit(laptop, "old")
    commit(a_machine(slots, memory / "colab"), "new")
    laptop.transact(add_after_new)
    assert lines_of(laptop) == ["old", "new", "after"]


def test_nothing_is_answered_from_a_version_that_cannot_be_confirmed(
    slots: FolderSlots, laptop: VersionedDatabase, memory: Path
) -> None:
    commit(laptop, "old")
    (memory / "store").rename(memory / "unplugged")
    for way in (lines_by_result, lines_by_refusal):
        with pytest.raises(StoreMissing):
            way(laptop)


def test_without_any_listing_the_newest_version_is_found_by_walking(slots: FolderSlots, memory: Path) -> None:
    laptop = a_machine(slots, memory / "laptop")
    for number in range(12):
        commit(laptop, f"{number}")

    def refuse(call: str) -> None:
        if call == "list_slots":
            raise StoreBusy("no listing today")

    assert len(lines_of(a_machine(watched(slots, before=refuse), memory / "walker"))) == 12
    assert Chain(slots, RandomIds(), author="").head(None).number == 13
