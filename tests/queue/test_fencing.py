"""Who lost a job can change nothing of it: every write of an attempt that has ended is refused."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from qcqueue.core.outcomes import Cause, Trouble
from qcqueue.core.states import Event
from qcqueue.errors import CorruptionError, JobWithdrawn, LeaseLost, UnknownName
from qcqueue.queue import attempts
from qcqueue.queue.attempts import check_live, end, fail, finish, hold, interrupt, record_seconds, stop
from qcqueue.queue.claim import candidates, claim
from qcqueue.queue.numbers import numbers_known, raise_numbers
from qcqueue.queue.values import AttemptEnd, Claim
from tests.queue.desk import PREDICTIONS, Desk, epoch_done, result, spec

WRITES: dict[str, Callable[[Desk, Claim], object]] = {
    "resume": lambda desk, held: desk.resume(held, None),
    "commit_progress": lambda desk, held: desk.commit(held, epoch_done(held.job_name, (0.5, 0.4))),
    "finish": lambda desk, held: desk.do(finish, held, result(), PREDICTIONS),
    "stop": lambda desk, held: desk.do(stop, held, why="limit"),
    "interrupt": lambda desk, held: desk.do(interrupt, held, why="the trainer vanished"),
    "hold": lambda desk, held: desk.do(hold, held, why="it needs more memory"),
    "fail": lambda desk, held: desk.do(fail, held, Cause.CODE_ERROR, "a fault"),
    "end": lambda desk, held: desk.do(
        end, held, AttemptEnd(event=Event.INTERRUPTED, why="nobody knows", trouble=Trouble.UNEXPLAINED)
    ),
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


@pytest.mark.parametrize("write", ["finish", "stop", "interrupt", "hold", "fail", "end"])
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


def put_in_again(desk: Desk, **changes: Any) -> None:
    """Remove the job and put in one of its name, which gets its row id."""
    removed = desk.remove("a")
    desk.enqueue(spec("a", **changes))
    assert desk.sql("SELECT id FROM jobs WHERE name = 'study/a'") == [(removed,)]


def put_back(desk: Desk) -> None:
    """Put the queue back to before the claim, as `store adopt` leaves it: numbers go on from those that were known."""
    known = desk.ask(numbers_known)
    desk.sql("DELETE FROM history WHERE what = 'claimed'")
    for table in ("packs", "checkpoints", "epochs", "attempts", "numbers"):
        desk.sql(f"DELETE FROM {table}")
    desk.sql("UPDATE jobs SET state = 'queued'")
    desk.database.transact(lambda tx: raise_numbers(tx, known))


def taken(desk: Desk) -> None:
    desk.train(desk.must_claim("s2"), 0.7)


def forget_the_numbers(desk: Desk) -> None:
    desk.sql("DELETE FROM numbers")


REMOVED = "study/a is not in the queue any more"
ANOTHERS = "not this session's any more: the job was put in anew, or the queue was put back from a copy"

# What may happen to a job while a session is asleep, one after the other, and what the session is told when it wakes.
SLEEPS: dict[str, tuple[tuple[Callable[[Desk], object], ...], str]] = {
    "its job was removed": ((lambda desk: desk.remove("a"),), REMOVED),
    "its job was removed and put in again": ((put_in_again,), ANOTHERS),
    "its job was removed, put in again and trained by another": ((put_in_again, taken), ANOTHERS),
    "its job was replaced": ((lambda desk: put_in_again(desk, seed=2),), ANOTHERS),
    "its job was replaced and trained by another": ((lambda desk: put_in_again(desk, seed=2), taken), ANOTHERS),
    "its queue was put back from a copy": ((put_back,), ANOTHERS),
    "its queue was put back from a copy and its job taken": ((put_back, taken), ANOTHERS),
    "another session has its number": ((put_in_again, forget_the_numbers, taken), ANOTHERS),
}


def sleep_through(desk: Desk, sleep: str) -> str:
    happens, says = SLEEPS[sleep]
    for it in happens:
        it(desk)
    return says


@pytest.mark.parametrize("write", [*WRITES, "check_live"])
@pytest.mark.parametrize("sleep", SLEEPS)
def test_a_session_that_was_asleep_across_it_can_write_nothing(desk: Desk, sleep: str, write: str) -> None:
    desk.enqueue("a")
    asleep = desk.must_claim("s1")
    desk.train(asleep, 0.5)
    says = sleep_through(desk, sleep)
    before = desk.digest()
    with pytest.raises(LeaseLost, match=says):
        WRITES[write](desk, asleep) if write in WRITES else desk.ask(check_live, asleep)
    desk.database.transact(lambda tx: record_seconds(tx, asleep, attempt={"train": 9.0}, session={}, seen_at_s=99.0))
    assert desk.digest() == before


@pytest.mark.parametrize("sleep", [sleep for sleep in SLEEPS if sleep != "another session has its number"])
def test_who_buries_an_attempt_that_is_not_there_any_more_buries_no_other(desk: Desk, sleep: str) -> None:
    desk.enqueue("a")
    desk.must_claim("s1")
    sleep_through(desk, sleep)
    before = desk.digest()
    desk.do(claim, "s3", gone={("study/a", 1): "gone"}, choose=lambda jobs: None)
    assert desk.digest() == before


def test_numbers_go_on_where_a_job_is_removed_and_comes_again_and_attempts_are_counted_anew(desk: Desk) -> None:
    desk.enqueue("a", "b")
    for _ in range(3):
        desk.do(stop, desk.must_claim("s1", job="a"), why="limit")
    assert [line.number for line in desk.detail("a").attempts] == [1, 2, 3]
    desk.remove("a")
    desk.enqueue("a")
    assert desk.line("a").attempts == 0
    assert desk.must_claim("s1", job="a").attempt == 4
    assert (desk.line("a").attempts, desk.line("a").interruptions) == (1, 0)
    [job] = [job for job in desk.ask(candidates, ["study/a"]) if job.name == "study/a"]
    assert job.attempts == 1
    assert desk.must_claim("s2", job="b").attempt == 1, "each name has numbers of its own"


def test_numbers_go_on_above_those_of_a_queue_that_was_given_up(desk: Desk) -> None:
    desk.enqueue("a")
    desk.do(stop, desk.must_claim("s1"), why="limit")
    desk.database.transact(lambda tx: raise_numbers(tx, {"study/a": 7, "study/removed": 2}))
    desk.database.transact(lambda tx: raise_numbers(tx, {"study/a": 3}))
    assert desk.ask(numbers_known) == {"study/a": 7, "study/removed": 2}
    assert desk.must_claim("s1").attempt == 8
    assert desk.ask(numbers_known)["study/a"] == 8


def test_a_queue_whose_numbers_are_not_known_goes_on_from_its_attempts(desk: Desk) -> None:
    desk.enqueue("a")
    for _ in range(2):
        desk.do(stop, desk.must_claim("s1"), why="limit")
    desk.sql("DELETE FROM numbers")
    assert desk.ask(numbers_known) == {"study/a": 2}
    assert desk.must_claim("s1").attempt == 3


@pytest.mark.parametrize("desk", ["in a file"], indirect=True)
@pytest.mark.parametrize(("number", "said"), [(2**63 - 1, "a number that is too large"), (-5, "a number below 0")])
def test_a_number_that_has_rotted_is_told_in_words(desk: Desk, number: int, said: str) -> None:
    desk.enqueue("a")
    desk.do(stop, desk.must_claim("s1"), why="limit")
    desk.sql("PRAGMA ignore_check_constraints = ON")
    desk.sql("UPDATE numbers SET highest = ?", number)
    desk.sql("UPDATE attempts SET number = ?", number)
    with pytest.raises(CorruptionError, match=f"the queue is damaged: numbers.highest holds {said}, not") as caught:
        desk.claim("s1")
    assert caught.value.hint == "qcqueue store verify"


def test_an_id_that_has_rotted_is_told_in_words(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1")
    desk.train(held, 0.5)
    desk.sql("UPDATE epochs SET id = ?", 2**63 - 1)
    with pytest.raises(CorruptionError, match=r"the queue is damaged: epochs.id holds a number"):
        desk.train(held, 0.4, after=(0.5,))


def test_a_queue_that_has_lost_writes_takes_no_more_of_the_session_that_made_them(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1")
    desk.train(held, 0.5, 0.4)
    desk.sql("UPDATE attempts SET commits = 1")  # put back to an older day, with the same attempt in it
    before = desk.digest()
    with pytest.raises(LeaseLost, match="has lost what attempt 1 of study/a saved"):
        desk.commit(held, epoch_done("study/a", (0.5, 0.4, 0.3)), number=3)
    assert desk.digest() == before


def test_a_job_that_is_gone_cannot_be_claimed(desk: Desk) -> None:
    with pytest.raises(UnknownName, match="there is no job 'study/a'"):
        desk.claim("s1", job="a")


def test_the_refusal_says_how_the_attempt_ended(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1")
    desk.must_claim("s2", gone={("study/a", 1): "no heartbeat for 130 s"})
    with pytest.raises(LeaseLost, match="no heartbeat for 130 s"):
        desk.ask(check_live, held)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_refusal_tells_a_persons_decision_from_another_sessions(desk: Desk, loss: str) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1")
    desk.train(held, 0.5)
    LOSSES[loss](desk, held)
    with pytest.raises(LeaseLost) as caught:
        desk.ask(check_live, held)
    by_a_person = loss in ("a person held it", "a person cancelled it", "it was held and released")
    # Whoever stopped an attempt itself knows its own end again, and is never told so.
    assert isinstance(caught.value, JobWithdrawn) == (by_a_person or loss == "it stopped itself")


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
