"""Whose jobs a session takes: where one may only compute for oneself, how many of an owner run, whose turn it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from qcqueue.core.outcomes import SessionEnd
from qcqueue.database.schema import attempts, jobs
from qcqueue.providers.base import Profile
from qcqueue.providers.registry import profile
from qcqueue.queue.controls import move
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.rules import settle
from qcqueue.worker.budget import Limits
from qcqueue.worker.progress_text import ending_lines
from qcqueue.worker.session import Session
from tests.cli.queues import House, a_job, an_empty_house, take
from tests.worker.machines import OWN, Machine, detail, finishes, states

ADA, BOB = "ada@example.org", "bob@example.org"
COLAB = replace(OWN, name="colab-free", own_work_only=True)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return an_empty_house(tmp_path / "house")


@pytest.fixture
def machine(house: House) -> Machine:
    return Machine(house=house, name="m1")


def put(house: House, owner: str | None, *names: str, **changes: Any) -> None:
    place, specs = house.queue, [a_job(name, **changes) for name in names]
    place.transact(lambda tx: enqueue(tx, specs, attached={}, owner=owner, who=place.who, now_s=place.clock.now_s()))


def settled(house: House, name: str, value: str) -> None:
    house.queue.transact(lambda tx: settle(tx, name, value, who="user", now_s=1.0))


def works_as(machine: Machine, owner: str | None, *, profile: Profile = OWN, most: int | None = None) -> Session:
    limits = Limits(jobs=most)
    session = machine.session(finishes(), limits=limits, profile=profile)
    return machine.run(Session(session.id, replace(session.deps, owner=owner), limits))


def taken(house: House) -> list[str]:
    """Return the jobs in the order in which attempts began."""
    with house.queue.read() as tx:
        return [*tx.execute(select(jobs.c.name).join_from(attempts, jobs).order_by(attempts.c.id)).scalars()]


@pytest.mark.parametrize("name", ["colab-free", "kaggle"])
def test_on_colab_and_kaggle_one_may_only_compute_for_oneself(name: str) -> None:
    assert profile(name).own_work_only
    assert profile(name, f"[{name}.ceiling]\nhours = 9\n").own_work_only, "and one's own figures do not change that"


@pytest.mark.parametrize("name", ["colab-paid", "studio-lab", "slurm", "local"])
def test_elsewhere_a_session_takes_whatever_waits(name: str) -> None:
    assert not profile(name).own_work_only


def test_a_session_there_takes_its_owners_jobs_and_anybodys_and_says_why_no_others(
    house: House, machine: Machine
) -> None:
    put(house, ADA, "a1", "a2", "a3")
    put(house, BOB, "b1")
    put(house, None, "free")
    session = works_as(machine, BOB, profile=COLAB)
    assert states(house) == {"a1": "queued", "a2": "queued", "a3": "queued", "b1": "done", "free": "done"}
    assert session.ending is SessionEnd.FINISHED
    again = works_as(machine, BOB, profile=COLAB)
    assert (again.ending, again.ending and again.ending.exit_code) == (SessionEnd.NOTHING_TO_DO, 7)
    assert [*ending_lines(again)] == [
        f"tiny/a1 and 2 more cannot run here: owned by {ADA}, and on colab-free a session takes only its owner's jobs"
    ]
    assert {line.what for line in detail(house, "a1").history} == {"enqueued"}, "it is no lack of the machine"


def test_a_session_without_an_owner_there_takes_only_what_has_none(house: House, machine: Machine) -> None:
    put(house, ADA, "a1")
    put(house, None, "free")
    works_as(machine, None, profile=COLAB)
    assert states(house) == {"a1": "queued", "free": "done"}
    (said,) = ending_lines(works_as(machine, None, profile=COLAB))
    assert said.endswith("QCQUEUE_OWNER says whose this one is, and is not set")


def test_elsewhere_a_session_takes_the_jobs_of_all(house: House, machine: Machine) -> None:
    put(house, ADA, "a1")
    put(house, BOB, "b1")
    works_as(machine, BOB)
    assert {*states(house).values()} == {"done"}


def test_a_job_of_another_that_is_moved_to_the_front_is_passed_over_there(house: House, machine: Machine) -> None:
    put(house, BOB, "b1")
    put(house, ADA, "a1")
    house.queue.transact(lambda tx: move(tx, "a1", "first", None, who="user", now_s=1.0))
    works_as(machine, BOB, profile=COLAB)
    assert states(house) == {"a1": "queued", "b1": "done"}


def test_of_an_owner_with_enough_running_no_more_is_taken_and_it_is_said(house: House, machine: Machine) -> None:
    put(house, ADA, "a1", "a2", "a3")
    put(house, BOB, "b1")
    settled(house, "max_running", "1")
    held = take(house.queue, "tiny/a1")
    house.queue.store.beat(held.session_id)
    session = works_as(machine, None)
    assert states(house) == {"a1": "running", "a2": "queued", "a3": "queued", "b1": "done"}
    again = works_as(machine, None)
    assert again.ending is SessionEnd.NOTHING_TO_DO
    said = f"tiny/a2 and tiny/a3 cannot run here: {ADA} has 1 job running, as many as the queue lets an owner have"
    assert said in [*ending_lines(again)]
    assert session.ending is SessionEnd.FINISHED


def test_the_place_of_a_session_that_vanished_is_free_for_the_next(house: House, machine: Machine) -> None:
    put(house, ADA, "a1", "a2")
    settled(house, "max_running", "1")
    take(house.queue, "tiny/a1")  # of a session without a heartbeat
    works_as(machine, None)
    assert states(house) == {"a1": "done", "a2": "done"}


def test_under_the_fair_policy_owners_take_turns_job_by_job(house: House, machine: Machine) -> None:
    put(house, ADA, "a1", "a2", "a3", "a4", "a5")
    put(house, BOB, "b1", "b2")
    settled(house, "policy", "fair")
    for _ in range(7):
        works_as(machine, None, most=1)
    assert [name[5] for name in taken(house)] == ["a", "b", "a", "b", "a", "a", "a"]
    assert any(f"and it is the turn of {BOB}" in said for said in machine.said)


def test_under_the_fair_policy_what_was_cut_goes_on_at_the_next_turn_of_its_owner(
    house: House, machine: Machine
) -> None:
    put(house, ADA, "a1")
    put(house, BOB, "b1", "b2")
    settled(house, "policy", "fair")
    take(house.queue, "tiny/a1")  # by a session that vanishes
    for _ in range(2):
        works_as(machine, None, most=1)
    assert taken(house) == ["tiny/a1", "tiny/b1", "tiny/a1"]


def test_a_rule_that_is_settled_while_a_session_works_holds_from_its_next_job_on(
    house: House, machine: Machine
) -> None:
    put(house, ADA, "a1", "a2")
    put(house, BOB, "b1")

    def meddle(session: Session, number: int) -> None:
        if session.job and number < 1000 and not house.queue.transact(lambda tx: settled_already(tx)):
            settled(house, "policy", "fair")

    def settled_already(tx: Any) -> bool:
        return bool(tx.exec_driver_sql("SELECT count(*) FROM settings").scalar_one())

    machine.run(machine.session(finishes()), meddle=meddle)
    assert taken(house) == ["tiny/a1", "tiny/b1", "tiny/a2"]
