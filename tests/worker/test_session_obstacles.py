"""What keeps jobs from running on a machine: the session says it in one sentence, and the queue remembers it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qcqueue.core.obstacles import Lack, grouped
from qcqueue.core.outcomes import SessionEnd, Trouble
from qcqueue.errors import DiskFull, OutcomeUnknown, StoreAway
from qcqueue.queue.controls import control
from qcqueue.queue.enqueue import enqueue as put_in
from qcqueue.queue.job_lines import JobLine, job_lines
from qcqueue.queue.obstacles import KnownObstacle
from qcqueue.spool.weights import FoundWeights, WantedWeights
from qcqueue.worker.budget import Limits
from qcqueue.worker.progress_text import ending_lines, next_step
from qcqueue.worker.session import Session
from tests.cli.queues import House, a_job, an_empty_house, put
from tests.worker.machines import Machine, detail, enqueue, fails, finishes, moods, states, trains

SIX = ("a", "b", "c", "d", "e", "f")
AWAY = "the ImageNet weights of VGG16 could not be downloaded (the network is away)"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return an_empty_house(tmp_path / "house")


@pytest.fixture
def machine(house: House) -> Machine:
    return Machine(house=house, name="m1")


def lines(house: House) -> dict[str, JobLine]:
    with house.queue.read() as tx:
        return {line.name: line for line in job_lines(tx)}


def known(house: House, name: str) -> KnownObstacle | None:
    return lines(house)[f"tiny/{name}"].obstacle


def waits_written(house: House, name: str) -> list[str]:
    return [line.what for line in detail(house, name).history if line.what.startswith("waits for ")]


def without_weights(session: Session, *, have: tuple[str, ...] = ()) -> Session:
    """Let a session's machine have the ImageNet weights of these models only."""

    def check(wanted: WantedWeights) -> FoundWeights:
        return FoundWeights(path=Path("w.h5")) if wanted.model in have else FoundWeights(obstacle=AWAY)

    return changed(session, check_weights=check)


def changed(session: Session, **deps: Any) -> Session:
    return Session(session.id, replace(session.deps, **deps), session.budget.limits)


def six_without_weights(house: House, machine: Machine) -> Session:
    enqueue(house, *SIX, weights="imagenet")
    return machine.run(without_weights(machine.session(finishes())))


def test_six_jobs_without_weights_cannot_start_and_one_clause_says_so(house: House, machine: Machine) -> None:
    session = six_without_weights(house, machine)
    assert session.ending is SessionEnd.CANNOT_START
    assert session.ending.exit_code == 8
    said = "6 wait for ImageNet weights, which cannot be had here (tiny/a and 5 more)"
    assert [*ending_lines(session)] == grouped(session.obstacles) == [said]
    assert next_step(session) == Lack.WEIGHTS.advice
    assert {*states(house).values()} == {"queued"}
    assert [len(detail(house, name).attempts) for name in SIX] == [0] * 6


def test_the_queue_remembers_what_was_missing_where_and_since_when(house: House, machine: Machine) -> None:
    came_s = machine.session(finishes()).deps.clock.now_s()
    six_without_weights(house, machine)
    for name in SIX:
        obstacle = known(house, name)
        assert obstacle
        assert (obstacle.kind, obstacle.says, obstacle.host) == (Lack.WEIGHTS, AWAY, "m1")
        assert obstacle.since_s == pytest.approx(came_s, abs=60)


def test_the_same_found_again_writes_nothing_and_is_known_since_the_first_time(house: House, machine: Machine) -> None:
    six_without_weights(house, machine)
    first = known(house, "a")
    machine.time.now_s += 86_400
    again = machine.run(without_weights(machine.session(finishes())))
    assert again.ending is SessionEnd.CANNOT_START
    assert known(house, "a") == first
    assert waits_written(house, "a") == ["waits for weights"]


def test_another_machine_that_cannot_either_is_told_of_and_alternating_writes_no_more(
    house: House, machine: Machine
) -> None:
    six_without_weights(house, machine)
    other = Machine(house=house, name="m2")
    for _ in range(2):
        other.run(without_weights(other.session(finishes())))
        machine.run(without_weights(machine.session(finishes())))
    obstacle = known(house, "a")
    assert obstacle
    assert obstacle.host == "m2"
    assert waits_written(house, "a") == ["waits for weights"] * 2


def test_an_obstacle_is_gone_once_another_machine_takes_the_job(house: House, machine: Machine) -> None:
    six_without_weights(house, machine)
    Machine(house=house, name="m2").works(finishes(), limits=Limits(jobs=1))
    assert states(house)["a"] == "done"
    assert known(house, "a") is None
    assert known(house, "b")


def test_a_job_that_was_begun_elsewhere_and_interrupted_has_no_obstacle_of_before(
    house: House, machine: Machine
) -> None:
    enqueue(house, "a", weights="imagenet", epochs=9)
    machine.run(without_weights(machine.session(finishes())))
    Machine(house=house, name="m2").works(trains(1), limits=Limits(max_epochs=1))
    assert states(house) == {"a": "queued"}
    assert known(house, "a") is None


@pytest.mark.parametrize("typed", [("hold", "release"), ("cancel", "retry")])
def test_a_person_who_brings_a_job_back_starts_anew(house: House, machine: Machine, typed: tuple[str, str]) -> None:
    six_without_weights(house, machine)
    for action in typed:
        house.queue.transact(lambda tx, action=action: control(tx, "tiny/a", action, who="ada", now_s=1.0))  # type: ignore[misc]
    assert known(house, "a") is None
    assert known(house, "b")


def test_a_job_that_is_replaced_by_one_with_a_weights_file_has_none_and_is_trained(
    house: House, machine: Machine
) -> None:
    enqueue(house, "a", weights="imagenet")
    assert machine.run(without_weights(machine.session(finishes()))).ending is SessionEnd.CANNOT_START
    spec = a_job("a", seed=1, weights="none")
    house.queue.transact(lambda tx: put_in(tx, [spec], attached={}, replace=True, who="ada", now_s=1.0))
    assert known(house, "a") is None
    assert machine.run(without_weights(machine.session(finishes()))).ending is SessionEnd.FINISHED
    assert states(house) == {"a": "done"}


# Its siblings: a GPU, TensorFlow, the disk; and one that can.


def test_jobs_for_a_gpu_cannot_start_where_none_is(house: House, machine: Machine) -> None:
    enqueue(house, *SIX, device="gpu")
    session = machine.works(finishes())
    assert session.ending is SessionEnd.CANNOT_START
    assert [*ending_lines(session)] == ["6 wait for a GPU, which this machine has not (tiny/a and 5 more)"]
    assert next_step(session) == Lack.GPU.advice
    obstacle = known(house, "f")
    assert obstacle
    assert obstacle.kind is Lack.GPU


def test_jobs_cannot_start_where_tensorflow_is_not_installed_and_those_without_it_can(
    house: House, machine: Machine
) -> None:
    enqueue(house, *SIX)
    bare = frozenset({"keras_tf"})
    session = machine.run(changed(machine.session(finishes()), not_installed=bare))
    assert session.ending is SessionEnd.CANNOT_START
    assert "TensorFlow, which is not installed here" in next(ending_lines(session))
    put(house.queue, a_job("toy", model="Toy", seed=7))
    session = machine.run(changed(machine.session(finishes()), not_installed=bare))
    assert session.ending is SessionEnd.FINISHED
    assert states(house)["toy"] == "done"


def test_a_disk_without_room_is_remembered_by_the_attempts_it_ended(house: House, machine: Machine) -> None:
    enqueue(house, *SIX)
    session = machine.session(trains())
    store, _ = moods(session)
    store.mood, store.for_what = DiskFull("no room is left"), ("fetch",)
    assert machine.run(session).ending is SessionEnd.CANNOT_START
    found = {name: it for name in SIX if (it := known(house, name))}
    assert len(found) == 2
    for obstacle in found.values():
        assert (obstacle.kind, obstacle.says, obstacle.host) == (Trouble.DISK, "no room is left", "m1")
    assert machine.works(finishes()).ending is SessionEnd.FINISHED  # with room again
    assert not any(line.obstacle for line in lines(house).values())


def test_where_one_can_and_five_can_not_it_works_on_the_one_and_says_so(house: House, machine: Machine) -> None:
    enqueue(house, *SIX[:5], weights="imagenet", epochs=1)
    put(house.queue, a_job("late", seed=9, epochs=50, model="MobileNetV2", weights="imagenet"))
    session = machine.run(without_weights(machine.session(finishes()), have=("MobileNetV2",)))
    assert session.ending is SessionEnd.FINISHED
    assert states(house)["late"] == "done"
    assert [*ending_lines(session)] == ["5 wait for ImageNet weights, which cannot be had here (tiny/a and 4 more)"]
    assert all(known(house, name) for name in SIX[:5])


def test_what_was_passed_over_is_remembered_from_the_claim_on_though_the_session_vanishes(
    house: House, machine: Machine
) -> None:
    enqueue(house, "a", weights="imagenet", epochs=1)
    put(house.queue, a_job("late", seed=9, epochs=50, model="MobileNetV2", weights="imagenet"))
    session = without_weights(machine.session(trains()), have=("MobileNetV2",))
    while session.view() is None:
        assert session.step() is not None
    session.abandon()
    assert known(house, "a")


def test_jobs_that_lack_different_things_are_named_by_what_most_of_them_lack(house: House, machine: Machine) -> None:
    enqueue(house, "a", device="gpu")
    put(house.queue, *(a_job(name, seed=number, weights="imagenet") for number, name in enumerate("bc", 2)))
    session = machine.run(without_weights(machine.session(finishes())))
    assert [*ending_lines(session)] == [
        "tiny/b and tiny/c wait for ImageNet weights, which cannot be had here",
        'tiny/a cannot run here: its spec says device = "gpu" and this machine has none',
    ]
    assert next_step(session) == Lack.WEIGHTS.advice


def test_an_empty_queue_is_nothing_to_do(machine: Machine) -> None:
    assert machine.works(finishes()).ending is SessionEnd.NOTHING_TO_DO


@pytest.mark.parametrize("error", [StoreAway("it is away"), OutcomeUnknown("who knows")])
def test_a_store_that_does_not_answer_the_goodbye_leaves_it_plain_that_nothing_can_start(
    house: House, machine: Machine, error: Exception
) -> None:
    enqueue(house, *SIX, device="gpu")
    session = machine.session(finishes())
    _, database = moods(session)
    asked = 0

    def meddle(session: Session, number: int) -> None:
        nonlocal asked
        if type(session.state).__name__ == "Leave":
            database.mood = error
            asked += 1

    assert machine.run(session, meddle=meddle).ending is SessionEnd.CANNOT_START
    assert asked == 1
    assert known(house, "a") is None


def test_an_attempt_that_ended_in_trouble_counts_until_a_person_decides_anew(house: House, machine: Machine) -> None:
    enqueue(house, "a")
    machine.works(fails(Trouble.DRIVER))
    obstacle = known(house, "a")
    assert obstacle
    assert obstacle.missing == "the GPU or its driver"
    for action in ("hold", "release"):
        house.queue.transact(lambda tx, action=action: control(tx, "tiny/a", action, who="ada", now_s=1.0))  # type: ignore[misc]
    assert known(house, "a") is None
