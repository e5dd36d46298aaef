"""What a done job keeps: the models of its best and last epochs, and not what only further training would need.

A checkpoint of these takes the place of its states. Its head holds no tensors, only what the model's variables are
called. Always true: a job whose whole state a person wants, or which is not done, is left alone, and so is one whose
files do not tell the model apart, as where an older qcqueue stored a state in one file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from qcqueue.core.states import State
from qcqueue.database.rows import next_id
from qcqueue.database.schema import blobs, checkpoints, jobs, results
from qcqueue.queue.blobs import IS_KEPT, live_packs, name_blob
from qcqueue.queue.checkpoints import NewCheckpoint, resumable, write
from qcqueue.queue.values import Checkpoint, StateBlobs
from qcqueue.stores.base import Blob

HEAD = "head"
"""The kind of a head without tensors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeState:
    """A done job that still keeps all that further training would need. head: of its newest state."""

    job_name: str
    head: Blob


def keep_weights_only(tx: Connection, job_name: str, head: Blob, *, now_s: float) -> tuple[Blob, ...]:
    """Let go of all of a done job but its weights; return what nothing needs any more, for the caller to delete.

    head: stored already, made of that of its newest state. It is returned too where the job is left alone.
    """
    job = tx.execute(_WHOLE_ONE, {"job": job_name}).one_or_none()
    newest, model = _newest(tx, job.id, live_packs(tx)) if job else (None, ())
    if job is None or newest is None:
        return (head,)
    name_blob(tx, head, kind=HEAD, now_s=now_s)
    row = {
        "job_id": job.id,
        "attempt_id": job.attempt_id,
        "epochs_done": newest.record.epochs_done,
        "steps_done": 0,
        "lineage": newest.record.lineage,
        "state_sha256": head.sha256,
        "record": newest.record_json,
        "status": "kept",
        "recorded_at_s": now_s,
    }
    new = NewCheckpoint(row=row, state=StateBlobs(head=head, packs=model), best=newest.best)
    return write(tx, job.id, [new], lambda kept: {kept[0].id}, first_id=next_id(tx, checkpoints))


def keeps_weights_only(tx: Connection, job_id: int) -> bool:
    """Return whether a job has let go of its states."""
    return tx.execute(_HEAD_KIND, {"job_id": job_id}).scalar_one_or_none() == HEAD


def whole_states(tx: Connection) -> tuple[WholeState, ...]:
    """Return the done jobs whose states can be let go of, in the order of the queue."""
    live = live_packs(tx)
    found = [(row.name, _newest(tx, row.id, live)[0]) for row in tx.execute(_WHOLE).all()]
    return tuple(WholeState(job_name=name, head=newest.state.head) for name, newest in found if newest)


def _newest(tx: Connection, job_id: int, live: Mapping[str, Blob]) -> tuple[Checkpoint | None, tuple[Blob, ...]]:
    """Return the newest checkpoint of a done job and the packs of its own model, None where they cannot be told apart.

    The packs of a model come first in every state of a run and have the same sizes in all (`checkpoints.packs`).
    """
    newest = next(iter(resumable(tx, job_id, live)), None)
    if newest is None or newest.record.partial.steps_done or not newest.best:
        return None, ()
    model = newest.state.packs[: len(newest.best)]
    is_told_apart = [pack.size_bytes for pack in model] == [pack.size_bytes for pack in newest.best]
    return (newest, model) if is_told_apart else (None, ())


_NEWEST_ID: Any = (
    select(func.max(checkpoints.c.id))
    .where(checkpoints.c.job_id == jobs.c.id, IS_KEPT)
    .correlate(jobs)
    .scalar_subquery()
)
_WHOLE = (
    select(jobs.c.id, jobs.c.name, results.c.attempt_id)
    .join_from(jobs, results)
    .join(checkpoints, checkpoints.c.id == _NEWEST_ID)
    .join(blobs, blobs.c.sha256 == checkpoints.c.state_sha256)
    .where(jobs.c.state == State.DONE, ~jobs.c.keep_state, blobs.c.kind != HEAD)
    .order_by(jobs.c.position)
)
_HEAD_KIND = (
    select(blobs.c.kind)
    .join_from(jobs, checkpoints, checkpoints.c.id == _NEWEST_ID)
    .join(blobs, blobs.c.sha256 == checkpoints.c.state_sha256)
    .where(jobs.c.id == bindparam("job_id"))
)
_WHOLE_ONE = _WHOLE.where(jobs.c.name == bindparam("job"))
