"""What `why` and the day's one screen say where several people share a queue."""

from dataclasses import replace

import pytest

from qcqueue.app.context import QueueContext
from qcqueue.app.explain import Answer, explain
from qcqueue.app.plan import make_plan
from qcqueue.app.queue_summary import QueueView, ranked, see, summary_of
from qcqueue.app.settings import Settings
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.rules import settle
from tests.cli.queues import House, a_job, take

ADA, BOB = "ada@example.org", "bob@example.org"


@pytest.fixture
def place(house: House) -> QueueContext:
    return house.queue


def put(place: QueueContext, owner: str | None, *names: str) -> None:
    specs = [a_job(name, seed=number) for number, name in enumerate(names)]
    place.transact(lambda tx: enqueue(tx, specs, attached={}, owner=owner, who="user", now_s=place.clock.now_s()))


def settled(place: QueueContext, name: str, value: str) -> None:
    place.transact(lambda tx: settle(tx, name, value, who="user", now_s=1.0))


def seen_by(place: QueueContext, owner: str | None, *, profile: str = "local") -> QueueView:
    settings = Settings(store=None, cache=place.cache, source="a test", config=place.cache, profile=profile)
    return see(replace(place, owner=lambda: owner), settings)


def asked(place: QueueContext, name: str, owner: str | None = None, *, profile: str = "local") -> Answer:
    with place.read() as tx:
        detail = job_detail(tx, f"tiny/{name}")
    return explain(detail, seen_by(place, owner, profile=profile))


def test_a_job_of_another_is_said_to_wait_for_its_owner_where_one_computes_for_oneself(place: QueueContext) -> None:
    put(place, ADA, "a1")
    put(place, BOB, "b1")
    answer = asked(place, "a1", BOB, profile="kaggle")
    assert f"it is owned by {ADA}, and on kaggle a session takes only its owner's jobs" in answer.why
    assert answer.hint == f"qcqueue work, in a session of {ADA}, or on a machine with another profile"
    assert "it is the next one a session will take" in asked(place, "b1", BOB, profile="kaggle").why
    summary = summary_of(seen_by(place, BOB, profile="kaggle"))
    assert summary.next
    assert summary.next.job.name == "tiny/b1"


def test_elsewhere_and_for_whoever_is_nobody_all_jobs_are_in_one_order(place: QueueContext) -> None:
    put(place, ADA, "a1")
    put(place, BOB, "b1")
    assert "1 job will be taken before it" in asked(place, "b1", BOB).why
    assert "1 job will be taken before it" in asked(place, "b1", None, profile="kaggle").why


def test_a_job_whose_owner_has_enough_running_says_so(place: QueueContext) -> None:
    put(place, ADA, "a1", "a2")
    put(place, BOB, "b1")
    settled(place, "max_running", "1")
    place.store.beat(take(place, "tiny/a1").session_id)
    answer = asked(place, "a2")
    assert f"{ADA} has 1 job running, as many as the queue lets an owner have" in answer.why
    assert answer.hint == "qcqueue status, or qcqueue store set max_running 2"
    assert "it is the next one" in asked(place, "b1").why


def test_the_place_of_a_session_that_is_gone_does_not_count(place: QueueContext) -> None:
    put(place, ADA, "a1", "a2")
    settled(place, "max_running", "1")
    take(place, "tiny/a1")
    seen = seen_by(place, None)
    later = replace(seen, gone={line.session or "": 0.0 for line in seen.lines if line.session})
    assert seen.crowded == {ADA: 1}
    lines = tuple(replace(line, state="queued", session=None) for line in later.lines)  # type: ignore[arg-type]
    assert replace(later, lines=lines).crowded == {}


def test_under_the_fair_policy_the_order_of_jobs_is_that_of_the_turns(place: QueueContext) -> None:
    put(place, ADA, "a1", "a2", "a3")
    put(place, BOB, "b1", "b2")
    settled(place, "policy", "fair")
    order = [choice.job.name for choice in ranked(seen_by(place, None))]
    assert order == ["tiny/a1", "tiny/b1", "tiny/a2", "tiny/b2", "tiny/a3"]
    assert "first tiny/a1: the shortest, about " in asked(place, "b2").why
    assert f"and it is the turn of {ADA}" in asked(place, "b2").why


def test_a_plan_foresees_by_the_policy_of_the_queue(place: QueueContext) -> None:
    put(place, ADA, "a1", "a2", "a3", "a4")
    put(place, BOB, "b1")

    def done_s(owner: str) -> float:
        found = make_plan(seen_by(place, None), jobs=1).forecast.owners[owner]
        return found.p50_s

    last_of_all = done_s(BOB)
    settled(place, "policy", "fair")
    assert done_s(BOB) < last_of_all, "his one job has the second turn, and not the last"


def test_a_plan_of_ones_own_jobs_counts_on_those_of_others_in_between(place: QueueContext) -> None:
    put(place, ADA, "a1", "a2")
    put(place, BOB, "b1")
    seen = seen_by(place, None)
    whole, his = make_plan(seen, jobs=1), make_plan(seen, jobs=1, owner=BOB)
    assert [row.job.name for row in his.rows] == ["tiny/b1"]
    assert his.finish == whole.forecast.owners[BOB] == whole.forecast.jobs["tiny/b1"]
    assert (his.sessions_of_two, his.beside) == (None, None)
    assert whole.finish == whole.forecast.all
