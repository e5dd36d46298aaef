"""What happened over the days: sessions as long as they are known to have lived, kills, and gaps between them."""

from dataclasses import replace
from typing import Any

import pytest

from qcqueue.core.outcomes import Outcome
from qcqueue.core.states import State
from qcqueue.queue.sessions import SessionAttempt, SessionLine
from qcqueue.queue.values import JobDetail
from qcqueue.reports.quantities.timeline import HowEnded, SessionGap, StudyTimeline, timeline_of
from tests.reports.studies import AS_OF_S, START_S, a_job, a_spec, epochs_of, some_sessions, the_study

HOUR_S = 3600.0
JOB = "six-models/vgg16"


def a_session(name: str, begin_h: float, end_h: float | None, **changes: Any) -> SessionLine:
    """A session that left after some hours, or, with no end, vanished or is at work."""
    line = SessionLine(
        id=name,
        host="colab",
        processor="Tesla T4",
        started_at_s=START_S + begin_h * HOUR_S,
        ended_at_s=None if end_h is None else START_S + end_h * HOUR_S,
        seen_at_s=None,
        ended_how=None if end_h is None else "reached its limit",
        seconds={},
        attempts=(),
    )
    return replace(line, **changes)


def an_attempt(number: int, begin_h: float, end_h: float | None) -> SessionAttempt:
    return SessionAttempt(
        job_name=JOB,
        number=number,
        started_at_s=START_S + begin_h * HOUR_S,
        ended_at_s=None if end_h is None else START_S + end_h * HOUR_S,
        seconds={},
    )


def the_job(*outcomes: Outcome | None) -> JobDetail:
    """VGG16 with one attempt for each outcome."""
    cuts = range(1, len(outcomes))
    detail = a_job(a_spec("VGG16"), epochs_of(len(outcomes), cuts=cuts), state=State.RUNNING)
    attempts = zip(detail.attempts, outcomes, strict=True)
    return replace(
        detail, attempts=tuple(replace(line, outcome=outcome, reason="so it was") for line, outcome in attempts)
    )


def told(*sessions: SessionLine, outcomes: tuple[Outcome | None, ...] = (), as_of_s: float = AS_OF_S) -> StudyTimeline:
    details = [the_job(*outcomes)] if outcomes else []
    return timeline_of(replace(the_study(details, sessions=sessions), as_of_s=as_of_s))


def test_a_session_that_left_says_when_and_why() -> None:
    timeline = told(a_session("one", 0, 2, attempts=(an_attempt(1, 0.5, 1.5),)), outcomes=(Outcome.STOPPED,))
    [session] = timeline.sessions
    assert (session.end, session.said) == (HowEnded.LEFT, "reached its limit")
    assert (session.began_s, session.ended_s, session.held_s) == (START_S, START_S + 2 * HOUR_S, 2 * HOUR_S)
    [attempt] = session.attempts
    assert (attempt.job, attempt.number, attempt.outcome, attempt.reason) == (JOB, 1, Outcome.STOPPED, "so it was")
    assert (attempt.began_s, attempt.ended_s) == (START_S + 0.5 * HOUR_S, START_S + 1.5 * HOUR_S)


def test_a_killed_session_ends_at_its_last_sign_of_life_and_its_attempt_with_it() -> None:
    # The next session found the attempt gone a day later; nothing ran until then.
    killed = a_session("one", 0, None, seen_at_s=START_S + HOUR_S, attempts=(an_attempt(1, 0.1, 25),))
    timeline = told(killed, outcomes=(Outcome.INTERRUPTED,))
    [session] = timeline.sessions
    assert (session.end, session.said, session.ended_s) == (HowEnded.KILLED, None, START_S + HOUR_S)
    assert session.attempts[0].ended_s == session.ended_s
    assert timeline.killed == 1


def test_a_killed_session_whose_last_sign_nobody_wrote_down_is_not_longer_than_what_is_known() -> None:
    killed = a_session("one", 0, None, attempts=(an_attempt(1, 0.1, 1), an_attempt(2, 1, 30)))
    [session] = told(killed, outcomes=(Outcome.FINISHED, Outcome.INTERRUPTED)).sessions
    assert (session.end, session.ended_s) == (HowEnded.KILLED, START_S + HOUR_S)
    assert session.attempts[1].ended_s == session.attempts[1].began_s == START_S + HOUR_S


def test_a_session_with_a_live_attempt_is_at_work() -> None:
    seen_at_s = START_S + 2 * HOUR_S
    working = a_session("one", 0, None, seen_at_s=seen_at_s, attempts=(an_attempt(1, 0, None),))
    [session] = told(working, outcomes=(None,), as_of_s=seen_at_s).sessions
    assert (session.end, session.ended_s) == (HowEnded.AT_WORK, seen_at_s)
    assert (session.attempts[0].outcome, session.attempts[0].ended_s) == (None, seen_at_s)


@pytest.mark.parametrize(("quiet_s", "end"), [(60, HowEnded.AT_WORK), (3600, HowEnded.KILLED)])
def test_a_session_between_two_jobs_is_at_work_while_it_was_seen_lately(quiet_s: float, end: HowEnded) -> None:
    between = a_session("one", 0, None, seen_at_s=START_S + HOUR_S, attempts=(an_attempt(1, 0, 1),))
    [session] = told(between, outcomes=(Outcome.FINISHED,), as_of_s=START_S + HOUR_S + quiet_s).sessions
    assert session.end is end


def test_an_attempt_on_a_job_that_is_not_in_the_study_is_there_without_an_outcome() -> None:
    [session] = told(a_session("one", 0, 2, attempts=(an_attempt(1, 0, 1),))).sessions
    assert (session.attempts[0].outcome, session.attempts[0].reason) == (None, None)


def test_gaps_lie_where_no_session_lived_and_say_what_they_follow() -> None:
    sessions = (
        a_session("first", 0, None, seen_at_s=START_S + 2 * HOUR_S),
        a_session("second", 26, 28),
        a_session("beside", 26.5, 30),
        a_session("within", 27, 27.5),
        a_session("last", 54, 55),
    )
    timeline = told(*sessions)
    assert timeline.gaps == (
        SessionGap(began_s=START_S + 2 * HOUR_S, ended_s=START_S + 26 * HOUR_S, follows=HowEnded.KILLED),
        SessionGap(began_s=START_S + 30 * HOUR_S, ended_s=START_S + 54 * HOUR_S, follows=HowEnded.LEFT),
    )
    assert [gap.seconds for gap in timeline.gaps] == [24 * HOUR_S] * 2
    assert timeline.days == pytest.approx(55 / 24)
    assert timeline.held_s == (2 + 2 + 3.5 + 0.5 + 1) * HOUR_S


def test_sessions_come_in_the_order_of_their_beginnings_whatever_order_they_are_stored_in() -> None:
    sessions = (a_session("late", 5, 6), a_session("b", 0, 1), a_session("a", 0, 2))
    assert [session.id for session in told(*sessions).sessions] == ["a", "b", "late"]


def test_held_time_counts_what_the_machine_did_before_its_session_began() -> None:
    timeline = timeline_of(the_study(sessions=tuple(some_sessions())))
    assert timeline.held_s == sum(session.held_s for session in some_sessions())
    assert [session.end for session in timeline.sessions] == [HowEnded.KILLED, HowEnded.LEFT]


def test_clocks_that_disagree_make_no_span_that_ends_before_it_began() -> None:
    [session] = told(a_session("one", 2, 1, attempts=(an_attempt(1, 3, 2.5),)), outcomes=(Outcome.STOPPED,)).sessions
    assert session.ended_s == session.began_s
    assert session.attempts[0].ended_s == session.attempts[0].began_s


def test_without_sessions_there_is_no_timeline() -> None:
    timeline = told()
    assert (timeline.sessions, timeline.gaps, timeline.held_s, timeline.killed, timeline.days) == ((), (), 0, 0, None)
