"""Who lost a job can change nothing of it: every write of an attempt that has ended is refused."""

import inspect
from collections.abc import Callable

import pytest

from qcqueue.core.outcomes import Cause
from qcqueue.errors import LeaseLost
from qcqueue.queue import attempts
from qcqueue.queue.attempts import check_live, fail, finish, hold, interrupt, stop
from qcqueue.queue.values import Claim
from tests.queue.desk import PREDICTIONS, Desk, epoch_done, result

WRITES: dict[str, Callable[[Desk, Claim], object]] = {
    "resume": lambda desk, held: desk.resume(held, None),
    "commit_progress": lambda desk, held: desk.commit(held, epoch_done(held.job_name, (0.5, 0.4))),
    "finish": lambda desk, held: desk.do(finish, held, result(), PREDICTIONS),
    "stop": lambda desk, held: desk.do(stop, held, why="limit"),
    "interrupt": lambda desk, held: desk.do(interrupt, held, why="the trainer vanished"),
    "hold": lambda desk, held: desk.do(hold, held, why="it needs more memory"),
    "fail": lambda desk, held: desk.do(fail, held, Cause.CODE_ERROR, "a fault"),
}

LOSSES: dict[str, Callable[[Desk, Claim], object]] = {
    "another session took over": lambda desk, held: desk.must_claim("s2", gone={("study/a", 1): "gone"}),
    "a person held it": lambda desk, held: desk.control("hold", "a"),
    "a person cancelled it": lambda desk, held: desk.control("cancel", "a"),
    "it was held and released": lambda desk, held: (desk.control("hold", "a"), desk.control("release", "a")),
    "it stopped itself": lambda desk, held: desk.do(stop, held, why="asked to"),
    "it finished": lambda desk, held: desk.do(finish, held, result(2), PREDICTIONS),
    "it failed": lambda desk, held: desk.do(fail, held, Cause.BAD_DATA, "torn image"),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_attempt_can_write_nothing(desk: Desk, loss: str, write: str) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1")
    desk.train(held, 0.5)
    LOSSES[loss](desk, held)
    before = desk.digest()
    with pytest.raises(LeaseLost, match="attempt 1 of study/a has ended") as caught:
        WRITES[write](desk, held)
    assert caught.value.hint == "qcqueue log study/a"
    assert desk.digest() == before


@pytest.mark.parametrize("write", ["finish", "stop", "interrupt", "hold", "fail"])
def test_an_end_whose_answer_was_lost_is_written_again_and_changes_nothing(desk: Desk, write: str) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1")
    desk.train(held, 0.5)
    WRITES[write](desk, held)
    before = desk.digest()
    WRITES[write](desk, held)
    assert desk.digest() == before


@pytest.mark.parametrize("write", WRITES)
def test_the_live_attempt_can_write_everything(desk: Desk, write: str) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1")
    desk.train(held, 0.5)
    before = desk.digest()
    WRITES[write](desk, held)
    assert desk.digest() != before


def test_every_function_that_takes_a_claim_is_in_the_list() -> None:
    takes_a_claim = {
        name
        for name, function in vars(attempts).items()
        if inspect.isfunction(function)
        and not name.startswith("_")
        and "held" in inspect.signature(function).parameters
    }
    # What the time of a lost attempt went into is not refused but left out: `test_queue_seconds`.
    assert takes_a_claim - {"check_live", "record_seconds"} == set(WRITES)


def test_the_refusal_says_how_the_attempt_ended(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1")
    desk.must_claim("s2", gone={("study/a", 1): "no heartbeat for 130 s"})
    with pytest.raises(LeaseLost, match="no heartbeat for 130 s"):
        desk.ask(check_live, held)


def test_a_lost_attempt_does_not_disturb_the_one_that_followed(desk: Desk) -> None:
    desk.enqueue("a")
    asleep = desk.must_claim("s1")
    awake = desk.must_claim("s2", gone={("study/a", 1): "gone"})
    for write in WRITES.values():
        with pytest.raises(LeaseLost):
            write(desk, asleep)
    desk.train(awake, 0.5, 0.4)
    desk.do(finish, awake, result(), PREDICTIONS)
    assert [line.attempt for line in desk.detail("a").official_epochs()] == [2, 2]
