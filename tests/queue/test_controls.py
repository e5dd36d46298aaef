"""What a person may do to a job, from every state; and what everything else must find unchanged."""

from itertools import product

import pytest

from qcqueue.core.outcomes import Cause, Outcome
from qcqueue.core.states import State, next_state
from qcqueue.errors import IllegalTransition, UnknownName, UserError
from qcqueue.queue.attempts import fail, finish
from qcqueue.queue.controls import EVENTS, Control, move
from tests.queue.desk import PREDICTIONS, Desk, result

ACTIONS: tuple[Control, ...] = ("hold", "release", "cancel", "retry")


def bring_to(desk: Desk, state: State) -> None:
    """Enqueue the job `a` and bring it to `state` the way a queue gets there."""
    desk.enqueue("a")
    match state:
        case State.QUEUED:
            pass
        case State.HELD:
            desk.control("hold", "a")
        case State.CANCELLED:
            desk.control("cancel", "a")
        case State.RUNNING | State.DONE | State.FAILED:
            held = desk.must_claim()
            desk.train(held, 0.5)
            if state is State.DONE:
                desk.do(finish, held, result(), PREDICTIONS)
            if state is State.FAILED:
                desk.do(fail, held, Cause.NOT_FINITE, "the loss is no longer a number")


@pytest.mark.parametrize(("state", "action"), list(product(State, ACTIONS)))
def test_each_control_from_each_state_does_what_the_table_says(desk: Desk, state: State, action: Control) -> None:
    bring_to(desk, state)
    assert desk.line("a").state is state
    before, expected = desk.digest(), next_state(state, EVENTS[action])
    if expected is None:
        with pytest.raises(IllegalTransition, match=f"study/a is {state} and cannot be {EVENTS[action]}") as caught:
            desk.control(action, "a")
        assert caught.value.hint == "qcqueue why study/a"
        assert desk.digest() == before
    else:
        assert desk.control(action, "a") == ("study/a", expected)
        assert desk.line("a").state is expected
        assert desk.detail("a").history[-1].what == EVENTS[action]


def test_a_refusal_says_what_can_be_done_instead(desk: Desk) -> None:
    bring_to(desk, State.HELD)
    with pytest.raises(IllegalTransition, match="it can be changed with release or cancel"):
        desk.control("retry", "a")


@pytest.mark.parametrize("action", ["hold", "cancel"])
def test_taking_a_running_job_away_ends_its_attempt_as_stopped(desk: Desk, action: Control) -> None:
    bring_to(desk, State.RUNNING)
    desk.control(action, "a")
    (attempt,) = desk.detail("a").attempts
    assert (attempt.outcome, attempt.ended_at_s) == (Outcome.STOPPED, desk.now_s)
    assert attempt.reason is not None
    assert "by user" in attempt.reason
    assert desk.line("a").session is None


@pytest.mark.parametrize(("away", "back"), [("hold", "release"), ("cancel", "retry")])
def test_a_job_that_comes_back_goes_on_where_it_was(desk: Desk, away: Control, back: Control) -> None:
    bring_to(desk, State.RUNNING)
    desk.control(away, "a")
    desk.control(back, "a")
    held = desk.must_claim()
    assert held.attempt == 2
    assert held.checkpoints[0].record.epochs_done == 1
    assert desk.line("a").interruptions == 0


def test_a_retried_failure_is_queued_without_its_cause(desk: Desk) -> None:
    bring_to(desk, State.FAILED)
    assert desk.line("a").failure_cause is Cause.NOT_FINITE
    desk.control("retry", "a")
    line = desk.line("a")
    assert (line.state, line.failure_cause, line.failure_message) == (State.QUEUED, None, None)


def test_the_short_name_of_a_job_is_enough(desk: Desk) -> None:
    desk.enqueue("a")
    assert desk.control("hold", "a")[0] == "study/a"


@pytest.mark.parametrize("action", ACTIONS)
def test_an_unknown_job_changes_nothing(desk: Desk, action: Control) -> None:
    desk.enqueue("vgg16")
    before = desk.digest()
    with pytest.raises(UnknownName, match="did you mean study/vgg16"):
        desk.control(action, "vgg61")
    assert desk.digest() == before


def test_moving_tells_where_and_changes_nothing_but_the_order(desk: Desk) -> None:
    desk.enqueue("a", "b", "c")
    assert desk.do(move, "c", "before", "a", who="user") == "study/c"
    assert desk.names() == ["c", "a", "b"]
    assert desk.detail("c").history[-1].why == "before study/a"
    assert {desk.line(name).state for name in "abc"} == {State.QUEUED}


def test_a_job_can_be_moved_whatever_its_state(desk: Desk) -> None:
    desk.enqueue("b")
    bring_to(desk, State.HELD)
    desk.do(move, "a", "first", None, who="user")
    assert desk.names() == ["a", "b"]


def test_a_job_moved_to_where_it_is_stays(desk: Desk) -> None:
    desk.enqueue("a", "b")
    desk.do(move, "a", "first", None, who="user")
    desk.do(move, "b", "last", None, who="user")
    desk.do(move, "a", "before", "b", who="user")
    assert desk.names() == ["a", "b"]


@pytest.mark.parametrize(("name", "other"), [("a", "a"), ("a", "nothing"), ("nothing", "a")])
def test_a_move_that_makes_no_sense_changes_nothing(desk: Desk, name: str, other: str) -> None:
    desk.enqueue("a", "b")
    before = desk.digest()
    with pytest.raises(UserError):
        desk.do(move, name, "before", other, who="user")
    assert desk.digest() == before


def test_a_job_enqueued_after_a_move_stands_last(desk: Desk) -> None:
    desk.enqueue("a", "b")
    desk.do(move, "a", "last", None, who="user")
    desk.enqueue("c")
    assert desk.names() == ["b", "a", "c"]
