"""A bad machine is not a bad job: what a session does where its machine or the store is in trouble."""

import signal
from pathlib import Path

import pytest

from qcqueue.core.obstacles import Obstacle
from qcqueue.core.outcomes import Cause, Outcome, SessionEnd, Trouble
from qcqueue.queue.controls import control
from qcqueue.worker.budget import Limits
from qcqueue.worker.trainer_exit import MOST_DEATHS
from tests.cli.queues import House, an_empty_house
from tests.worker.machines import (
    Machine,
    detail,
    enqueue,
    exits,
    fails,
    finishes,
    last,
    states,
    trains,
)

SIX = ("a", "b", "c", "d", "e", "f")
OF_THE_MACHINE = (Trouble.DISK, Trouble.LIBRARIES, Trouble.DRIVER, Trouble.UNEXPLAINED)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return an_empty_house(tmp_path / "house")


@pytest.fixture
def machine(house: House) -> Machine:
    return Machine(house=house, name="m1")


def another(house: House, name: str = "m2") -> Machine:
    return Machine(house=house, name=name)


@pytest.mark.parametrize("trouble", OF_THE_MACHINE)
def test_six_jobs_on_a_broken_machine_are_no_failure_and_it_stops_after_two(
    house: House, machine: Machine, trouble: Trouble
) -> None:
    enqueue(house, *SIX)
    session = machine.works(fails(trouble))
    assert session.ending is SessionEnd.CANNOT_START
    assert session.trouble is trouble
    assert {*states(house).values()} == {"queued"}
    assert [last(house, name).trouble for name in ("a", "b")] == [trouble, trouble]
    assert detail(house, "c").attempts == ()
    assert [*session.obstacles.values()] == [Obstacle("it is broken")] * 2
    assert last(house, "a").outcome is Outcome.INTERRUPTED


@pytest.mark.parametrize(
    ("code", "phase", "trouble"),
    [
        (1, None, Trouble.LIBRARIES),
        (1, "starting", Trouble.LIBRARIES),  # as soon as it has its folder, while its libraries still load
        (1, "loading", Trouble.UNEXPLAINED),
        (3, "loading", Trouble.DISK),
    ],
)
def test_a_trainer_that_ends_without_a_word_before_its_first_step_stops_the_session_after_two_jobs(
    house: House, machine: Machine, code: int, phase: str | None, trouble: Trouble
) -> None:
    enqueue(house, *SIX)
    assert machine.works(exits(code, phase=phase)).ending is SessionEnd.CANNOT_START
    assert {*states(house).values()} == {"queued"}
    assert last(house, "a").trouble is trouble
    assert "KeyError: 'kernel'" in str(last(house, "a").reason)


def test_one_job_that_cannot_start_here_is_passed_over_and_the_next_is_trained(house: House, machine: Machine) -> None:
    enqueue(house, "a", "b")
    session = machine.works(fails(Trouble.DRIVER), finishes(), limits=Limits(jobs=None))
    assert states(house) == {"a": "queued", "b": "done"}
    assert session.ending is SessionEnd.SET_ASIDE
    assert session.obstacles == {"tiny/a": Obstacle("it is broken")}


def test_a_job_that_was_passed_over_is_none_of_those_that_were_asked_for(house: House, machine: Machine) -> None:
    enqueue(house, "a", "b", "c")
    session = machine.works(fails(Trouble.DISK), finishes(), limits=Limits(jobs=1))
    assert states(house) == {"a": "queued", "b": "done", "c": "queued"}
    assert session.ending is SessionEnd.FINISHED


def test_where_it_is_the_only_job_no_job_can_start_here(house: House, machine: Machine) -> None:
    enqueue(house, "a")
    assert machine.works(fails(Trouble.LIBRARIES), limits=Limits()).ending is SessionEnd.CANNOT_START


def test_after_a_step_a_trouble_says_nothing_of_whether_jobs_can_start(house: House, machine: Machine) -> None:
    enqueue(house, *SIX)
    session = machine.works(fails(Trouble.DRIVER, phase="training"))
    assert session.ending is SessionEnd.SET_ASIDE
    assert {*states(house).values()} == {"queued"}
    assert {last(house, name).trouble for name in SIX} == {Trouble.DRIVER}


def test_a_job_that_trained_between_them_shows_that_the_machine_can(house: House, machine: Machine) -> None:
    enqueue(house, "a", "b", "c", "d")
    session = machine.works(fails(Trouble.DISK), finishes(), fails(Trouble.DISK), finishes())
    assert sorted(states(house).values()) == ["done", "done", "queued", "queued"]
    assert session.ending is SessionEnd.SET_ASIDE


def test_what_is_the_jobs_fails_it_as_ever_and_counts(house: House, machine: Machine) -> None:
    enqueue(house, "a", "b")
    assert machine.works(fails(Cause.NOT_FINITE), limits=Limits(jobs=1)).ending is SessionEnd.JOB_FAILED
    assert states(house) == {"a": "failed", "b": "queued"}
    assert (last(house, "a").outcome, last(house, "a").trouble) == (Outcome.FAILED, None)


# What nobody can explain.


def test_an_unexplained_fault_fails_a_job_where_it_came_on_two_machines(house: House, machine: Machine) -> None:
    enqueue(house, "a")
    machine.works(exits(1, phase="training"))
    assert states(house) == {"a": "queued"}
    session = another(house).works(exits(1, phase="training"))
    assert session.ending is SessionEnd.JOB_FAILED
    line = detail(house, "a").line
    assert line.failure_cause is Cause.CODE_ERROR
    assert str(line.failure_message).endswith("it ended so in 2 sessions")


def test_or_in_two_sessions_of_one_machine(house: House, machine: Machine) -> None:
    enqueue(house, "a")
    machine.works(exits(1, phase="training"))
    assert machine.works(exits(1, phase="training")).ending is SessionEnd.JOB_FAILED
    assert states(house) == {"a": "failed"}


@pytest.mark.parametrize("phase", ["loading", "training"])
def test_one_machine_cannot_fail_two_jobs(house: House, machine: Machine, phase: str) -> None:
    enqueue(house, *SIX)
    for _ in range(6):
        machine.works(exits(1, phase=phase))
    assert sorted(states(house).values()) == ["failed", *["queued"] * 5]
    assert another(house).works(finishes()).ending is SessionEnd.FINISHED
    assert sorted(states(house).values()) == [*["done"] * 5, "failed"]


def test_two_sessions_of_one_machine_at_once_cannot_fail_two_jobs_either(house: House, machine: Machine) -> None:
    enqueue(house, "a", "b")
    machine.works(exits(1, phase="training"))
    one, other = (machine.session(exits(1, phase="training")) for _ in range(2))
    for _ in range(500):  # step by step, each with a job of its own
        for session in (one, other):
            if session.ending is None:
                session.step()
    assert sorted(states(house).values()) == ["failed", "queued"]


def test_a_machine_that_has_finished_an_epoch_since_is_believed_again(house: House, machine: Machine) -> None:
    enqueue(house, "a", "b", "c")
    for _ in range(2):
        machine.works(exits(1, phase="training"))
    assert sorted(states(house).values()) == ["failed", "queued", "queued"]
    first = next(name for name, state in states(house).items() if state == "queued")
    machine.works(trains(1), limits=Limits(max_epochs=1))
    for _ in range(2):
        machine.works(exits(1, phase="training"))
    assert sorted(states(house).values()) == ["failed", "failed", "queued"], first


def test_an_epoch_that_was_saved_in_between_starts_the_counting_anew(house: House, machine: Machine) -> None:
    enqueue(house, "a", epochs=9)
    machine.works(exits(1, phase="training"))
    another(house).works(exits(1, after_epochs=1))
    assert states(house) == {"a": "queued"}
    another(house, "m3").works(exits(1, phase="training"))
    assert states(house) == {"a": "failed"}


@pytest.mark.parametrize("action", ["retry", "release"])
def test_a_persons_decision_starts_the_counting_anew(house: House, machine: Machine, action: str) -> None:
    enqueue(house, "a")
    machine.works(exits(1, phase="training"))
    if action == "retry":
        another(house).works(exits(1, phase="training"))
        assert states(house) == {"a": "failed"}
    for typed in ("retry",) if action == "retry" else ("hold", "release"):
        house.queue.transact(lambda tx, typed=typed: control(tx, "tiny/a", typed, who="ada", now_s=1.0))  # type: ignore[misc]
    another(house, "m3").works(exits(1, phase="training"))
    assert states(house) == {"a": "queued"}
    another(house, "m4").works(exits(1, phase="training"))
    assert states(house) == {"a": "failed"}


@pytest.mark.parametrize("trouble", [Trouble.DISK, Trouble.LIBRARIES, Trouble.DRIVER, Trouble.STORE])
def test_what_is_explained_by_a_machine_is_never_final_however_often_it_comes(house: House, trouble: Trouble) -> None:
    enqueue(house, "a")
    for number in range(4):
        another(house, f"m{number}").works(fails(trouble))
        another(house, f"m{number}").works(fails(trouble, phase="training"))
    assert states(house) == {"a": "queued"}


def test_a_trainer_that_vanishes_is_tried_again_and_then_it_is_the_machine(house: House, machine: Machine) -> None:
    enqueue(house, "a", "b")
    session = machine.session(*[exits(-11, phase="training")] * MOST_DEATHS, finishes())
    machine.run(session)
    assert states(house) == {"a": "queued", "b": "done"}
    assert [attempt.trouble for attempt in detail(house, "a").attempts] == [None, None, Trouble.UNEXPLAINED]
    assert "SIGSEGV" in str(last(house, "a").reason)


def test_deaths_of_one_job_are_not_those_of_another(house: House, machine: Machine) -> None:
    enqueue(house, "a", "b", epochs=9)
    machine.works(*[exits(-11, phase="training")] * MOST_DEATHS, exits(-11), trains(1), limits=Limits(max_epochs=1))
    assert last(house, "b").trouble is None


@pytest.mark.parametrize(
    ("number", "phase", "trouble"),
    [
        (signal.SIGILL, None, Trouble.LIBRARIES),
        (signal.SIGSEGV, "starting", Trouble.LIBRARIES),
        (signal.SIGKILL, "starting", Trouble.LIBRARIES),
        (signal.SIGBUS, "training", Trouble.DISK),
        (signal.SIGILL, "compiling", Trouble.LIBRARIES),
    ],
)
def test_a_signal_that_only_a_machine_sends_fails_no_job_however_often_it_comes(
    house: House, machine: Machine, number: signal.Signals, phase: str | None, trouble: Trouble
) -> None:
    enqueue(house, "a")
    for where in (machine, machine, another(house)):
        where.works(exits(-number, phase=phase))
        assert states(house) == {"a": "queued"}
        assert last(house, "a").trouble is trouble


# Memory.


def test_a_want_of_memory_is_the_machines_first_and_the_jobs_the_second_time(house: House, machine: Machine) -> None:
    enqueue(house, "a")

    def killed(session: object, number: int) -> None:
        machine.memory_kills = number

    machine.run(machine.session(exits(-9, phase="compiling")), meddle=killed)
    assert states(house) == {"a": "queued"}
    assert last(house, "a").trouble is Trouble.MEMORY
    session = machine.run(machine.session(exits(-9, phase="compiling")), meddle=killed)
    assert session.ending is SessionEnd.JOB_HELD
    assert states(house) == {"a": "held"}
    assert "a smaller batch_size" in detail(house, "a").history[-1].why

    house.queue.transact(lambda tx: control(tx, "tiny/a", "release", who="ada", now_s=1.0))
    machine.run(machine.session(exits(-9, phase="compiling")), meddle=killed)
    assert states(house) == {"a": "queued"}  # a person has chosen: it is counted anew


# What the store has lost.


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_a_dataset_that_the_store_has_lost_fails_no_job_and_the_next_is_trained(
    house: House, machine: Machine, how: str
) -> None:
    enqueue(house, "a")
    for path in (house.store / "blobs").iterdir():
        if how == "gone":
            path.unlink()
        else:
            path.write_bytes(b"rot")
    session = machine.works(finishes())
    assert session.ending is SessionEnd.SET_ASIDE
    assert states(house) == {"a": "queued"}
    assert (last(house, "a").outcome, last(house, "a").trouble) == (Outcome.STOPPED, Trouble.STORE)
    assert "the dataset qc-tiny cannot be had" in str(last(house, "a").reason)
    assert machine.works(finishes()).ending is SessionEnd.SET_ASIDE  # and so it is as often as it is tried
    assert states(house) == {"a": "queued"}
