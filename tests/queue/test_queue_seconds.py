"""Ledgers of held time: written by the live attempt, final with the session, and never taken back by a late word."""

from collections.abc import Mapping

from sqlalchemy import Connection

from qcqueue.queue.attempts import record_seconds, stop
from qcqueue.queue.claim import claim, end_session
from qcqueue.queue.sessions import SessionAttempt, SessionLine, session_lines
from qcqueue.queue.values import Claim, Pick
from tests.queue.desk import Desk

TRAINED = {"train": 0.1 + 0.2, "stall": 4.0}
HELD = {"boot": 7.0, "train": 0.1 + 0.2, "stall": 4.0}


def record_time(desk: Desk, held: Claim, attempt: Mapping[str, float] = TRAINED, *, seen_at_s: float = 9.0) -> None:
    desk.database.transact(lambda tx: record_seconds(tx, held, attempt=attempt, session=HELD, seen_at_s=seen_at_s))


def line(desk: Desk, session: str) -> SessionLine:
    return next(line for line in desk.ask(session_lines) if line.id == session)


def test_the_time_of_an_attempt_and_its_session_is_kept_to_the_bit(desk: Desk) -> None:
    desk.enqueue("a")
    record_time(desk, desk.must_claim("s1"))
    assert line(desk, "s1") == SessionLine(
        id="s1",
        host="h",
        processor="p",
        started_at_s=0.0,
        ended_at_s=None,
        seen_at_s=9.0,
        ended_how=None,
        seconds=HELD,
        machine="m-s1",
        attempts=(SessionAttempt(job_name="study/a", number=1, started_at_s=2.0, ended_at_s=None, seconds=TRAINED),),
    )
    (attempt,) = desk.detail("a").attempts
    assert (attempt.seconds, attempt.seen_at_s) == (TRAINED, 9.0)


def test_a_session_that_wrote_nothing_down_has_an_empty_ledger(desk: Desk) -> None:
    assert [(it.id, it.seconds, it.seen_at_s, it.attempts) for it in desk.ask(session_lines)] == [
        (session, {}, None, ()) for session in ("s1", "s2", "s3")
    ]


def test_a_later_ledger_replaces_the_one_before(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1")
    record_time(desk, held)
    record_time(desk, held, {"train": 5.0}, seen_at_s=8.0)
    assert line(desk, "s1").attempts[0].seconds == {"train": 5.0}
    assert line(desk, "s1").seen_at_s == 9.0, "it is known to have lived then"


def test_an_end_with_its_ledger_whose_answer_was_lost_is_written_again_and_changes_nothing(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1")

    def both(tx: Connection) -> None:
        record_seconds(tx, held, attempt=TRAINED, session=HELD, seen_at_s=9.0)
        stop(tx, held, why="limit", now_s=9.0)

    desk.database.transact(both)
    before = desk.digest()
    desk.database.transact(both)
    assert desk.digest() == before
    assert line(desk, "s1").attempts[0].seconds == TRAINED


def test_a_lost_attempt_writes_nothing_of_its_time(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1")
    desk.must_claim("s2", gone={("study/a", 1): "gone"})
    before = desk.digest()
    record_time(desk, held)
    assert desk.digest() == before


def test_a_session_that_leaves_hands_in_its_final_ledger(desk: Desk) -> None:
    desk.do(end_session, "s1", how="reached its limit", seconds=HELD)
    left = line(desk, "s1")
    assert (left.seconds, left.ended_how, left.ended_at_s, left.seen_at_s) == (HELD, "reached its limit", 1.0, 1.0)
    desk.do(end_session, "s1", how="reached its limit")
    assert line(desk, "s1").seconds == HELD


def test_a_buried_session_was_last_seen_when_it_beat_last(desk: Desk) -> None:
    desk.enqueue("a")
    desk.must_claim("s1")
    bury(desk, "s2", number=1, seen={"s1": 40.0, "s3": 50.0})
    assert (line(desk, "s1").seen_at_s, line(desk, "s3").seen_at_s) == (40.0, None)


def test_a_burial_never_makes_a_session_shorter_than_it_is_known_to_have_been(desk: Desk) -> None:
    desk.enqueue("a")
    record_time(desk, desk.must_claim("s1"), seen_at_s=45.0)
    bury(desk, "s2", number=1, seen={"s1": 40.0})
    assert line(desk, "s1").seen_at_s == 45.0


def bury(desk: Desk, session: str, *, number: int, seen: Mapping[str, float]) -> None:
    gone = {("study/a", number): "no heartbeat for 130 s"}
    desk.do(claim, session, gone=gone, seen=seen, choose=lambda jobs: Pick(jobs[0].name))
