"""What was in the way of jobs when sessions looked at them, remembered in the jobs' stories until somebody can.

A line of the history says what a machine lacked and when that was found first; it counts until the job is claimed, or
a person releases or retries it, and goes with a job that is replaced. What ended an attempt is written there, and read
here as well. Always true: a machine that finds the same again writes nothing.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from qcqueue.core.obstacles import Lack, Obstacle, some_of
from qcqueue.core.outcomes import Trouble, advice_on
from qcqueue.core.states import Event, State
from qcqueue.database.dialects import each_id
from qcqueue.database.schema import attempts, history, jobs, sessions
from qcqueue.queue.history import record_event
from qcqueue.text.canonical_json import canonical_json
from qcqueue.text.humanize import fixed
from qcqueue.text.suggest import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownObstacle:
    """What was found to keep a queued job from running, by the session that came last of those that found anything.

    kind: what the machine lacked, or what of it or of the store was in trouble. since_s: when that was found there
    first, in seconds since the epoch; host: what its machine is called.
    """

    kind: Lack | Trouble
    says: str
    since_s: float
    session_id: str
    host: str

    @property
    def missing(self) -> str:
        """Return what it was, in a few words that stand after the name of its machine."""
        return self.kind.missing if isinstance(self.kind, Lack) else self.kind.label

    def advice(self, job_name: str) -> str:
        """Return what a person can do about it."""
        if isinstance(self.kind, Lack):
            return self.kind.advice
        return advice_on(self.kind, job=job_name, machine=self.host)


def note_obstacles(tx: Connection, session_id: str, found: Mapping[str, Obstacle], *, now_s: float) -> None:
    """Write down what a session's machine lacks for queued jobs; of what is known of it already, nothing."""
    lacking = {name: it for name, it in found.items() if it.lack}
    if not lacking:
        return
    machine = tx.execute(select(sessions.c.machine).where(sessions.c.id == session_id)).scalar()
    known = {
        (row.job_id, row.what) for rows in _lines(tx).values() for row in rows if machine and row.machine == machine
    }
    queued = select(jobs.c.id, jobs.c.name).where(jobs.c.state == State.QUEUED).order_by(jobs.c.position)
    for row in tx.execute(queued).all():
        obstacle = lacking.get(row.name)
        if obstacle and obstacle.lack and (row.id, _WHAT[obstacle.lack]) not in known:
            what = _WHAT[obstacle.lack]
            record_event(tx, who=session_id, what=what, now_s=now_s, job_id=row.id, why=obstacle.says)


def obstacles_known(tx: Connection, *which: ColumnElement[bool]) -> dict[int, KnownObstacle]:
    """Return what is known to keep queued jobs from running, by their ids. which: clauses on `jobs`."""
    lines = _lines(tx, *which)
    troubled = [
        row for row in tx.execute(_TROUBLED.where(*which)) if row.trouble in _TROUBLES and _was_claimed_last(row, lines)
    ]
    newest = [rows[-1].id for rows in lines.values() if rows[-1].what in _LACKS]
    told = tx.execute(_TOLD, {"ids": canonical_json(newest)}).all() if newest else []
    return {row.job_id: _of_attempt(row) for row in troubled} | {row.job_id: _of_line(row) for row in told}


def stuck(found: Mapping[str, KnownObstacle | None], now_s: float) -> list[str]:
    """Return a clause for each machine and what it lacked: "a/b and 5 more could not run on lab-3 (since today 14:05):
    no ImageNet weights". found: by the jobs' names."""
    groups = defaultdict[tuple[str, str], dict[str, float]](dict)
    for name, it in found.items():
        if it:
            groups[it.host, it.missing][name] = it.since_s
    return [
        f"{some_of([*names])} could not run on {printable(host)} (since {fixed(min(names.values()), now_s)}): {missing}"
        for (host, missing), names in groups.items()
    ]


def _lines(tx: Connection, *which: ColumnElement[bool]) -> Mapping[int, list[Any]]:
    """Return the lines of each queued job that count: its last claim or a person's decision since, and what follows."""
    lines = defaultdict[int, list[Any]](list)
    for row in tx.execute(_LINES.where(*which)):
        if row.what not in _LACKS:
            lines[row.job_id].clear()
        lines[row.job_id].append(row)
    return lines


def _was_claimed_last(row: Any, lines: Mapping[int, list[Any]]) -> bool:
    """Return whether nobody has decided anew of a job since its newest attempt began."""
    return any(line.what == Event.CLAIMED for line in lines.get(row.job_id, ()))


def _of_line(row: Any) -> KnownObstacle:
    host = row.host or "another machine"
    return KnownObstacle(kind=_LACKS[row.what], says=row.why, since_s=row.at_s, session_id=row.who, host=host)


def _of_attempt(row: Any) -> KnownObstacle:
    return KnownObstacle(
        kind=Trouble(row.trouble),
        says=row.reason or "",
        since_s=row.ended_at_s,
        session_id=row.session_id,
        host=row.host,
    )


# What stands in the story for ever.
_WHAT: Mapping[Lack, str] = {lack: f"waits for {lack}" for lack in Lack}
_LACKS: Mapping[str, Lack] = {what: lack for lack, what in _WHAT.items()}
_TROUBLES = frozenset(Trouble)

# Of lines that only tell what counts no more is read, so that damage elsewhere in a story is nothing to whoever asks.
_LINES = (
    select(history.c.id, history.c.job_id, history.c.what, sessions.c.machine)
    .join_from(history, jobs)
    .outerjoin(sessions, sessions.c.id == history.c.who)
    .where(
        jobs.c.state == State.QUEUED,
        history.c.what.in_([*_LACKS, Event.CLAIMED, Event.RELEASED, Event.RETRIED]),
    )
    .order_by(history.c.id)
)
_TOLD = (
    select(history.c.job_id, history.c.at_s, history.c.who, history.c.what, history.c.why, sessions.c.host)
    .outerjoin_from(history, sessions, sessions.c.id == history.c.who)
    .where(history.c.id.in_(each_id("ids")))
)
_NEWEST = select(func.max(attempts.c.id)).where(attempts.c.job_id == jobs.c.id).correlate(jobs).scalar_subquery()
_TROUBLED = (
    select(attempts.c.job_id, attempts.c.trouble, attempts.c.reason, attempts.c.ended_at_s, attempts.c.session_id)
    .add_columns(sessions.c.host)
    .join_from(attempts, jobs, attempts.c.id == _NEWEST)
    .join(sessions, sessions.c.id == attempts.c.session_id)
    .where(jobs.c.state == State.QUEUED, attempts.c.trouble.is_not(None), attempts.c.ended_at_s.is_not(None))
)
