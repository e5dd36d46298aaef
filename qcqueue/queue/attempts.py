"""What a session writes while it holds a job. Every function names the attempt; only the live one may write.

Progress, the final result, a stop, a failure: each is one transaction that first asks whether the attempt still
holds the job. A session that was asleep while another took over is refused here, whatever its clock says. Each may be
written again, word for word, by whoever was not told what came of the first time: it then changes nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from qcqueue.core.canonical import canonical_json
from qcqueue.core.evaluation import Result
from qcqueue.core.outcomes import Cause, Outcome
from qcqueue.core.records import EpochMetrics, EpochTiming, TrainingRecord
from qcqueue.core.states import Event
from qcqueue.database.schema import attempts, blobs, checkpoints, epochs, jobs, results
from qcqueue.errors import LeaseLost
from qcqueue.queue.blobs import find_blobs, name_blob, name_blobs
from qcqueue.queue.jobs import step
from qcqueue.queue.story import tell
from qcqueue.queue.values import Checkpoint, Claim
from qcqueue.storage.base import Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A checkpoint that is kept now, as a retention policy sees it; newest first in a list."""

    id: int
    state_sha256: str
    epochs_done: int
    steps_done: int


Keep = Callable[[Sequence[Kept], Sequence[EpochMetrics]], set[int]]
"""A retention policy: from the kept checkpoints and the epochs of the run so far, the ids of those to keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One thing a trainer handed over, ready to be committed: a state, and the epoch it finished, if any."""

    state: Blob
    record: TrainingRecord
    timing: EpochTiming | None = None
    """None for a state saved within an epoch or before its validation."""
    record_json: str = field(init=False, repr=False)
    """Made once and before the transaction, which may run again and should hold its lock for as short as it can."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "record_json", canonical_json(self.record.to_json()))


@dataclass(frozen=True, slots=True)
class Live:
    """The row ids behind a claim that still holds."""

    id: int
    job_id: int


def check_live(tx: Connection, held: Claim) -> Live:
    """Return the rows of the live attempt. Raises: LeaseLost: it has ended; says how."""
    row = tx.execute(_ATTEMPT, {"job": held.job_name, "attempt": held.attempt}).one()
    if row.outcome is not None:
        raise LeaseLost(
            f"attempt {held.attempt} of {held.job_name} has ended: {row.reason}", hint=f"qcqueue log {held.job_name}"
        )
    return Live(row.id, row.job_id)


# Statements of every commit are built once: building one costs about as much as running it.
_ATTEMPT = (
    select(attempts.c.id, attempts.c.job_id, attempts.c.outcome, attempts.c.reason)
    .join_from(attempts, jobs)
    .where(jobs.c.name == bindparam("job"), attempts.c.number == bindparam("attempt"))
)
_KEPT = (
    select(checkpoints.c.id, checkpoints.c.state_sha256, checkpoints.c.epochs_done, checkpoints.c.steps_done)
    .where(checkpoints.c.job_id == bindparam("job_id"), checkpoints.c.status == "kept")
    .order_by(checkpoints.c.id.desc())
)
# What was written last, newest first: whoever writes the same again can only mean these.
_WRITTEN = (
    select(checkpoints.c.state_sha256, checkpoints.c.epochs_done, checkpoints.c.steps_done)
    .where(checkpoints.c.job_id == bindparam("job_id"), checkpoints.c.attempt_id == bindparam("attempt"))
    .order_by(checkpoints.c.id.desc())
    .limit(bindparam("most"))
)
_NAMED = select(checkpoints.c.state_sha256).where(checkpoints.c.job_id == bindparam("job_id"))
_UNWANTED = (
    select(blobs.c.sha256, blobs.c.size_bytes, blobs.c.place)
    .where(blobs.c.deleted_at_s.is_(None), blobs.c.sha256.in_(_NAMED.where(checkpoints.c.status == "retired")))
    .where(blobs.c.sha256.not_in(_NAMED.where(checkpoints.c.status == "kept")))
    .order_by(blobs.c.sha256)
)
_TOUCH = update(jobs).where(jobs.c.id == bindparam("job"))
_RETIRE = update(checkpoints).where(checkpoints.c.id == bindparam("unwanted")).values(status="retired", record="")


def resume(
    tx: Connection, held: Claim, chosen: Checkpoint | None, *, damaged: Iterable[tuple[Checkpoint, str]], now_s: float
) -> tuple[Blob, ...]:
    """Record where the attempt takes the run up, and the newer checkpoints that could not be read.

    Epochs recorded after `chosen` lose their official rows: their state is gone, so they are trained again.
    Returns the states that earlier attempts should have deleted and, as far as is known, have not.
    """
    attempt = check_live(tx, held)
    for checkpoint, why in damaged:
        found = tx.execute(
            update(checkpoints)
            .where(checkpoints.c.job_id == attempt.job_id, checkpoints.c.state_sha256 == checkpoint.state.sha256)
            .where(checkpoints.c.status == "kept")
            .values(status="damaged")
        )
        if not found.rowcount:
            continue
        tell(
            tx,
            who=held.session_id,
            what="checkpoint damaged",
            now_s=now_s,
            job_id=attempt.job_id,
            attempt=held.attempt,
            why=f"after epoch {checkpoint.record.epochs_done}: {why}",
        )
    start = chosen.record.epochs_done if chosen else 0
    tx.execute(
        update(epochs)
        .where(epochs.c.job_id == attempt.job_id, epochs.c.epoch > start, epochs.c.official)
        .values(official=False)
    )
    return _unwanted(tx, attempt.job_id)


def commit_progress(
    tx: Connection, held: Claim, items: Sequence[Progress], *, keep: Keep, now_s: float
) -> tuple[Blob, ...]:
    """Commit what the trainer handed over, in its order; return the states that nothing needs any more.

    The caller has stored and verified every blob before, and deletes the returned ones after. What it cannot delete
    the next attempt is told to, by `resume`.
    """
    attempt = check_live(tx, held)
    written = tx.execute(_WRITTEN, {"job_id": attempt.job_id, "attempt": attempt.id, "most": len(items)})
    known = {(row.state_sha256, row.epochs_done, row.steps_done) for row in written}
    items = [item for item in items if _place_in_run(item) not in known]
    if not items:
        return _unwanted(tx, attempt.job_id)
    name_blobs(tx, [item.state for item in items], kind="state", now_s=now_s)
    finished = [_epoch(attempt, item.record, item.timing, now_s=now_s) for item in items if item.timing is not None]
    if finished:
        tx.execute(insert(epochs), finished)
    tx.execute(insert(checkpoints), [_checkpoint(attempt, item, now_s=now_s) for item in items])
    tx.execute(_TOUCH, {"job": attempt.job_id, "updated_at_s": now_s})
    return _retire(tx, attempt.job_id, items[-1].record.history, keep)


def finish(tx: Connection, held: Claim, result: Result, predictions: Blob, *, now_s: float) -> None:
    """Commit the final evaluation; the job is done."""
    why = f"validation accuracy {result.best.validation.accuracy:.3f} at its best epoch {result.best.epoch}"
    if _has_ended_so(tx, held, Outcome.FINISHED, why):
        return
    attempt = check_live(tx, held)
    name_blob(tx, predictions, kind="predictions", now_s=now_s)
    tx.execute(
        insert(results).values(
            job_id=attempt.job_id,
            attempt_id=attempt.id,
            result=canonical_json(result.to_json()),
            predictions_sha256=predictions.sha256,
            committed_at_s=now_s,
        )
    )
    _end(tx, held, Event.FINISHED, Outcome.FINISHED, why=why, now_s=now_s)


def stop(tx: Connection, held: Claim, *, why: str, now_s: float) -> None:
    """Give the job back on purpose, everything saved; it is queued again."""
    _end(tx, held, Event.STOPPED, Outcome.STOPPED, why=why, now_s=now_s)


def interrupt(tx: Connection, held: Claim, *, why: str, now_s: float) -> None:
    """Give the job back because its trainer vanished; spends nothing."""
    _end(tx, held, Event.INTERRUPTED, Outcome.INTERRUPTED, why=why, now_s=now_s)


def fail(tx: Connection, held: Claim, cause: Cause, message: str, *, now_s: float) -> None:
    """End the job for a final cause."""
    _end(tx, held, Event.FAILED, Outcome.FAILED, why=message, now_s=now_s, failure=(cause, message))


def _end(
    tx: Connection,
    held: Claim,
    event: Event,
    outcome: Outcome,
    *,
    why: str,
    now_s: float,
    failure: tuple[Cause, str] | None = None,
) -> None:
    if _has_ended_so(tx, held, outcome, why):
        return
    attempt = check_live(tx, held)
    tx.execute(
        update(attempts).where(attempts.c.id == attempt.id).values(outcome=outcome, reason=why, ended_at_s=now_s)
    )
    job = tx.execute(select(jobs).where(jobs.c.id == attempt.job_id)).one()
    step(tx, job, event, now_s=now_s, failure=failure)
    tell(tx, who=held.session_id, what=str(event), now_s=now_s, job_id=job.id, attempt=held.attempt, why=why)


def _has_ended_so(tx: Connection, held: Claim, outcome: Outcome, why: str) -> bool:
    row = tx.execute(_ATTEMPT, {"job": held.job_name, "attempt": held.attempt}).one()
    return (row.outcome, row.reason) == (outcome, why)


def _epoch(attempt: Live, record: TrainingRecord, timing: EpochTiming, *, now_s: float) -> dict[str, Any]:
    return {
        "job_id": attempt.job_id,
        "attempt_id": attempt.id,
        "official": True,
        **asdict(record.history[-1]),
        **asdict(timing),
        "identity": canonical_json(asdict(record.identity)),
        "lineage": record.lineage,
        "recorded_at_s": now_s,
    }


def _checkpoint(attempt: Live, item: Progress, *, now_s: float) -> dict[str, Any]:
    return {
        "job_id": attempt.job_id,
        "attempt_id": attempt.id,
        "epochs_done": item.record.epochs_done,
        "steps_done": item.record.partial.steps_done,
        "lineage": item.record.lineage,
        "state_sha256": item.state.sha256,
        "record": item.record_json,
        "status": "kept",
        "recorded_at_s": now_s,
    }


def _place_in_run(item: Progress) -> tuple[str, int, int]:
    return item.state.sha256, item.record.epochs_done, item.record.partial.steps_done


def _retire(tx: Connection, job_id: int, history: Sequence[EpochMetrics], keep: Keep) -> tuple[Blob, ...]:
    kept = [Kept(**row._mapping) for row in tx.execute(_KEPT, {"job_id": job_id})]
    wanted = keep(kept, history)
    unwanted = [row for row in kept if row.id not in wanted]
    # The record of a retired checkpoint is of no use without its tensors; its line stays for the story.
    if unwanted:
        tx.execute(_RETIRE, [{"unwanted": row.id} for row in unwanted])
    still_named = {row.state_sha256 for row in kept if row.id in wanted}
    return find_blobs(tx, {row.state_sha256 for row in unwanted} - still_named)


def _unwanted(tx: Connection, job_id: int) -> tuple[Blob, ...]:
    """Return the states of a job that only retired checkpoints name and that are not known to be deleted."""
    rows = tx.execute(_UNWANTED, {"job_id": job_id})
    return tuple(Blob(sha256=row.sha256, size_bytes=row.size_bytes, place=row.place) for row in rows)
