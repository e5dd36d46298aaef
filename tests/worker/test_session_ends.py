"""The end of an attempt is decided once; what cannot pass is not waited for; a person's hold is no lost lease."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qcqueue.core.outcomes import Cause, Outcome, SessionEnd, Trouble
from qcqueue.errors import (
    DigestMismatch,
    DiskFailed,
    DiskFull,
    SignInFailed,
    StoreAway,
    StoreBusy,
    StoreDenied,
    StoreFull,
    StoreMissing,
)
from qcqueue.queue.controls import control
from qcqueue.spool.writer import TrainerSpool
from qcqueue.stores.base import LeaseRules
from qcqueue.worker.budget import Limits
from qcqueue.worker.job_states import FinishJob
from qcqueue.worker.patience import ASKED_S, CANNOT_PASS_S, HOPELESS_S, LENT_S, LIMIT_S, Patience, longest_s
from qcqueue.worker.session import Session
from tests.cli.queues import House, an_empty_house
from tests.worker.machines import (
    LENT,
    Machine,
    detail,
    enqueue,
    exits,
    fails,
    finishes,
    idles_after,
    last,
    moods,
    states,
    trains,
)

CANNOT_PASS = (StoreDenied, SignInFailed, StoreMissing, StoreFull, DiskFull, DiskFailed, DigestMismatch)
PASSES = (StoreBusy, StoreAway)


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = an_empty_house(tmp_path / "house")
    enqueue(house, "a", epochs=90)
    return house


@pytest.fixture
def machine(house: House) -> Machine:
    return Machine(house=house, name="m1", step_s=20.0)


def saved(house: House, name: str = "a") -> int:
    return detail(house, name).line.epochs_done


# Decided once.


def answers_are_lost_at_the_end(session: Session, number: int) -> None:
    """Lose the answer to whatever ends the attempt, and have a person interrupt before it is asked again."""
    _, database = moods(session)
    if session.job and session.job.committer.ending and not session.said_so:  # type: ignore[attr-defined]
        session.said_so = True  # type: ignore[attr-defined]
        session.ask_to_stop()
    if session.stop_reason is SessionEnd.LIMIT and session.said_so is False:  # type: ignore[attr-defined]
        database.loses_answers = 1


def test_a_limit_followed_by_an_interrupt_after_a_lost_answer_is_no_lost_job(house: House, machine: Machine) -> None:
    session: Any = machine.session(trains(), limits=Limits(max_minutes=3))
    session.said_so = False
    machine.run(session, meddle=answers_are_lost_at_the_end)
    assert session.said_so
    assert session.ending is SessionEnd.ASKED  # so that a person's machine is not given back
    assert [attempt.outcome for attempt in detail(house, "a").attempts] == [Outcome.STOPPED]
    assert last(house, "a").reason == str(SessionEnd.LIMIT)
    assert not session.has_unsaved
    assert "has ended" not in "".join(machine.said)


@pytest.mark.parametrize("lost", [1, 3])
@pytest.mark.parametrize(
    ("scripts", "limits", "ending", "outcome"),
    [
        ((fails(Cause.NOT_FINITE),), Limits(), SessionEnd.JOB_FAILED, Outcome.FAILED),
        ((fails(Trouble.DISK),), Limits(), SessionEnd.CANNOT_START, Outcome.INTERRUPTED),
        ((exits(1),), Limits(), SessionEnd.CANNOT_START, Outcome.INTERRUPTED),
        ((fails(Cause.OUT_OF_MEMORY),), Limits(), SessionEnd.JOB_HELD, Outcome.STOPPED),
        ((trains(1),), Limits(max_epochs=1), SessionEnd.LIMIT, Outcome.STOPPED),
    ],
)
def test_whatever_ends_it_is_known_again_after_a_lost_answer(
    house: House, machine: Machine, scripts: Any, limits: Limits, ending: SessionEnd, outcome: Outcome, lost: int
) -> None:
    session = machine.session(*scripts, limits=limits)
    _, database = moods(session)

    def lose(session: Session, number: int) -> None:
        if isinstance(session.state, FinishJob) and not session.held_job.committer.ending:
            database.loses_answers = lost

    machine.run(session, meddle=lose)
    assert database.loses_answers == 0
    assert session.ending is ending
    assert [attempt.outcome for attempt in detail(house, "a").attempts] == [outcome]


def test_a_fault_that_failed_the_job_is_known_again_after_a_lost_answer(house: House, machine: Machine) -> None:
    machine.works(exits(1, phase="training"))
    session = machine.session(exits(1, phase="training"))
    _, database = moods(session)

    def lose(session: Session, number: int) -> None:
        if isinstance(session.state, FinishJob) and not session.held_job.committer.ending:
            database.loses_answers = 1

    machine.run(session, meddle=lose)
    assert session.ending is SessionEnd.JOB_FAILED
    assert states(house) == {"a": "failed"}


# What cannot pass is not waited for.


def refuses(session: Session, error: Exception, *, after_s: float, machine: Machine) -> Any:
    store, database = moods(session)
    began_s = machine.time.now_s

    def meddle(_: Session, number: int) -> None:
        if store.mood is None and machine.time.now_s >= began_s + after_s:
            store.mood = database.mood = error

    return meddle


@pytest.mark.parametrize("error", CANNOT_PASS)
def test_after_a_quarter_of_an_hour_of_what_cannot_pass_it_saves_leaves_and_says_what_lies_here(
    house: House, machine: Machine, error: type[Exception]
) -> None:
    session = machine.session(trains())
    machine.run(session, meddle=refuses(session, error("no"), after_s=100.0, machine=machine))
    assert session.ending is SessionEnd.NOTHING_SAVED
    assert CANNOT_PASS_S <= machine.time.now_s - 100.0 <= CANNOT_PASS_S + 120.0
    assert session.has_unsaved
    known = saved(house)
    assert known > 0
    assert str(session.left_behind).startswith(f"epochs {known + 1} to ")
    assert any(line.startswith("not saved: epochs") for line in machine.said)

    machine.works(trains(0), limits=Limits(max_epochs=1))  # the next session here saves them, in the first one's name
    assert saved(house) > known
    assert saved(house) >= int(str(session.left_behind).split()[3])


@pytest.mark.parametrize("error", PASSES)
def test_what_can_pass_is_waited_for_and_saved(house: House, machine: Machine, error: type[Exception]) -> None:
    session = machine.session(trains(3), limits=Limits(max_epochs=3))
    store, database = moods(session)

    def away(session: Session, number: int) -> None:
        is_away = 100.0 <= machine.time.now_s < 5 * 3600.0
        store.mood = database.mood = error("away") if is_away and session.job else None

    machine.run(session, meddle=away)
    assert session.ending is SessionEnd.LIMIT
    assert saved(house) == 3


def test_what_can_pass_in_between_does_not_end_the_count_and_a_real_save_does(house: House, machine: Machine) -> None:
    patience = Patience()
    assert not patience.is_over(StoreDenied(), 0.0)
    assert not patience.is_over(StoreBusy(), CANNOT_PASS_S)
    assert patience.is_over(StoreFull(), CANNOT_PASS_S)
    patience.saved()
    assert not patience.is_over(StoreFull(), 2 * CANNOT_PASS_S)

    session = machine.session(trains(), limits=Limits(max_minutes=50))
    store, _ = moods(session)

    def now_and_then(session: Session, number: int) -> None:
        store.mood = StoreDenied("no") if machine.time.now_s % 600 > 300 else None

    machine.run(session, meddle=now_and_then)
    assert session.ending in (SessionEnd.LIMIT, SessionEnd.NOTHING_SAVED)
    assert machine.time.now_s > 40 * 60.0  # the limit ended it


@pytest.mark.parametrize(
    ("error", "within_s"), [(StoreDenied, HOPELESS_S), (DiskFull, HOPELESS_S), (StoreAway, LIMIT_S)]
)
def test_a_limit_wins_over_a_store_that_takes_nothing(
    house: House, machine: Machine, error: type[Exception], within_s: float
) -> None:
    session = machine.session(trains(), limits=Limits(max_minutes=3))
    machine.run(session, meddle=refuses(session, error("no"), after_s=60.0, machine=machine))
    assert session.ending is SessionEnd.NOTHING_SAVED
    assert 180.0 <= machine.time.now_s <= 180.0 + within_s + 60.0
    assert session.has_unsaved


@pytest.mark.parametrize("minutes", [None, 3])
def test_a_store_whose_folder_was_moved_away_cannot_pass(house: House, machine: Machine, minutes: float | None) -> None:
    session, moved = machine.session(trains(), limits=Limits(max_minutes=minutes)), house.folder / "elsewhere"

    def move(_: Session, number: int) -> None:
        if machine.time.now_s >= 60.0 and not moved.exists():
            house.store.rename(moved)

    machine.run(session, meddle=move)
    assert session.ending is SessionEnd.NOTHING_SAVED
    left_s = machine.time.now_s - (180.0 if minutes else 60.0 + CANNOT_PASS_S)
    assert 0 <= left_s <= HOPELESS_S + 120.0
    assert "is not there any more" in str(session.gave_up_on)
    moved.rename(house.store)
    known = saved(house)
    machine.works(trains(0), limits=Limits(max_epochs=1))  # and once it is back, nothing of it is lost
    assert saved(house) > known


def test_a_person_who_asks_is_kept_a_minute_and_keeps_the_machine(house: House, machine: Machine) -> None:
    session = machine.session(trains(), profile=LENT)
    meddle = refuses(session, StoreDenied("no"), after_s=60.0, machine=machine)

    def ask(session: Session, number: int) -> None:
        meddle(session, number)
        if machine.time.now_s > 400.0:
            session.ask_to_stop()

    machine.run(session, meddle=ask)
    assert session.ending is SessionEnd.UNSAVED
    assert machine.time.now_s <= 400.0 + ASKED_S + 60.0


def test_a_lent_machine_is_kept_an_hour_for_its_person_and_says_which_epochs_go_with_it(
    house: House, machine: Machine
) -> None:
    session = machine.session(trains(), profile=LENT)
    error = StoreDenied("Drive refused the sign-in", hint="qcqueue login")
    machine.run(session, meddle=refuses(session, error, after_s=100.0, machine=machine))
    assert session.ending is SessionEnd.NOTHING_SAVED
    assert CANNOT_PASS_S + LENT_S <= machine.time.now_s - 100.0 <= CANNOT_PASS_S + LENT_S + 120.0
    assert f"{session.left_behind} go with this machine" in machine.said
    assert any("kept 1 h 00 min for you to mend it: qcqueue login" in line for line in machine.said)


def test_who_mends_it_within_that_hour_loses_nothing_and_training_goes_on(house: House, machine: Machine) -> None:
    session = machine.session(trains(), trains(1), profile=LENT, limits=Limits(max_minutes=200))
    store, database = moods(session)

    def mended(session: Session, number: int) -> None:
        is_denied = 100.0 <= machine.time.now_s < 100.0 + CANNOT_PASS_S + 1800.0
        store.mood = database.mood = StoreDenied("no") if is_denied else None

    machine.run(session, meddle=mended)
    assert session.ending is SessionEnd.LIMIT
    assert not session.has_unsaved
    assert len(detail(house, "a").attempts) == 2
    assert "saving had failed for long" in str(detail(house, "a").attempts[0].reason)


def test_before_a_step_there_is_nothing_to_save_and_nobody_to_wait_for(house: House, machine: Machine) -> None:
    session = machine.session(trains())
    store, _ = moods(session)
    store.mood, store.for_what = StoreDenied("no"), ("fetch",)
    machine.run(session)
    assert session.ending is SessionEnd.NOTHING_SAVED
    assert not session.has_unsaved
    assert session.left_behind is None
    assert isinstance(session.gave_up_on, StoreDenied)


@pytest.mark.parametrize("error", [StoreDenied, SignInFailed, StoreMissing, StoreBusy])
def test_before_any_job_is_held_it_leaves_at_once(house: House, machine: Machine, error: type[Exception]) -> None:
    session = machine.session(trains())
    store, database = moods(session)
    store.mood = database.mood = error("no")
    with pytest.raises(error):
        machine.run(session)
    assert machine.time.now_s < 10.0


@pytest.mark.parametrize(
    ("reason", "error", "is_lent", "seconds"),
    [
        (SessionEnd.ASKED, StoreDenied(), False, ASKED_S),
        (SessionEnd.ASKED, StoreDenied(), True, ASKED_S),
        (SessionEnd.LIMIT, StoreDenied(), False, HOPELESS_S),
        (SessionEnd.LIMIT, StoreBusy(), False, LIMIT_S),
        (SessionEnd.LIMIT, StoreDenied(), True, LENT_S),
        (None, StoreDenied(), True, LENT_S),
        (None, StoreDenied(), False, 0.0),
    ],
)
def test_how_long_who_leaves_waits(reason: SessionEnd | None, error: Any, is_lent: bool, seconds: float) -> None:
    assert longest_s(reason, error, is_lent=is_lent) == seconds


# A disk that is full.


@pytest.mark.parametrize("error", [DiskFull, DiskFailed])
def test_a_disk_that_does_not_take_the_dataset_puts_the_job_back_and_no_job_fails(
    house: House, machine: Machine, error: type[Exception]
) -> None:
    enqueue(house, "b", "c", epochs=90)
    session = machine.session(trains())
    store, _ = moods(session)
    store.mood, store.for_what = error("no room is left"), ("fetch",)
    machine.run(session)
    assert session.ending is SessionEnd.CANNOT_START
    assert {*states(house).values()} == {"queued"}
    assert sum(len(detail(house, name).attempts) for name in ("a", "b", "c")) == 2
    assert session.trouble is Trouble.DISK

    assert machine.works(finishes(), limits=Limits(jobs=1)).ending is SessionEnd.FINISHED  # with room again


def test_a_trainer_that_a_full_disk_keeps_from_ending_keeps_no_session(house: House, machine: Machine) -> None:
    def never_ends(spool: TrainerSpool) -> Iterator[int | None]:
        yield from (None for _ in trains(1)(spool))
        while True:
            yield None

    session = machine.session(never_ends)
    machine.run(session, meddle=refuses(session, DiskFull("no room"), after_s=100.0, machine=machine))
    assert session.ending is SessionEnd.NOTHING_SAVED
    assert machine.time.now_s <= 100.0 + CANNOT_PASS_S + HOPELESS_S + 120.0
    assert states(house) == {"a": "running"}  # until its lease has ended, or the next session here


# A person's decision.


@pytest.mark.parametrize("action", ["hold", "cancel"])
def test_who_holds_or_cancels_the_running_job_sends_the_session_to_the_next(
    house: House, machine: Machine, action: Any
) -> None:
    enqueue(house, "b", "c", epochs=3)
    session = machine.session(trains(), finishes(), limits=Limits(jobs=12))

    def decide(session: Session, number: int) -> None:
        if number == 25:
            held = session.held_job.committer
            assert held.has_saved
            house.queue.transact(lambda tx: control(tx, held.claim.job_name, action, who="ada@laptop", now_s=1.0))

    machine.run(session, meddle=decide)
    assert sorted(states(house).values()) == sorted(["done", "done", {"hold": "held", "cancel": "cancelled"}[action]])
    assert session.ending is SessionEnd.WITHDRAWN
    assert any("has ended: " in line and "by ada@laptop" in line for line in machine.said)


@pytest.mark.parametrize("jobs", [1, 12, None])
def test_where_it_was_the_only_one_the_session_says_that_a_person_decided(
    house: House, machine: Machine, jobs: int | None
) -> None:
    session = machine.session(trains(), limits=Limits(jobs=jobs))

    def hold(session: Session, number: int) -> None:
        if number == 25:
            house.queue.transact(lambda tx: control(tx, "tiny/a", "hold", who="ada@laptop", now_s=1.0))

    machine.run(session, meddle=hold)
    assert session.ending is SessionEnd.WITHDRAWN
    assert last(house, "a").outcome is Outcome.STOPPED


def test_a_hold_is_obeyed_within_a_minute_however_rarely_the_heart_beats(
    house: House, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.step_s = 1.0
    session = machine.session(idles_after(1))
    lease = LeaseRules(beat_every_s=60.0, ttl_s=600.0)
    session = Session(session.id, replace(session.deps, lease=lease), Limits(jobs=None))
    beats, beat = list[float](), session.deps.store.beat

    def heard(name: str) -> None:
        beats.append(machine.time.now_s)
        beat(name)

    monkeypatch.setattr(session.deps.store, "beat", heard, raising=False)
    held_at_s: list[float] = []

    def hold(session: Session, number: int) -> None:
        if not held_at_s and session.job and session.job.committer.has_saved and machine.time.now_s - beats[-1] == 1:
            held_at_s.append(machine.time.now_s)
            house.queue.transact(lambda tx: control(tx, "tiny/a", "hold", who="ada@laptop", now_s=1.0))

    machine.run(session, meddle=hold)
    assert session.ending is SessionEnd.WITHDRAWN
    assert machine.time.now_s - held_at_s[0] <= 52


def test_a_held_job_is_none_of_those_that_were_asked_for(house: House, machine: Machine) -> None:
    enqueue(house, "b", epochs=3)
    session = machine.session(trains(), finishes(), limits=Limits(jobs=1))

    def hold(session: Session, number: int) -> None:
        if number == 25 and session.job:
            name = session.job.name
            house.queue.transact(lambda tx: control(tx, name, "hold", who="ada@laptop", now_s=1.0))

    machine.run(session, meddle=hold)
    assert "done" in states(house).values()
    assert session.ending is SessionEnd.FINISHED
