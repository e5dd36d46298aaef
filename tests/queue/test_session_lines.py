"""Accounts add up to the time machines were held; what nobody wrote down is counted nowhere."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.core.goodput import Goodput, Part
from qcqueue.queue.attempts import record_seconds, stop
from qcqueue.queue.claim import claim, end_session
from qcqueue.queue.sessions import SessionAttempt, SessionLine, accounts_of, session_lines
from qcqueue.queue.values import Pick
from tests.queue.desk import Desk

START_S = 1000.0
Ledger = Mapping[str, float]
NOTHING: Ledger = {}


def attempt(name: str = "six/vgg16", seconds: Ledger = NOTHING, *, is_live: bool = False) -> SessionAttempt:
    return SessionAttempt(
        job_name=name,
        number=1,
        started_at_s=START_S + 5.0,
        ended_at_s=None if is_live else START_S + 500.0,
        seconds=seconds,
    )


def session(
    *attempts: SessionAttempt,
    seconds: Ledger = NOTHING,
    ended_at_s: float | None = None,
    seen_at_s: float | None = None,
) -> SessionLine:
    """A session that began at START_S; without an end it vanished or is at work."""
    return SessionLine(
        id="s",
        host="h",
        processor="p",
        started_at_s=START_S,
        ended_at_s=ended_at_s,
        seen_at_s=ended_at_s or seen_at_s,
        ended_how="reached its limit" if ended_at_s else None,
        seconds=seconds,
        attempts=attempts,
    )


def parts(goodput: Goodput) -> dict[str, float]:
    return {part: seconds for part, seconds in goodput.seconds.items() if seconds}


def test_a_session_that_left_counts_what_it_wrote_and_that_is_all_of_it() -> None:
    left = session(
        attempt("six/vgg16", {"compile": 20.0, "train": 60.0}),
        attempt("six/xception", {"train": 15.0}),
        seconds={"boot": 7.0, "contention": 3.0, "release": 2.0},
        ended_at_s=START_S + 100.0,
    )
    accounts = accounts_of([left])
    assert accounts.whole.held_s == 107.0, "the machine ran before the session began"
    assert accounts.studies == {"six": accounts.whole}
    assert {name: it.held_s for name, it in accounts.jobs.items()} == {"six/vgg16": 80.0, "six/xception": 15.0}
    assert parts(accounts.jobs["six/vgg16"]) == {"compile": 20.0, "train": 60.0}
    assert Part.LOST not in parts(accounts.whole)


def test_a_killed_session_was_held_until_its_last_sign_of_life_and_the_rest_is_lost() -> None:
    killed = session(
        attempt(seconds={"compile": 20.0, "train": 60.0}),
        seconds={"boot": 7.0, "install": 40.0, "idle": 90.0, "contention": 3.0},
        seen_at_s=START_S + 100.0,
    )
    accounts = accounts_of([killed])
    assert parts(accounts.jobs["six/vgg16"]) == {"compile": 20.0, "train": 60.0, "lost": 17.0}
    assert accounts.whole.held_s == 7.0 + 40.0 + 90.0 + 100.0


def test_what_a_killed_session_lost_is_of_the_job_it_had_last() -> None:
    killed = session(
        attempt("six/vgg16", {"train": 50.0}), attempt("two/xception"), seconds={"boot": 1.0}, seen_at_s=START_S + 80.0
    )
    accounts = accounts_of([killed])
    assert parts(accounts.jobs["two/xception"]) == {"lost": 30.0}
    assert parts(accounts.studies["six"]) == {"boot": 1.0, "train": 50.0}
    assert parts(accounts.studies["two"]) == {"lost": 30.0}


def test_a_session_killed_before_its_first_commit_has_lost_all_it_was_held_for() -> None:
    killed = session(attempt(), seconds={"boot": 7.0, "contention": 2.0}, seen_at_s=START_S + 30.0)
    assert parts(accounts_of([killed]).jobs["six/vgg16"]) == {"lost": 28.0}


def test_a_session_at_work_counts_what_it_wrote_and_nothing_more() -> None:
    working = session(attempt(seconds={"train": 50.0}, is_live=True), seconds={"boot": 1.0}, seen_at_s=START_S + 80.0)
    assert parts(accounts_of([working]).whole) == {"boot": 1.0, "train": 50.0}


@pytest.mark.parametrize("ended_at_s", [None, START_S + 900.0])
def test_of_a_session_of_an_older_qcqueue_nothing_is_counted(ended_at_s: float | None) -> None:
    older = session(attempt(), ended_at_s=ended_at_s, seen_at_s=START_S + 900.0)
    accounts = accounts_of([older])
    assert (accounts.whole.held_s, accounts.whole.goodput) == (0.0, None)
    newer = session(attempt(seconds={"train": 3.0, "lost": 1.0}), ended_at_s=START_S + 4.0)
    assert accounts_of([older, newer]).jobs["six/vgg16"].goodput == 0.75


def test_a_session_that_found_nothing_to_do_is_of_no_study() -> None:
    accounts = accounts_of([session(seconds={"boot": 1.0, "idle": 2.0}, ended_at_s=START_S + 2.0)])
    assert (accounts.jobs, accounts.studies) == ({}, {})
    assert parts(accounts.whole) == {"boot": 1.0, "idle": 2.0}


def test_where_there_was_no_session_nothing_was_held() -> None:
    assert accounts_of([]).whole.goodput is None


seconds_of = st.dictionaries(st.sampled_from([part.value for part in Part]), st.floats(0.0, 1e5), max_size=5)
lives = st.builds(
    lambda ledgers, own, left, seen_s: session(
        *(attempt(f"study-{place % 2}/{place % 3}", it) for place, it in enumerate(ledgers)),
        seconds=own,
        ended_at_s=START_S + seen_s if left else None,
        seen_at_s=START_S + seen_s,
    ),
    st.lists(seconds_of, max_size=4),
    seconds_of,
    st.booleans(),
    st.floats(0.0, 1e6),
)


@given(st.lists(lives, max_size=5))
def test_studies_add_up_to_the_whole_and_a_vanished_session_to_its_life(sessions: list[SessionLine]) -> None:
    accounts = accounts_of(sessions)
    idle = [it for it in sessions if not it.attempts]
    assert accounts.whole.held_s == pytest.approx(
        sum(it.held_s for it in accounts.studies.values()) + accounts_of(idle).whole.held_s
    )
    for it in sessions:
        vanished = replace(it, ended_at_s=None)
        held_s, seen_s = accounts_of([vanished]).whole.held_s, (it.seen_at_s or 0.0) - START_S
        if it.has_ledger and it.attempts:
            assert held_s >= seen_s - 1e-6


# What the transactions of a queue make of it.


def test_the_accounts_of_a_queue_that_was_cut_and_went_on(desk: Desk) -> None:
    desk.enqueue("a")
    first = desk.must_claim("s1")
    desk.database.transact(
        lambda tx: record_seconds(
            tx, first, attempt={"train": 30.0}, session={"boot": 5.0, "contention": 1.0}, seen_at_s=40.0
        )
    )
    gone = {("study/a", 1): "no heartbeat for 130 s"}
    second = desk.do(claim, "s2", gone=gone, seen={"s1": 50.0}, choose=lambda jobs: Pick(jobs[0].name))
    assert second is not None
    desk.database.transact(
        lambda tx: record_seconds(tx, second, attempt={"train": 8.0}, session={"boot": 2.0}, seen_at_s=60.0)
    )
    desk.do(stop, second, why="limit")
    desk.do(end_session, "s2", how="reached its limit", seconds={"boot": 2.0, "release": 1.0})
    accounts = accounts_of(desk.ask(session_lines))
    assert parts(accounts.jobs["study/a"]) == {"train": 38.0, "lost": 19.0}
    assert parts(accounts.whole) == {"boot": 7.0, "train": 38.0, "contention": 1.0, "lost": 19.0, "release": 1.0}
    assert accounts.studies == {"study": accounts.whole}


def test_what_was_measured_to_save_is_kept_with_the_attempt(desk: Desk) -> None:
    desk.enqueue("a")
    held = desk.must_claim("s1")
    pace = {"epoch_s": 4.5, "stall_s": 0.1 + 0.2, "lag_s": 7.0, "steps": 10}
    desk.database.transact(
        lambda tx: record_seconds(tx, held, attempt={}, session={"boot": 1.0}, pace=pace, seen_at_s=40.0)
    )
    assert desk.detail("a").attempts[0].pace == pace
