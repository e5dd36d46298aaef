"""What happened over the days: when machines were held, how each session ended, and when none was there. Pure.

A session that was killed tells nobody so: what is known is its last sign of life. Its attempts are only found ended
later, by the next session, so they are taken to have ended with it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from qcqueue.core.outcomes import Outcome
from qcqueue.queue.sessions import SessionAttempt, SessionLine
from qcqueue.queue.values import AttemptLine
from qcqueue.reports.study import ReportInput
from qcqueue.text.humanize import DAY_S

# Between two jobs a session looks for the next one and commits nothing. Seen so recently, it is taken to do that.
BETWEEN_JOBS_S = 600.0


class HowEnded(StrEnum):
    """How a session ended. label: in the words of a picture.

    left     it said that it went, and why: its work was done, a limit was reached, somebody asked.
    killed   it vanished without a word: its machine was taken away, or its process was killed.
    at_work  as far as is known, it has not ended.
    """

    LEFT = "left", "ended by its own decision"
    KILLED = "killed", "killed"
    AT_WORK = "at_work", "still at work"

    label: str

    def __new__(cls, word: str, *facts: Any) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        (member.label,) = facts
        return member


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSpan:
    """An attempt within its session. outcome and reason are None where it is at work or its job is not in the study."""

    job: str
    number: int
    began_s: float
    ended_s: float
    outcome: Outcome | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpan:
    """One session, from its start to its last sign of life; said is what it said as it left, None where it did not.

    held_s also counts what its machine is known to have done before the session began, such as its boot.
    """

    id: str
    host: str
    processor: str
    began_s: float
    ended_s: float
    held_s: float
    end: HowEnded
    said: str | None
    attempts: tuple[AttemptSpan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionGap:
    """A time in which no session is known to have lived, between two that did.

    After a kill it holds the provider's cool-off, and whatever else kept the next session from coming: nobody sees a
    cool-off end.
    """

    began_s: float
    ended_s: float
    follows: HowEnded

    @property
    def seconds(self) -> float:
        return self.ended_s - self.began_s


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyTimeline:
    """All sessions in the order of coming, and the gaps between them."""

    sessions: tuple[SessionSpan, ...]
    gaps: tuple[SessionGap, ...]

    @property
    def held_s(self) -> float:
        return math.fsum(session.held_s for session in self.sessions)

    @property
    def killed(self) -> int:
        """Return how many sessions were killed."""
        return sum(session.end is HowEnded.KILLED for session in self.sessions)

    @property
    def days(self) -> float | None:
        """Return the days between the first start and the last sign of life, None without a session."""
        if not self.sessions:
            return None
        return (max(it.ended_s for it in self.sessions) - min(it.began_s for it in self.sessions)) / DAY_S


def timeline_of(study: ReportInput) -> StudyTimeline:
    """Return what is known of the sessions of a study."""
    lines = {(detail.line.name, line.number): line for detail in study.details for line in detail.attempts}
    spans = [_session(line, lines, as_of_s=study.as_of_s) for line in study.sessions]
    spans.sort(key=lambda span: (span.began_s, span.id))
    return StudyTimeline(sessions=tuple(spans), gaps=tuple(_gaps(spans)))


def _session(line: SessionLine, lines: Mapping[tuple[str, int], AttemptLine], *, as_of_s: float) -> SessionSpan:
    known = [(attempt, lines.get((attempt.job_name, attempt.number))) for attempt in line.attempts]
    outcomes = [found.outcome if found else None for _, found in known]
    ended_s = _last_sign_of_life_s(line, outcomes)
    return SessionSpan(
        id=line.id,
        host=line.host,
        processor=line.processor,
        began_s=line.started_at_s,
        ended_s=ended_s,
        held_s=line.held_s,
        end=_end(line, outcomes, quiet_s=as_of_s - ended_s),
        said=line.ended_how,
        attempts=tuple(_attempt(attempt, found, session_ended_s=ended_s) for attempt, found in known),
    )


def _last_sign_of_life_s(line: SessionLine, outcomes: Sequence[Outcome | None]) -> float:
    """Return when a session left or was last seen; where neither was written down, when it last began or ended work."""
    if line.ended_at_s is not None:
        return max(line.started_at_s, line.ended_at_s)
    signs = [line.started_at_s, *(attempt.started_at_s for attempt in line.attempts)]
    if line.seen_at_s is not None:
        signs.append(line.seen_at_s)
    signs += [
        attempt.ended_at_s
        for attempt, outcome in zip(line.attempts, outcomes, strict=True)
        # An interrupted attempt was found to have ended, by somebody else and later.
        if attempt.ended_at_s is not None and outcome not in (None, Outcome.INTERRUPTED)
    ]
    return max(signs)


def _end(line: SessionLine, outcomes: Sequence[Outcome | None], *, quiet_s: float) -> HowEnded:
    if line.ended_at_s is not None:
        return HowEnded.LEFT
    if any(attempt.ended_at_s is None for attempt in line.attempts):
        return HowEnded.AT_WORK
    was_found_gone = outcomes[-1:] == [Outcome.INTERRUPTED]
    return HowEnded.KILLED if was_found_gone or quiet_s > BETWEEN_JOBS_S else HowEnded.AT_WORK


def _attempt(attempt: SessionAttempt, line: AttemptLine | None, *, session_ended_s: float) -> AttemptSpan:
    ended_s = session_ended_s if attempt.ended_at_s is None else min(attempt.ended_at_s, session_ended_s)
    return AttemptSpan(
        job=attempt.job_name,
        number=attempt.number,
        began_s=attempt.started_at_s,
        ended_s=max(attempt.started_at_s, ended_s),
        outcome=line.outcome if line else None,
        reason=line.reason if line else None,
    )


def _gaps(spans: Sequence[SessionSpan]) -> Iterator[SessionGap]:
    """Yield the gaps between spans that are in the order of their beginnings and may overlap."""
    last: SessionSpan | None = None
    for span in spans:
        if last is not None and span.began_s > last.ended_s:
            yield SessionGap(began_s=last.ended_s, ended_s=span.began_s, follows=last.end)
        if last is None or span.ended_s >= last.ended_s:
            last = span
