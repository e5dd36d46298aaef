"""One line a job: all that `status` needs, in a module of its own because `status` must answer at once."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, case, func, select

from qcqueue.core.outcomes import Cause, Outcome
from qcqueue.core.states import State
from qcqueue.database.schema import IS_OFFICIAL, attempts, epochs, jobs
from qcqueue.queue.obstacles import KnownObstacle, obstacles_known


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """One job as `status` shows it. session is the live one, interruptions counts attempts that vanished.

    only_on: where a queued job that may not go on on every machine waits to be taken, None where any will do.
    left_by: the session that holds it by the queue and is known to be gone; whoever knows shows the job as queued.
    obstacle: what was found to keep a queued job from running, None where nothing is known to. owner: whose it is, None
    for anybody's.
    """

    name: str
    study: str
    model: str
    state: State
    epochs_done: int
    epochs: int
    attempts: int
    interruptions: int
    session: str | None
    failure_cause: Cause | None
    failure_message: str | None
    updated_at_s: float
    only_on: str | None = None
    left_by: str | None = None
    obstacle: KnownObstacle | None = None
    owner: str | None = None


def job_lines(tx: Connection) -> list[JobLine]:
    """Return every job in the order of the queue."""
    return _lines(tx)


def job_line(tx: Connection, job_id: int) -> JobLine:
    """Return one job, without a look at the others."""
    (line,) = _lines(tx, job_id)
    return line


def _lines(tx: Connection, job_id: int | None = None) -> list[JobLine]:
    def of(column: Column[int]) -> tuple[ColumnElement[bool], ...]:
        return () if job_id is None else (column == job_id,)

    number = select(epochs.c.job_id, func.count()).where(IS_OFFICIAL, *of(epochs.c.job_id)).group_by(epochs.c.job_id)
    done: dict[int, int] = {row[0]: row[1] for row in tx.execute(number)}
    lives = {
        row.job_id: row
        for row in tx.execute(
            select(
                attempts.c.job_id,
                func.count().label("attempts"),
                func.sum(case((attempts.c.outcome == Outcome.INTERRUPTED, 1), else_=0)).label("interruptions"),
                func.max(case((attempts.c.outcome.is_(None), attempts.c.session_id))).label("session"),
            )
            .where(*of(attempts.c.job_id))
            .group_by(attempts.c.job_id)
        )
    }
    columns = [
        jobs.c.id,
        jobs.c.name,
        jobs.c.study,
        jobs.c.model,
        jobs.c.epochs,
        jobs.c.state,
        jobs.c.failure_cause,
        jobs.c.failure_message,
        jobs.c.updated_at_s,
        jobs.c.owner,
    ]
    rows = tx.execute(select(*columns).where(*of(jobs.c.id)).order_by(jobs.c.position)).all()
    only_on, obstacles = _only_on(tx, *of(jobs.c.id)), obstacles_known(tx, *of(jobs.c.id))
    return [
        _job_line(row, done.get(row.id, 0), lives.get(row.id), only_on.get(row.name), obstacles.get(row.id))
        for row in rows
    ]


def _only_on(tx: Connection, *which: ColumnElement[bool]) -> dict[str, str]:
    """Return where the queued jobs wait that may not go on everywhere; few have this key in their specs."""
    rows = tx.execute(
        select(jobs.c.name, jobs.c.spec).where(jobs.c.state == State.QUEUED, jobs.c.spec.contains('"lineage"'), *which)
    )
    specs = {row.name: row.spec for row in rows}
    if not specs:
        return {}
    # Imported here: what most queues never ask must not keep `status` waiting.
    from qcqueue.core.lineage import bound_to
    from qcqueue.queue.jobs import begun_on
    from qcqueue.queue.stored import spec_of

    policies = {name: spec_of(spec).lineage for name, spec in specs.items()}
    bound = {name: bound_to(policies[name], identity) for name, identity in begun_on(tx, policies).items()}
    return {name: only_on for name, only_on in bound.items() if only_on}


def _job_line(
    row: Row[Any], epochs_done: int, lives: Row[Any] | None, only_on: str | None, obstacle: KnownObstacle | None
) -> JobLine:
    return JobLine(
        name=row.name,
        study=row.study,
        model=row.model,
        state=State(row.state),
        epochs_done=epochs_done,
        epochs=row.epochs,
        attempts=lives.attempts if lives else 0,
        interruptions=lives.interruptions if lives else 0,
        session=lives.session if lives else None,
        failure_cause=Cause(row.failure_cause) if row.failure_cause else None,
        failure_message=row.failure_message,
        updated_at_s=row.updated_at_s,
        only_on=only_on,
        obstacle=obstacle,
        owner=row.owner,
    )
