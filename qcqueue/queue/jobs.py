"""Finding a job by what a person typed, what its run began on, and moving it by the one table of legal steps."""

import difflib
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, func, select, update

from qcqueue.core.outcomes import Cause
from qcqueue.core.records import Identity
from qcqueue.core.states import Event, State, allowed_events, next_state
from qcqueue.database.schema import checkpoints, jobs
from qcqueue.errors import IllegalTransition, UnknownName
from qcqueue.queue.blobs import IS_KEPT
from qcqueue.queue.stored import record_of

COMMANDS = {
    Event.HELD: "hold",
    Event.RELEASED: "release",
    Event.CANCELLED: "cancel",
    Event.RETRIED: "retry",
}


def find_job(tx: Connection, typed: str) -> Row[Any]:
    """Return the row of the job with this full name, or this short name if only one study has it.

    Raises: UnknownName: with the nearest name, or the several it could mean.
    """
    row = tx.execute(select(jobs).where(jobs.c.name == typed)).one_or_none()
    if row is not None:
        return row
    found = tx.execute(select(jobs.c.name, jobs.c.study, jobs.c.state).order_by(jobs.c.position)).all()
    matching = [row for row in found if row.name.partition("/")[2] == typed.lower()]
    # What was given up is meant only where nothing else can be.
    matching = [row for row in matching if row.state != State.CANCELLED] or matching
    if len(matching) == 1:
        return tx.execute(select(jobs).where(jobs.c.name == matching[0].name)).one()
    if matching:
        names = [row.name for row in matching]
        raise UnknownName(f"{typed!r} could be {' or '.join(names)}", hint=f"qcqueue show {names[0]}")
    if any(row.study == typed for row in found):
        raise UnknownName(f"{typed} is a study; its jobs together are {typed}/", hint="qcqueue status")
    raise UnknownName(f"there is no job {typed!r}{_nearest(typed, [row.name for row in found])}", hint="qcqueue status")


def find_jobs(tx: Connection, typed: str) -> Sequence[Row[Any]]:
    """Return the rows of all jobs of a study, typed as "six-models/", in the order of the queue; else of the one job.

    Raises: UnknownName, as `find_job`.
    """
    if not typed.endswith("/"):
        return [find_job(tx, typed)]
    study = typed.removesuffix("/")
    if found := tx.execute(select(jobs).where(jobs.c.study == study).order_by(jobs.c.position)).all():
        return found
    studies = list(tx.execute(select(jobs.c.study).distinct().order_by(jobs.c.study)).scalars())
    close = difflib.get_close_matches(study, studies, n=1)
    nearest = f"; did you mean {close[0]}/?" if close else ""
    raise UnknownName(f"there is no study {study!r}{nearest}", hint="qcqueue status")


def step(
    tx: Connection,
    job: Row[Any],
    event: Event,
    *,
    now_s: float,
    failure: tuple[Cause, str] | None = None,
) -> State:
    """Apply `event` to the job, or refuse it with the state found. Returns the new state.

    failure is given with Event.FAILED and only then. Raises: IllegalTransition.
    """
    found = State(job.state)
    state = next_state(found, event)
    if state is None:
        raise IllegalTransition(_refusal(job.name, found, event), hint=f"qcqueue why {job.name}")
    cause, message = failure or (None, None)
    changes = {"state": state, "failure_cause": cause, "failure_message": message, "updated_at_s": now_s}
    tx.execute(_UPDATE, {"job": job.id, **changes})
    return state


_UPDATE = update(jobs).where(jobs.c.id == bindparam("job"))


def _refusal(name: str, found: State, event: Event) -> str:
    possible = [COMMANDS[other] for other in allowed_events(found) if other in COMMANDS]
    choice = f"; it can be changed with {' or '.join(possible)}" if possible else ""
    return f"{name} is {found} and cannot be {event}{choice}"


def _nearest(typed: str, names: list[str]) -> str:
    short = {name.partition("/")[2]: name for name in names} | {name: name for name in names}
    close = difflib.get_close_matches(typed.lower(), short, n=1)
    return f"; did you mean {short[close[0]]}?" if close else ""


def begun_on(tx: Connection, names: Collection[str]) -> dict[str, Identity]:
    """Return, for each of these jobs that has a kept checkpoint, the identity its run goes on from: of the newest."""
    if not names:
        return {}
    rows = tx.execute(_NEWEST_RECORDS, {"names": list(names)})
    return {row.name: record_of(row.record).identity for row in rows}


_NAMES: BindParameter[str] = bindparam("names", expanding=True)
_NEWEST = (
    select(func.max(checkpoints.c.id))
    .where(checkpoints.c.job_id == jobs.c.id, IS_KEPT)
    .correlate(jobs)
    .scalar_subquery()
)
_NEWEST_RECORDS = (
    select(jobs.c.name, checkpoints.c.record)
    .join_from(jobs, checkpoints, checkpoints.c.id == _NEWEST)
    .where(jobs.c.name.in_(_NAMES))
)
