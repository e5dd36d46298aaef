"""How an attempt ends: finished, stopped, interrupted or failed; each leaves its line in the story."""

import pytest

from qcqueue.core.outcomes import Cause, Outcome, Trouble
from qcqueue.core.states import State
from qcqueue.queue.attempts import fail, finish, interrupt, stop
from qcqueue.queue.blobs import needed_blobs
from tests.queue.desk import PREDICTIONS, Desk, result


def test_a_finished_job_is_done_and_has_its_result(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim()
    desk.train(held, 0.5)
    desk.do(finish, held, result(), PREDICTIONS)
    detail = desk.detail("a")
    assert (detail.line.state, detail.attempts[0].outcome) == (State.DONE, Outcome.FINISHED)
    assert (detail.result, detail.predictions_sha256) == (result(), PREDICTIONS.sha256)
    assert PREDICTIONS in [it.blob for it in desk.ask(needed_blobs)]
    assert detail.history[-1].why == "validation accuracy 0.750 at its best epoch 1"


def test_a_job_that_is_not_done_has_no_result(desk: Desk) -> None:
    desk.enqueue("a")
    desk.train(desk.must_claim(), 0.5)
    assert (desk.detail("a").result, desk.detail("a").predictions_sha256) == (None, None)


def test_a_stopped_job_is_queued_again_in_its_place(desk: Desk) -> None:
    desk.enqueue("a", "b")
    desk.do(stop, desk.must_claim(), why="reached its limit")
    assert desk.names() == ["a", "b"]
    line = desk.line("a")
    assert (line.state, line.attempts, line.interruptions) == (State.QUEUED, 1, 0)
    assert desk.detail("a").attempts[0].outcome is Outcome.STOPPED


def test_an_interrupted_job_is_queued_again_and_the_interruption_counted(desk: Desk) -> None:
    desk.enqueue("a")
    desk.do(interrupt, desk.must_claim(), why="the trainer vanished")
    line = desk.line("a")
    assert (line.state, line.attempts, line.interruptions, line.failure_cause) == (State.QUEUED, 1, 1, None)


@pytest.mark.parametrize("cause", Cause)
def test_a_failed_job_has_its_cause_and_a_sentence(desk: Desk, cause: Cause) -> None:
    desk.enqueue("a")
    desk.do(fail, desk.must_claim(), cause, "what happened")
    line = desk.line("a")
    assert (line.state, line.failure_cause, line.failure_message) == (State.FAILED, cause, "what happened")
    assert desk.detail("a").attempts[0].outcome is Outcome.FAILED
    assert desk.claim() is None


def test_the_story_of_a_job_is_told_in_order(desk: Desk) -> None:
    desk.enqueue("a")
    desk.do(interrupt, desk.must_claim("s1"), why="vanished")
    desk.control("hold", "a")
    desk.control("release", "a")
    held = desk.must_claim("s2")
    desk.do(finish, held, result(), PREDICTIONS)
    told = [(line.who, line.what, line.attempt) for line in desk.detail("a").history]
    assert told == [
        ("user", "enqueued", None),
        ("s1", "claimed", 1),
        ("s1", "interrupted", 1),
        ("user", "held", None),
        ("user", "released", None),
        ("s2", "claimed", 2),
        ("s2", "finished", 2),
    ]
    times = [line.at_s for line in desk.detail("a").history]
    assert times == sorted(times)


@pytest.mark.parametrize("trouble", Trouble)
def test_a_trouble_stands_on_its_attempt_and_in_the_story(desk: Desk, trouble: Trouble) -> None:
    desk.enqueue("a")
    assert desk.do(interrupt, desk.must_claim(), why="no room", trouble=trouble) is Outcome.INTERRUPTED
    detail = desk.detail("a")
    assert (detail.line.state, detail.attempts[0].trouble, detail.attempts[0].reason) == (
        State.QUEUED,
        trouble,
        "no room",
    )
    assert detail.history[-1].why == f"{trouble}: no room"


def test_a_trouble_that_only_a_newer_qcqueue_knows_is_passed_over(desk: Desk) -> None:
    desk.enqueue("a")
    desk.do(interrupt, desk.must_claim(), why="the moon", trouble=Trouble.DISK)
    desk.sql("UPDATE attempts SET trouble = 'the moon'")
    assert desk.detail("a").attempts[0].trouble is None


def test_a_fault_that_came_in_another_session_too_fails_the_job_once_and_for_all(desk: Desk) -> None:
    desk.enqueue("a")
    unexplained = {"why": "KeyError", "trouble": Trouble.UNEXPLAINED}
    assert desk.do(interrupt, desk.must_claim("s1"), **unexplained) is Outcome.INTERRUPTED
    held = desk.must_claim("s2")
    assert desk.do(interrupt, held, **unexplained) is Outcome.FAILED
    before = desk.digest()
    assert desk.do(interrupt, held, **unexplained) is Outcome.FAILED  # its answer was lost
    assert desk.digest() == before
    line = desk.line("a")
    assert (line.state, line.failure_cause) == (State.FAILED, Cause.CODE_ERROR)
    assert line.failure_message == "KeyError; it ended so in 2 sessions"
