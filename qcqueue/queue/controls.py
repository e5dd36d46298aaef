"""What a person may do to a job: hold, release, cancel, retry, move. Each is one transaction and one story line.

Holding or cancelling a running job ends its attempt at once in the database. The session learns it at its next
heartbeat or commit and leaves; what it trained since the last commit is trained again after a release.
"""

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Connection, Row, select, update

from qcqueue.core.outcomes import Outcome
from qcqueue.core.states import Event, State, next_state
from qcqueue.database.rows import vouch_for_ended
from qcqueue.database.schema import attempts, jobs
from qcqueue.errors import UserError
from qcqueue.queue.history import record_event
from qcqueue.queue.jobs import find_job, find_jobs, step

Control = Literal["hold", "release", "cancel", "retry"]
Where = Literal["first", "last", "before"]

EVENTS: dict[Control, Event] = {
    "hold": Event.HELD,
    "release": Event.RELEASED,
    "cancel": Event.CANCELLED,
    "retry": Event.RETRIED,
}


def control(tx: Connection, typed: str, action: Control, *, who: str, now_s: float) -> tuple[str, State]:
    """Apply one of the four to a job; return its full name and new state.

    Raises: UnknownName, IllegalTransition: nothing is changed.
    """
    job = find_job(tx, typed)
    event = EVENTS[action]
    state = step(tx, job, event, now_s=now_s)
    if job.state == State.RUNNING:
        _end_live_attempt(tx, job, reason=f"{event} by {who}", now_s=now_s)
    record_event(tx, who=who, what=str(event), now_s=now_s, job_id=job.id, why=f"was {job.state}")
    return job.name, state


def control_all(tx: Connection, typed: str, action: Control, *, who: str, now_s: float) -> Sequence[tuple[str, State]]:
    """Apply one of the four to a job, or to those of a study ("six-models/") that it is legal for; return them.

    Raises: UnknownName. IllegalTransition: it is legal for none; nothing is changed.
    """
    found = find_jobs(tx, typed)
    legal = [job for job in found if next_state(State(job.state), EVENTS[action])]
    return [control(tx, job.name, action, who=who, now_s=now_s) for job in legal or found[:1]]


def move(tx: Connection, typed: str, where: Where, other: str | None, *, who: str, now_s: float) -> str:
    """Move a job within the queue, where it keeps its place from now on; return its full name.

    Raises: UnknownName, UserError.
    """
    job = find_job(tx, typed)
    order = [row.id for row in tx.execute(select(jobs.c.id).order_by(jobs.c.position)) if row.id != job.id]
    target = find_job(tx, other) if other is not None else None
    if target is not None and target.id == job.id:
        raise UserError(f"{job.name} cannot be moved before itself", hint=f"qcqueue move {job.name} first")
    index = {"first": 0, "last": len(order), "before": order.index(target.id) if target else 0}[where]
    order.insert(index, job.id)
    for position, job_id in enumerate(order, start=1):
        tx.execute(update(jobs).where(jobs.c.id == job_id).values(position=position))
    tx.execute(update(jobs).where(jobs.c.id == job.id).values(moved=True))
    why = where if target is None else f"before {target.name}"
    record_event(tx, who=who, what="moved", now_s=now_s, job_id=job.id, why=why)
    return str(job.name)


def _end_live_attempt(tx: Connection, job: Row[Any], *, reason: str, now_s: float) -> None:
    live = select(attempts.c.id).where(attempts.c.job_id == job.id, attempts.c.outcome.is_(None))
    for attempt_id in tx.execute(live).scalars().all():
        ended = {"outcome": Outcome.STOPPED, "reason": reason, "ended_at_s": now_s}
        tx.execute(update(attempts).where(attempts.c.id == attempt_id).values(ended))
        vouch_for_ended(tx, attempt_id)
