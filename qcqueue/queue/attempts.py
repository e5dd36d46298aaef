"""What a session writes while it holds a job. Every function names the attempt; only the live one may write.

Progress, the final result, a stop, a failure: each is one transaction that first asks whether the attempt still
holds the job. A session that was asleep while another took over is refused here, whatever its clock says. Each may be
written again, word for word, by whoever was not told what came of the first time: it then changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, insert, select, update

from qcqueue.core.canonical import canonical_json
from qcqueue.core.evaluation import Result
from qcqueue.core.goodput import Part, Seconds, add, total
from qcqueue.core.outcomes import Cause, Outcome
from qcqueue.core.records import EpochTiming, TrainingRecord
from qcqueue.core.rehearsal import Rehearsal
from qcqueue.core.states import Event
from qcqueue.database.schema import attempts, checkpoints, epochs, jobs, results
from qcqueue.errors import LeaseLost
from qcqueue.queue.blobs import call_heads, name_blob, name_blobs
from qcqueue.queue.checkpoints import (
    Keep,
    Written,
    adopt,
    drop_packs_of_the_unkept,
    named_now,
    unwanted,
    write,
)
from qcqueue.queue.claim import note_seen
from qcqueue.queue.jobs import step
from qcqueue.queue.reading import seconds_of
from qcqueue.queue.story import tell
from qcqueue.queue.values import PROBE, Checkpoint, Claim, State
from qcqueue.storage.base import Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One thing a trainer handed over, ready to be committed: a state, the epoch it finished, or both.

    best: what holds the model of the best epoch up to here, once an epoch is finished.
    """

    record: TrainingRecord
    state: State | None
    """None for an epoch whose own state was not stored, because a newer one was."""
    best: tuple[Blob, ...] = ()
    timing: EpochTiming | None = None
    """None for a state saved within an epoch or before its validation."""
    record_json: str = field(init=False, repr=False)
    """Made once and before the transaction, which may run again and should hold its lock for as short as it can."""
    epoch_row: Mapping[str, Any] = field(init=False, repr=False, compare=False)
    """The finished epoch, as its table wants it; made before the transaction too."""

    def __post_init__(self) -> None:
        if self.state is None:
            assert self.timing is not None, "without a state it is an epoch"
        else:
            assert self.best or not self.record.history, "a checkpoint names its best epoch"
        object.__setattr__(self, "record_json", canonical_json(self.record.to_json()) if self.state else "")
        object.__setattr__(self, "epoch_row", _epoch_row(self.record, self.timing) if self.timing else {})

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """All that a checkpoint of it names."""
        return (*self.state.blobs, *self.best) if self.state else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What came of a commit. Where blobs are missing, nothing was written."""

    retired: tuple[Blob, ...] = ()
    """Heads and packs that no kept checkpoint of any job names any more: to be deleted."""
    missing: frozenset[str] = frozenset()
    """Digests that must be stored (again): no kept checkpoint names them now, so their bytes may be gone."""
    redone: frozenset[int] = frozenset()
    """Epochs among them that had been committed before, by an earlier attempt whose state was lost."""


@dataclass(frozen=True, slots=True)
class Live:
    """The row ids behind a claim that still holds."""

    id: int
    job_id: int


def check_live(tx: Connection, held: Claim) -> Live:
    """Return the rows of the live attempt. Raises: LeaseLost: it has ended; says how."""
    return _live(held, tx.execute(_ATTEMPT, {"job": held.job_name, "attempt": held.attempt}).one())


def _live(held: Claim, row: Any) -> Live:
    if row.outcome is not None:
        raise LeaseLost(
            f"attempt {held.attempt} of {held.job_name} has ended: {row.reason}", hint=f"qcqueue log {held.job_name}"
        )
    return Live(row.id, row.job_id)


# Statements of every commit are built once: building one costs about as much as running it.
_STANDING = (attempts.c.id, attempts.c.job_id, attempts.c.outcome, attempts.c.reason)
_IS_THIS = and_(jobs.c.name == bindparam("job"), attempts.c.number == bindparam("attempt"))
_ATTEMPT = select(*_STANDING).join_from(attempts, jobs).where(_IS_THIS)
_LEDGER = select(attempts.c.seconds, attempts.c.pace).join_from(attempts, jobs).where(_IS_THIS)
# With the last checkpoints of the job, newest first: whoever writes the same again can only mean those of its own.
_WRITTEN = (
    select(
        *_STANDING,
        checkpoints.c.attempt_id,
        checkpoints.c.state_sha256,
        checkpoints.c.epochs_done,
        checkpoints.c.steps_done,
        exists().where(epochs.c.job_id == jobs.c.id, ~epochs.c.official).label("has_replaced_epochs"),
    )
    .join_from(attempts, jobs)
    .outerjoin(checkpoints, checkpoints.c.job_id == jobs.c.id)
    .where(_IS_THIS)
    .order_by(checkpoints.c.id.desc())
    .limit(bindparam("most"))
)
_WRITTEN_EPOCHS = select(epochs.c.epoch).where(
    epochs.c.attempt_id == bindparam("attempt"), epochs.c.epoch.in_(bindparam("epochs", expanding=True))
)
_REPLACED = select(epochs.c.epoch).where(
    epochs.c.job_id == bindparam("job_id"), ~epochs.c.official, epochs.c.epoch.in_(bindparam("epochs", expanding=True))
)
_EPOCHS = insert(epochs)
_TOUCH = update(jobs).where(jobs.c.id == bindparam("job"))
_SECONDS = update(attempts).where(
    attempts.c.job_id == select(jobs.c.id).where(jobs.c.name == bindparam("job")).scalar_subquery(),
    attempts.c.number == bindparam("attempt"),
    attempts.c.outcome.is_(None),
)


def resume(
    tx: Connection, held: Claim, chosen: Checkpoint | None, *, damaged: Iterable[tuple[Checkpoint, str]], now_s: float
) -> tuple[Blob, ...]:
    """Record where the attempt takes the run up, and the newer checkpoints that could not be read.

    Epochs recorded after `chosen` lose their official rows: their state is gone, so they are trained again.
    Returns every head and pack of the queue that no kept checkpoint names and that, as far as is known, whoever retired
    it has not deleted.
    """
    attempt = check_live(tx, held)
    adopt(tx, attempt.job_id)
    for checkpoint, why in damaged:
        found = tx.execute(
            update(checkpoints)
            .where(checkpoints.c.job_id == attempt.job_id)
            .where(checkpoints.c.state_sha256 == checkpoint.state.head.sha256)
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
    drop_packs_of_the_unkept(tx)
    start = chosen.record.epochs_done if chosen else 0
    tx.execute(
        update(epochs)
        .where(epochs.c.job_id == attempt.job_id, epochs.c.epoch > start, epochs.c.official)
        .values(official=False)
    )
    return unwanted(tx)


def commit_progress(
    tx: Connection,
    held: Claim,
    items: Sequence[Progress],
    *,
    stored: AbstractSet[str],
    mended: AbstractSet[str] = frozenset(),
    trained_before_s: float | None = None,
    keep: Keep,
    now_s: float,
) -> Committed:
    """Commit what the trainer handed over, in its order; its last state is where the run can be taken up.

    stored: digests this attempt has stored and verified itself and that no commit has named since. Once one has, only
    a kept checkpoint vouches for a blob: when none names it, somebody may be deleting it. mended: those among them that
    were found damaged where the database says they are; from now on they are found anew. trained_before_s: given where
    the session has died, whose account calls this work lost or does not know it: what earlier attempts had trained of
    the first of these epochs. The caller deletes what is
    retired; what it cannot delete the next attempt is told to, by `resume`.
    """
    states = [item.record.epochs_done for item in items if item.state]
    assert not items or (states and states[-1] == max(item.record.epochs_done for item in items)), "epochs need a state"
    attempt, new, old, redone = _compare(tx, held, items)
    if not new:
        return Committed(retired=unwanted(tx), redone=redone)
    blobs = {blob.sha256: blob for item in new for blob in item.blobs}
    named, doomed = named_now(tx, blobs)
    written = {blob.sha256 for item in old for blob in item.blobs}
    named -= mended - written  # what is written already is mended already
    vouched_for = named | (stored - doomed - written)
    if missing := blobs.keys() - vouched_for:
        return Committed(missing=frozenset(missing))
    heads = {item.state.head.sha256 for item in new if item.state}
    unnamed = [(blob, "state" if sha256 in heads else "pack") for sha256, blob in blobs.items() if sha256 not in named]
    name_blobs(tx, unnamed, now_s=now_s)
    call_heads(tx, heads & named)
    whose = {"job_id": attempt.job_id, "attempt_id": attempt.id, "official": True, "recorded_at_s": now_s}
    finished = [{**whose, **item.epoch_row} for item in new if item.timing]
    if finished:
        tx.execute(_EPOCHS, finished)
    retired = write(tx, attempt.job_id, [it for item in new for it in _written(attempt, item, now_s=now_s)], keep)
    tx.execute(_TOUCH, {"job": attempt.job_id, "updated_at_s": now_s})
    if trained_before_s is not None:
        _give_back(tx, held, [item for item in new if item.record.epochs_done not in redone], trained_before_s)
    # Whoever was not told what came of the first time was not told either what that retired.
    return Committed(retired=unwanted(tx) if old else retired, redone=redone)


def record_seconds(
    tx: Connection,
    held: Claim,
    *,
    attempt: Mapping[str, float],
    session: Mapping[str, float],
    pace: Mapping[str, float] = {},
    rehearsal: Rehearsal | None = None,
    probe_s: float | None = None,
    seen_at_s: float,
) -> None:
    """Write down what the time of the attempt and of its session went into so far, and that the session lived then.

    pace: what the session measured to decide how often to save; rehearsal: what came of one, if there was any; probe_s:
    what the fixed step of the probe took, if it was made. All of it replaces that of before. It stands before another
    write, in one transaction with it. Of an attempt that has ended it writes nothing: either it was written with that
    end, whose answer was lost, or it is nobody's business.
    """
    paced = pace if probe_s is None else {**pace, PROBE: probe_s}
    written = {"seconds": canonical_json(attempt), "pace": canonical_json(paced)}
    if rehearsal:
        written["rehearsal"] = canonical_json(rehearsal.to_json())
    if tx.execute(_SECONDS, {"job": held.job_name, "attempt": held.attempt, **written}).rowcount:
        note_seen(tx, held.session_id, seen_at_s, seconds=canonical_json(session))


def _give_back(tx: Connection, held: Claim, items: Iterable[Progress], trained_before_s: float) -> None:
    """Count as useful what was believed lost."""
    timings = [item.timing for item in items if item.timing]
    trained_s = max(0.0, sum(timing.steps_s for timing in timings) - trained_before_s)
    credit: Seconds = {Part.TRAIN: trained_s, Part.VALIDATE: sum(timing.val_s for timing in timings)}
    row = tx.execute(_LEDGER, {"job": held.job_name, "attempt": held.attempt}).one()
    ledger = dict(seconds_of(row.seconds))
    ledger[Part.LOST] = max(0.0, ledger.get(Part.LOST, 0.0) - total(credit))
    written = {"seconds": canonical_json(add(ledger, credit)), "pace": row.pace}
    tx.execute(_SECONDS, {"job": held.job_name, "attempt": held.attempt, **written})


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


def hold(tx: Connection, held: Claim, *, why: str, now_s: float) -> None:
    """Give the job back for a person to decide about; no session takes it until it is released."""
    _end(tx, held, Event.HELD, Outcome.STOPPED, why=why, now_s=now_s)


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


def _epoch_row(record: TrainingRecord, timing: EpochTiming) -> dict[str, Any]:
    return {
        **asdict(record.history[-1]),
        **asdict(timing),
        "identity": canonical_json(record.identity.to_json()),
        "lineage": record.lineage,
    }


def _compare(
    tx: Connection, held: Claim, items: Sequence[Progress]
) -> tuple[Live, list[Progress], list[Progress], frozenset[int]]:
    """Return the live attempt, the items it has not committed yet, those it has, and the epochs that are done again.

    Raises: LeaseLost.
    """
    written = tx.execute(_WRITTEN, {"job": held.job_name, "attempt": held.attempt, "most": max(len(items), 1)}).all()
    attempt = _live(held, written[0])
    known = {(it.state_sha256, it.epochs_done, it.steps_done) for it in written if it.attempt_id == attempt.id}
    redone: frozenset[int] = frozenset()
    if written[0].has_replaced_epochs:
        finished = [item.record.epochs_done for item in items if item.timing]
        redone = frozenset(tx.execute(_REPLACED, {"job_id": attempt.job_id, "epochs": finished}).scalars())
    stateless = [item.record.epochs_done for item in items if item.state is None]
    told = set(tx.execute(_WRITTEN_EPOCHS, {"attempt": attempt.id, "epochs": stateless}).scalars()) if stateless else ()

    def is_written(item: Progress) -> bool:
        if item.state is None:
            return item.record.epochs_done in told
        return (item.state.head.sha256, item.record.epochs_done, item.record.partial.steps_done) in known

    new, old = [it for it in items if not is_written(it)], [it for it in items if is_written(it)]
    return attempt, new, old, redone


def _written(attempt: Live, item: Progress, *, now_s: float) -> list[Written]:
    if item.state is None:
        return []
    row = {
        "job_id": attempt.job_id,
        "attempt_id": attempt.id,
        "epochs_done": item.record.epochs_done,
        "steps_done": item.record.partial.steps_done,
        "lineage": item.record.lineage,
        "state_sha256": item.state.head.sha256,
        "record": item.record_json,
        "status": "kept",
        "recorded_at_s": now_s,
    }
    return [Written(row=row, state=item.state, best=item.best)]
