"""The words of trainers in the queue: written with the end of an attempt, pruned to the newest three of a job."""

from sqlalchemy import select

from qcqueue.core.outcomes import Cause
from qcqueue.core.states import Event
from qcqueue.database.rows import digest_of_row
from qcqueue.database.schema import last_words
from qcqueue.queue import attempts
from qcqueue.queue.claim import claim
from qcqueue.queue.last_words import LastWords, last_words_of
from qcqueue.queue.values import AttemptEnd
from tests.queue.desk import Desk


def words_of(desk: Desk, job: str) -> list[tuple[int, str]]:
    return [(it.attempt, it.words) for it in desk.ask(last_words_of, f"study/{job}")]


def test_an_end_keeps_what_the_trainer_said_and_each_row_vouches_for_it(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim()
    desk.do(attempts.fail, held, Cause.CODE_ERROR, "boom", words="Traceback\nboom")
    assert words_of(desk, "a") == [(1, "Traceback\nboom")]
    [row] = desk.ask(lambda tx: tx.execute(select(last_words)).all())
    assert row.digest == digest_of_row(last_words, {"attempt_id": row.attempt_id, "words": row.words})


def test_a_letter_that_no_server_keeps_is_written_as_one_that_is_not_known(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim()
    ended = AttemptEnd(event=Event.FAILED, why="bo\0om", words="\0 bytes", cause=Cause.CODE_ERROR)
    for _ in range(2):
        desk.do(attempts.end, held, ended)
    assert words_of(desk, "a") == [(1, "\ufffd bytes")]
    assert desk.line("a").failure_message == "bo\ufffdom"
    assert len(desk.detail("a").attempts) == 1


def test_an_end_that_is_written_again_keeps_what_it_kept(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim()
    desk.do(attempts.interrupt, held, why="it vanished", words="once")
    desk.do(attempts.interrupt, held, why="it vanished", words="twice")
    assert words_of(desk, "a") == [(1, "once")]


def test_only_the_last_three_attempts_of_each_job_are_kept(desk: Desk) -> None:
    desk.enqueue("a", "b")
    for _ in range(5):
        held = desk.must_claim(job="a")
        desk.do(attempts.stop, held, why="its GPU is lost", words=f"number {held.attempt}")
    desk.do(attempts.hold, desk.must_claim(job="b"), why="?", words="of b")
    assert words_of(desk, "a") == [(number, f"number {number}") for number in (3, 4, 5)]
    assert words_of(desk, "b") == [(1, "of b")]


def test_an_attempt_that_went_well_says_nothing_and_costs_no_words(desk: Desk) -> None:
    desk.enqueue("a")
    desk.do(attempts.interrupt, desk.must_claim(), why="it vanished", words="oh")
    for _ in range(5):
        desk.do(attempts.stop, desk.must_claim(), why="reached its limit")
    assert words_of(desk, "a") == [(1, "oh")]


def test_whoever_buries_an_attempt_keeps_what_its_trainer_said_here(desk: Desk) -> None:
    desk.enqueue("a", "b")
    dead, far = desk.must_claim("s1"), desk.must_claim("s2")
    gone = {(held.job_name, held.attempt): "gone" for held in (dead, far)}
    here = {(dead.job_name, dead.attempt): "its last"}
    desk.do(claim, "s3", gone=gone, words=here, choose=lambda jobs: None)
    assert words_of(desk, "a") == [(1, "its last")]
    assert words_of(desk, "b") == []


def test_the_end_of_words_leaves_out_what_is_empty() -> None:
    said = LastWords(attempt=1, words="\n".join(["a", "", "b", "c", " ", "d", "e", "f", ""]))
    assert said.end == ("b", "c", "d", "e", "f")
