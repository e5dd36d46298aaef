"""What the time that machines were held went into, by job, by study and in all. Decides only.

A session writes down its account with every commit. One that vanished was held until its last sign of life, and what it
did after its last commit is lost. The time of a session outside its attempts is of the study it worked on first. Of the
sessions of an older qcqueue, which wrote down nothing, nothing is counted: neither as of use nor as held.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from qcqueue.core.goodput import Goodput, Part, Seconds, add, goodput_of, total
from qcqueue.queue.sessions import SessionAttempt, SessionLine

BEFORE = (Part.BOOT, Part.INSTALL, Part.IDLE)
"""What a session counts that lies before it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Goodput by name of job, by name of study, and of the whole queue."""

    jobs: dict[str, Goodput]
    studies: dict[str, Goodput]
    whole: Goodput


def accounts_of(sessions: Iterable[SessionLine]) -> Accounts:
    """Add up the accounts of these sessions."""
    jobs, studies = defaultdict[str, list[Seconds]](list), defaultdict[str, list[Seconds]](list)
    everything: list[Seconds] = []
    for session in sessions:
        if not session.has_ledger:
            continue
        unaccounted_s = _unaccounted_s(session)
        for attempt in session.attempts:
            is_last = attempt is session.attempts[-1]
            seconds = add(attempt.seconds, {Part.LOST: unaccounted_s} if is_last and unaccounted_s else {})
            jobs[attempt.job_name].append(seconds)
            studies[_study(attempt)].append(seconds)
            everything.append(seconds)
        everything.append(session.seconds)
        if session.attempts:
            studies[_study(session.attempts[0])].append(session.seconds)
    return Accounts(
        jobs={name: goodput_of(ledgers) for name, ledgers in jobs.items()},
        studies={name: goodput_of(ledgers) for name, ledgers in studies.items()},
        whole=goodput_of(everything),
    )


def _unaccounted_s(session: SessionLine) -> float:
    """Return how long a session that vanished was seen alive after it wrote down its account."""
    if session.ended_at_s is not None or session.seen_at_s is None or not session.is_over:
        return 0.0
    within = add(session.seconds, *(attempt.seconds for attempt in session.attempts))
    accounted_s = total(within) - sum(session.seconds.get(part, 0.0) for part in BEFORE)
    return max(0.0, session.seen_at_s - session.started_at_s - accounted_s)


def _study(attempt: SessionAttempt) -> str:
    return attempt.job_name.partition("/")[0]
