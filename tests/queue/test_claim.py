"""Taking a job: in the order of the queue, with a number that only rises, from the newest checkpoint."""

import pytest
from sqlalchemy.exc import IntegrityError

from qcqueue.core.outcomes import Outcome
from qcqueue.core.states import State
from qcqueue.queue.attempts import interrupt, stop
from qcqueue.queue.claim import begin_session, candidates, claim, claim_held_by, end_session, live_attempts
from qcqueue.queue.controls import move
from qcqueue.queue.values import Pick
from tests.queue.desk import IMAGES, Desk, epoch_done, spec, state, within_epoch


def test_the_first_queued_job_is_taken(desk: Desk) -> None:
    desk.enqueue("a", "b")
    held = desk.must_claim("s1")
    assert (held.job_name, held.attempt, held.session_id) == ("study/a", 1, "s1")
    assert (held.spec, held.dataset, held.checkpoints) == (spec("a"), IMAGES, ())
    assert (desk.line("a").state, desk.line("a").session) == (State.RUNNING, "s1")


def test_a_running_job_is_nobody_elses(desk: Desk) -> None:
    desk.enqueue("a", "b")
    assert desk.must_claim("s1").job_name == "study/a"
    assert desk.must_claim("s2").job_name == "study/b"
    assert desk.claim("s3") is None


def test_an_empty_queue_gives_nothing_and_changes_nothing(desk: Desk) -> None:
    before = desk.digest()
    assert desk.claim() is None
    assert desk.digest() == before


def test_a_policy_that_wants_none_of_the_jobs_gets_none(desk: Desk) -> None:
    desk.enqueue("a")
    before = desk.digest()
    assert desk.do(claim, "s1", gone={}, choose=lambda jobs: None) is None
    assert desk.digest() == before


def test_a_policy_may_choose_any_of_the_queued_jobs(desk: Desk) -> None:
    desk.enqueue("a", "b", "c")
    assert desk.must_claim(job="b").job_name == "study/b"


def test_a_policy_cannot_take_a_job_that_is_running(desk: Desk) -> None:
    desk.enqueue("a")
    desk.must_claim("s1")
    before = desk.digest()
    with pytest.raises(IntegrityError):
        desk.claim("s2", job="a")
    assert desk.digest() == before


@pytest.mark.parametrize("action", ["hold", "cancel"])
def test_a_job_that_a_person_set_aside_is_not_offered(desk: Desk, action: str) -> None:
    desk.enqueue("a", "b")
    desk.control(action, "a")  # type: ignore[arg-type]
    assert desk.must_claim().job_name == "study/b"


@pytest.mark.parametrize(
    ("where", "other", "order"),
    [
        ("first", None, ["c", "a", "b", "d"]),
        ("last", None, ["a", "b", "d", "c"]),
        ("before", "b", ["a", "c", "b", "d"]),
        ("before", "study/d", ["a", "b", "c", "d"]),
    ],
)
def test_jobs_are_claimed_in_the_order_they_were_moved_to(
    desk: Desk, where: str, other: str | None, order: list[str]
) -> None:
    desk.enqueue("a", "b", "c", "d")
    desk.do(move, "c", where, other, who="user")
    assert desk.names() == order
    assert [desk.must_claim().job_name for _ in order] == [f"study/{name}" for name in order]


def test_candidates_carry_what_a_policy_may_ask(desk: Desk) -> None:
    desk.enqueue("a", "b")
    held = desk.must_claim()
    desk.train(held, 0.5, 0.4)
    desk.do(stop, held, why="limit")
    offered = {job.name: (job.epochs_done, job.attempts, job.spec) for job in desk.ask(candidates)}
    assert offered == {"study/a": (2, 1, spec("a")), "study/b": (0, 0, spec("b"))}


def test_candidates_may_include_jobs_whose_session_is_about_to_be_buried(desk: Desk) -> None:
    desk.enqueue("a", "b")
    desk.must_claim()
    assert [job.name for job in desk.ask(candidates)] == ["study/b"]
    assert [job.name for job in desk.ask(candidates, ["study/a"])] == ["study/a", "study/b"]


def test_attempt_numbers_only_rise_whoever_claims_and_however_attempts_end(desk: Desk) -> None:
    desk.enqueue("a")
    numbers = []
    for session, end in [("s1", stop), ("s2", interrupt), ("s1", stop), ("s3", interrupt)]:
        held = desk.must_claim(session)
        numbers.append(held.attempt)
        desk.do(end, held, why="over")
    assert numbers == [1, 2, 3, 4]


def test_a_vanished_session_is_buried_and_its_job_taken_in_one_transaction(desk: Desk) -> None:
    desk.enqueue("a")
    desk.must_claim("s1")
    held = desk.must_claim("s2", gone={("study/a", 1): "no heartbeat for 130 s"})
    assert held.attempt == 2
    first, second = desk.detail("a").attempts
    assert (first.outcome, first.reason) == (Outcome.INTERRUPTED, "no heartbeat for 130 s")
    assert (second.outcome, second.session_id) == (None, "s2")


def test_an_interruption_spends_nothing(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1")
    desk.train(held, 0.5, 0.4)
    for number in range(1, 12):
        held = desk.must_claim("s2", gone={("study/a", number): "gone"})
    line = desk.line("a")
    assert (line.state, line.attempts, line.interruptions) == (State.RUNNING, 12, 11)
    assert (line.epochs_done, line.failure_cause) == (2, None)
    assert held.checkpoints[0].record.epochs_done == 2


def test_a_burial_that_comes_too_late_changes_nothing(desk: Desk) -> None:
    desk.enqueue("a")
    desk.do(stop, desk.must_claim("s1"), why="limit")
    desk.must_claim("s2")
    before = desk.digest()
    assert desk.claim("s3", gone={("study/a", 1): "gone"}) is None
    assert desk.digest() == before


def test_a_session_is_buried_even_when_nothing_is_taken(desk: Desk) -> None:
    desk.enqueue("a")
    desk.must_claim("s1")
    desk.do(claim, "s2", gone={("study/a", 1): "gone"}, choose=lambda jobs: None)
    assert (desk.line("a").state, desk.line("a").session) == (State.QUEUED, None)


def test_a_claim_starts_from_the_newest_checkpoint_committed_before_it(desk: Desk) -> None:
    desk.enqueue("a")
    first = desk.must_claim()
    desk.train(first, 0.5, 0.4)
    desk.commit(first, within_epoch("study/a", (0.5, 0.4), 7))
    desk.do(stop, first, why="limit")
    offered = desk.must_claim().checkpoints
    assert [(it.record.epochs_done, it.record.partial.steps_done) for it in offered] == [(2, 7), (2, 0)]
    assert offered[0].best == (state("study/a", 2),)


def test_a_checkpoint_names_the_state_of_the_best_epoch_up_to_it(desk: Desk) -> None:
    desk.enqueue("a")
    first = desk.must_claim()
    desk.train(first, 0.5, 0.1, 0.4, 0.3)
    desk.do(stop, first, why="limit")
    offered = desk.must_claim().checkpoints
    assert [it.record.epochs_done for it in offered] == [4, 3]
    assert {it.best for it in offered} == {(state("study/a", 2),)}


def test_a_state_that_stands_twice_is_offered_where_it_is_furthest(desk: Desk) -> None:
    desk.enqueue("a")
    first = desk.must_claim()
    finished = epoch_done("study/a", (0.5,))
    trained = within_epoch("study/a", (), 10)
    same = type(trained)(state=finished.state, record=trained.record)
    desk.commit(first, same, finished)
    desk.do(stop, first, why="limit")
    (offered,) = desk.must_claim().checkpoints
    assert (offered.record.epochs_done, offered.state) == (1, finished.state)


def test_live_attempts_tell_who_holds_what(desk: Desk) -> None:
    desk.enqueue("a", "b")
    desk.do(stop, desk.must_claim("s1"), why="limit")
    desk.must_claim("s2", job="b")
    (live,) = desk.ask(live_attempts)
    assert (live.job_name, live.number, live.session_id, live.machine) == ("study/b", 1, "s2", "m-s2")


def test_a_session_that_never_came_cannot_claim(desk: Desk) -> None:
    desk.enqueue("a")
    before = desk.digest()
    with pytest.raises(IntegrityError):
        desk.claim("stranger")
    assert desk.digest() == before


def test_a_session_comes_once_and_says_how_it_left(desk: Desk) -> None:
    desk.do(begin_session, "s9", machine="m", host="h", processor="p")
    before = desk.digest()
    desk.do(begin_session, "s9", machine="m", host="h", processor="p")
    assert desk.digest() == before
    desk.do(end_session, "s9", how="reached its limit")
    assert desk.sql("SELECT ended_at_s, ended_how FROM sessions WHERE id = 's9'") == [(3.0, "reached its limit")]


def test_who_was_not_told_of_a_claim_finds_what_it_holds_and_why_it_was_chosen(desk: Desk) -> None:
    desk.enqueue("a", "b")
    told = desk.do(claim, "s1", gone={}, choose=lambda jobs: Pick("study/b", why="the shortest"))
    assert told is not None
    assert told.why == "the shortest"
    assert desk.ask(claim_held_by, "s1") == told
