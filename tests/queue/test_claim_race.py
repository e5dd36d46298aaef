"""Sessions in real processes that claim from one queue at the same instant."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from pathlib import Path

from qcqueue.conformance.processes import kill_now, race, running
from qcqueue.queue.attempts import stop
from qcqueue.queue.claim import claim
from qcqueue.queue.values import Candidate, Pick
from tests.queue.desk import Desk, open_at

ROUNDS = 8


def test_two_sessions_that_race_never_hold_the_same_job(desk: Desk) -> None:
    names = [f"j{index:02d}" for index in range(2 * ROUNDS)]
    desk.enqueue(*names)
    race(claim_often, [(desk.where, session) for session in ("s1", "s2")])
    sessions = {name: [line.session_id for line in desk.detail(name).attempts] for name in names}
    assert {len(holders) for holders in sessions.values()} == {1}
    assert Counter(holder for (holder,) in sessions.values()) == {"s1": ROUNDS, "s2": ROUNDS}


def test_sessions_that_fight_for_one_job_take_turns_by_number(desk: Desk) -> None:
    desk.enqueue("a")
    race(claim_and_stop_often, [(desk.where, session) for session in ("s1", "s2", "s3")])
    attempts = desk.detail("a").attempts
    assert [line.number for line in attempts] == list(range(1, len(attempts) + 1))
    assert all(line.ended_at_s is not None for line in attempts)
    assert len(attempts) >= ROUNDS


def test_sessions_that_bury_one_another_leave_one_live_attempt(desk: Desk) -> None:
    desk.enqueue("a")
    desk.must_claim("s3")
    race(bury_and_claim_often, [(desk.where, session) for session in ("s1", "s2")])
    attempts = desk.detail("a").attempts
    assert [line.number for line in attempts] == list(range(1, len(attempts) + 1))
    assert [line.ended_at_s is None for line in attempts] == [False] * (len(attempts) - 1) + [True]
    assert desk.line("a").interruptions == len(attempts) - 1


def test_a_session_killed_within_its_claim_never_had_the_job(desk: Desk) -> None:
    desk.enqueue("a")
    before = desk.digest()
    with running(claim_and_wait, desk.where) as (process, pipe):
        pipe.recv()
        kill_now(process, pipe)
    assert desk.digest() == before
    assert desk.must_claim("s2").attempt == 1


def claim_often(where: Path | str, session: str, together: Barrier) -> None:
    database = open_at(where)
    together.wait()
    for _ in range(ROUNDS):
        held = database.transact(lambda tx: claim(tx, session, gone={}, choose=first, now_s=1.0))
        assert held is not None


def claim_and_stop_often(where: Path | str, session: str, together: Barrier) -> None:
    database = open_at(where)
    together.wait()
    for _ in range(ROUNDS):
        held = database.transact(lambda tx: claim(tx, session, gone={}, choose=first, now_s=1.0))
        if held is not None:
            database.transact(partial(stop, held=held, why="limit", now_s=2.0))


def first(jobs: Sequence[Candidate]) -> Pick | None:
    return Pick(jobs[0].name) if jobs else None


def bury_and_claim_often(where: Path | str, session: str, together: Barrier) -> None:
    database = open_at(where)
    together.wait()
    for number in range(1, ROUNDS):
        held = database.transact(
            lambda tx: claim(
                tx,
                session,
                gone={("study/a", number): "gone"},  # noqa: B023 (run at once)
                choose=first,
                now_s=1.0,
            )
        )
        if held is not None:
            assert held.attempt == number + 1


def claim_and_wait(where: Path | str, pipe: Pipe) -> None:
    def choose(jobs: object) -> Pick:
        pipe.send("choosing")
        pipe.recv()
        return Pick("study/a")

    open_at(where).transact(lambda tx: claim(tx, "s1", gone={}, choose=choose, now_s=1.0))
