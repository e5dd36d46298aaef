"""One line a session: how long it held its machine and what that time went into; and what all of them add up to.

Apart from `job_detail`, because `status` must answer at once. What the names of the parts mean is `core.goodput`'s.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, exists, func, or_, select

from qcqueue.core.goodput import Goodput, Part, Seconds, add, goodput_of, total
from qcqueue.database.schema import attempts, jobs, sessions
from qcqueue.queue.reading import pace_of, seconds_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAttempt:
    """One attempt as a part of its session's time. pace: what was measured, by name, as in an `AttemptLine`."""

    job_name: str
    number: int
    started_at_s: float
    ended_at_s: float | None
    seconds: Mapping[str, float]
    pace: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLine:
    """One life of one machine, and what the time it was held went into, by name.

    ended_at_s is None for a session that vanished or is at work; seen_at_s is the last moment by which it is known to
    have lived, None where an older qcqueue did not write that down. profile names what its provider allows, empty where
    that was not written down, as has_gpu is None then; promised_until_s is how long it was said to live; machine is the
    same for sessions of one machine.
    """

    id: str
    host: str
    processor: str
    started_at_s: float
    ended_at_s: float | None
    seen_at_s: float | None
    ended_how: str | None
    seconds: Mapping[str, float]
    attempts: tuple[SessionAttempt, ...]
    profile: str = ""
    has_gpu: bool | None = None
    promised_until_s: float | None = None
    machine: str = ""

    @property
    def is_over(self) -> bool:
        """Return whether it is over and known how long it was held; one between two jobs counts as vanished there."""
        return self.ended_at_s is not None or (
            self.seen_at_s is not None
            and bool(self.attempts)
            and all(attempt.ended_at_s is not None for attempt in self.attempts)
        )

    @property
    def held_s(self) -> float:
        """Return how long it is known to have lived."""
        last_s = self.ended_at_s or self.seen_at_s or self.started_at_s
        return max(last_s - self.started_at_s, total(self.seconds))

    @property
    def has_ledger(self) -> bool:
        """Return whether it wrote down its time; an older qcqueue does not."""
        return bool(self.seconds) or any(attempt.seconds for attempt in self.attempts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unended:
    """A session that has not said goodbye: it is at work, or it vanished. heartbeat is its name in the store."""

    id: str
    host: str
    heartbeat: str


def unended_sessions(tx: Connection, *, since_s: float) -> tuple[Unended, ...]:
    """Return the sessions that may be alive, those that were seen last first.

    They hold a job, or were seen at since_s or later: a session between two jobs was at its last one a moment ago, and
    of those that vanished there are more every day.
    """
    seen_at_s = func.coalesce(sessions.c.seen_at_s, sessions.c.started_at_s)
    holds_a_job = exists().where(attempts.c.session_id == sessions.c.id, attempts.c.outcome.is_(None))
    rows = tx.execute(
        select(sessions.c.id, sessions.c.host, sessions.c.heartbeat)
        .where(sessions.c.ended_at_s.is_(None), or_(holds_a_job, seen_at_s >= since_s))
        .order_by(seen_at_s.desc(), sessions.c.id)
    )
    return tuple(Unended(id=row.id, host=row.host, heartbeat=row.heartbeat or row.id) for row in rows)


def session_lines(tx: Connection) -> tuple[SessionLine, ...]:
    """Return every session in the order of coming, with what the time of its machine went into."""
    worked: dict[str, list[SessionAttempt]] = defaultdict(list)
    for row in tx.execute(_ATTEMPTS).all():
        worked[row.session_id].append(
            SessionAttempt(
                job_name=row.name,
                number=row.number,
                started_at_s=row.started_at_s,
                ended_at_s=row.ended_at_s,
                seconds=seconds_of(row.seconds),
                pace=pace_of(row.pace),
            )
        )
    rows = tx.execute(_SESSIONS).all()
    return tuple(
        SessionLine(
            id=row.id,
            machine=row.machine,
            host=row.host,
            processor=row.processor,
            started_at_s=row.started_at_s,
            ended_at_s=row.ended_at_s,
            seen_at_s=row.seen_at_s,
            ended_how=row.ended_how,
            seconds=seconds_of(row.seconds),
            attempts=tuple(worked[row.id]),
            profile=row.profile,
            has_gpu=row.has_gpu,
            promised_until_s=row.promised_until_s,
        )
        for row in rows
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Goodput by name of job, by name of study, and of the whole queue."""

    jobs: dict[str, Goodput]
    studies: dict[str, Goodput]
    whole: Goodput


def accounts_of(sessions: Iterable[SessionLine], *, of_jobs: Collection[str] | None = None) -> Accounts:
    """Add up the accounts of these sessions. of_jobs: count only these, with sessions that came for them first."""
    jobs, studies = defaultdict[str, list[Seconds]](list), defaultdict[str, list[Seconds]](list)
    everything: list[Seconds] = []
    for session in sessions:
        if not session.has_ledger:
            continue
        unaccounted_s = _unaccounted_s(session)
        for attempt in session.attempts:
            if of_jobs is not None and attempt.job_name not in of_jobs:
                continue
            is_last = attempt is session.attempts[-1]
            seconds = add(attempt.seconds, {Part.LOST: unaccounted_s} if is_last and unaccounted_s else {})
            jobs[attempt.job_name].append(seconds)
            studies[_study(attempt)].append(seconds)
            everything.append(seconds)
        came_for = session.attempts[0].job_name if session.attempts else None
        if of_jobs is not None and came_for not in of_jobs:
            continue
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
    accounted_s = total(within) - sum(session.seconds.get(part, 0.0) for part in Part if part.precedes_a_session)
    return max(0.0, session.seen_at_s - session.started_at_s - accounted_s)


def _study(attempt: SessionAttempt) -> str:
    return attempt.job_name.partition("/")[0]


_ATTEMPTS = (
    select(
        *(attempts.c[it] for it in ("number", "session_id", "started_at_s", "ended_at_s", "seconds", "pace")),
        jobs.c.name,
    )
    .join_from(attempts, jobs)
    .order_by(attempts.c.id)
)
_SESSIONS = select(sessions).order_by(sessions.c.started_at_s, sessions.c.id)
