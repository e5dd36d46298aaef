"""What a session writes while it holds a job. Every function names the attempt; only the live one may write.

Progress, the final result, a stop, a failure: each is one transaction that first asks whether the attempt still
holds the job: of this name, under this number, for this session. A session that was asleep while another took over, or
while its job was removed or replaced, is refused here, whatever its clock says. Writes before the end are numbered from
1 on, and each may be made again, word for word, by whoever was not told what came of the first time: a number that was
written changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypedDict

from sqlalchemy import Connection, and_, bindparam, exists, func, insert, select, update

from qcqueue.core.evaluation import Result
from qcqueue.core.failure_policy import is_of_the_job
from qcqueue.core.goodput import Part, Seconds, add, total
from qcqueue.core.outcomes import Cause, Outcome, Trouble
from qcqueue.core.records import EpochTiming, Rehearsal, TrainingRecord
from qcqueue.core.states import Event
from qcqueue.core.step_choice import StepChoice
from qcqueue.database.rows import after, storable, vouch_for_ended, vouched, vouched_rows
from qcqueue.database.schema import attempts, checkpoints, epochs, jobs, results
from qcqueue.errors import JobWithdrawn, LeaseLost
from qcqueue.queue import troubles
from qcqueue.queue.blobs import call_heads, name_blob, name_blobs
from qcqueue.queue.checkpoints import (
    Keep,
    NewCheckpoint,
    adopt,
    drop_packs_of_the_unkept,
    named_now,
    unwanted,
    write,
)
from qcqueue.queue.claim import note_seen
from qcqueue.queue.final_weights import keep_weights_only
from qcqueue.queue.history import record_event
from qcqueue.queue.jobs import step
from qcqueue.queue.last_words import keep_last_words
from qcqueue.queue.reading import seconds_of
from qcqueue.queue.step_choices import share_choice
from qcqueue.queue.values import AttemptEnd, Checkpoint, Claim, StateBlobs
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import canonical_json


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitItem:
    """One thing a trainer handed over, ready to be committed: a state, the epoch it finished, or both.

    best: what holds the model of the best epoch up to here, once an epoch is finished.
    """

    record: TrainingRecord
    state: StateBlobs | None
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
    """The row ids behind a claim that still holds, and how many numbered writes its attempt has made."""

    id: int
    job_id: int
    commits: int = 0


def check_live(tx: Connection, held: Claim) -> Live:
    """Return the rows of the live attempt. Raises: LeaseLost: it has ended, or is gone; says how."""
    return _live(held, _standing(tx, held))


def _live(held: Claim, row: Any) -> Live:
    if row.outcome is not None:
        # A session that is asked no more stops by an end of its own, which whoever wrote it knows again.
        lost = JobWithdrawn if row.outcome == Outcome.STOPPED else LeaseLost
        raise lost(
            f"attempt {held.attempt} of {held.job_name} has ended: {row.reason}", hint=f"qcqueue log {held.job_name}"
        )
    return Live(row.id, row.job_id, row.commits)


def _standing(tx: Connection, held: Claim, *, before: bool = False) -> Any:
    """Return how the attempt of a claim stands; before: with what a commit has to know of the tables it adds to.

    Raises: LeaseLost: the queue has no such attempt of this session.
    """
    row = tx.execute(_STANDING_BEFORE if before else _STANDING, _key(held)).one_or_none()
    if row is None:
        raise JobWithdrawn(
            f"{held.job_name} is not in the queue any more; its attempt {held.attempt} has nothing to write to",
            hint="qcqueue status",
        )
    if row.id is None:
        raise LeaseLost(
            f"attempt {held.attempt} of {held.job_name} is not this session's any more: "
            "the job was put in anew, or the queue was put back from a copy",
            hint=f"qcqueue log {held.job_name}",
        )
    return row


def _key(held: Claim) -> dict[str, Any]:
    return {"job": held.job_name, "attempt": held.attempt, "session": held.session_id}


def _is_written(held: Claim, attempt: Live, number: int) -> bool:
    """Return whether the write of this number was carried out.

    Raises: LeaseLost: the queue does not know of those before, so it was put back to an older state.
    """
    if attempt.commits < number - 1:
        raise LeaseLost(
            f"the queue has lost what attempt {held.attempt} of {held.job_name} saved: it was put back from a copy",
            hint=f"qcqueue log {held.job_name}",
        )
    return attempt.commits >= number


# Statements of every commit are built once: building one costs about as much as running it.
_IS_THIS = and_(
    jobs.c.name == bindparam("job"),
    attempts.c.number == bindparam("attempt"),
    attempts.c.session_id == bindparam("session"),
)
_STANDING = (
    select(attempts.c.id, attempts.c.job_id, attempts.c.outcome, attempts.c.reason, attempts.c.commits)
    .outerjoin_from(
        jobs,
        attempts,
        and_(
            attempts.c.job_id == jobs.c.id,
            attempts.c.number == bindparam("attempt"),
            attempts.c.session_id == bindparam("session"),
        ),
    )
    .where(jobs.c.name == bindparam("job"))
)
_LEDGER = select(attempts.c.seconds, attempts.c.pace).join_from(attempts, jobs).where(_IS_THIS)
_STANDING_BEFORE = _STANDING.add_columns(
    attempts.c.identity,
    exists().where(epochs.c.job_id == jobs.c.id, ~epochs.c.official).correlate(jobs).label("has_replaced_epochs"),
    select(func.coalesce(func.max(epochs.c.id), 0)).scalar_subquery().label("last_epoch_id"),
    select(func.coalesce(func.max(checkpoints.c.id), 0)).scalar_subquery().label("last_checkpoint_id"),
)
_COUNT = update(attempts).where(attempts.c.id == bindparam("id_of_attempt"))
_REPLACED = select(epochs.c.epoch).where(
    epochs.c.job_id == bindparam("job_id"), ~epochs.c.official, epochs.c.epoch.in_(bindparam("epochs", expanding=True))
)
_EPOCHS = insert(epochs)
_TOUCH = update(jobs).where(jobs.c.id == bindparam("job"))
_SECONDS = update(attempts).where(
    attempts.c.job_id == select(jobs.c.id).where(jobs.c.name == bindparam("job")).scalar_subquery(),
    attempts.c.number == bindparam("attempt"),
    attempts.c.session_id == bindparam("session"),
    attempts.c.outcome.is_(None),
)


def resume(
    tx: Connection,
    held: Claim,
    chosen: Checkpoint | None,
    *,
    number: int,
    damaged: Iterable[tuple[Checkpoint, str]],
    now_s: float,
) -> tuple[Blob, ...]:
    """Record where the attempt takes the run up, and the newer checkpoints that could not be read.

    number: that of this write among those of the attempt; what it said when it was first tried, it says again. Epochs
    recorded after `chosen` lose their official rows: their state is gone, so they are trained again. Returns each head
    and pack of the queue that no kept checkpoint names and that, as far as is known, whoever retired it did not delete.
    """
    attempt = check_live(tx, held)
    if _is_written(held, attempt, number):
        return unwanted(tx)
    tx.execute(_COUNT, {"id_of_attempt": attempt.id, "commits": number})
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
        record_event(
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
    items: Sequence[CommitItem],
    *,
    number: int,
    stored: AbstractSet[str],
    mended: AbstractSet[str] = frozenset(),
    trained_before_s: float | None = None,
    keep: Keep,
    now_s: float,
) -> Committed:
    """Commit what the trainer handed over, in its order; its last state is where the run can be taken up.

    number: that of this write among those of the attempt; what it carried when it was first tried, it carries again.
    stored: digests this attempt has stored and verified itself and that no commit has named since. Once one has, only
    a kept checkpoint vouches for a blob: when none names it, somebody may be deleting it. mended: those among them that
    were found damaged where the database says they are; from now on they are found anew. trained_before_s: given where
    the session has died, whose account calls this work lost or does not know it: what earlier attempts had trained of
    the first of these epochs. The caller deletes what is retired; what it cannot delete the next attempt is told to, by
    `resume`. Where blobs are missing, the number is not used up, and may carry something else.
    """
    states = [item.record.epochs_done for item in items if item.state]
    assert states[-1:] == [max(item.record.epochs_done for item in items)], "epochs need a state"
    before = _standing(tx, held, before=True)
    attempt = _live(held, before)
    redone = _redone(tx, attempt, items) if before.has_replaced_epochs else frozenset[int]()
    if _is_written(held, attempt, number):
        # Whoever was not told what came of the first time was not told either what that retired.
        return Committed(retired=unwanted(tx), redone=redone)
    blobs = {blob.sha256: blob for item in items for blob in item.blobs}
    named, doomed = named_now(tx, blobs)
    named -= mended
    if missing := blobs.keys() - (named | (stored - doomed)):
        return Committed(missing=frozenset(missing))
    tx.execute(_COUNT, {"id_of_attempt": attempt.id, "commits": number})
    heads = {item.state.head.sha256 for item in items if item.state}
    unnamed = [(blob, "state" if sha256 in heads else "pack") for sha256, blob in blobs.items() if sha256 not in named]
    name_blobs(tx, unnamed, now_s=now_s)
    call_heads(tx, heads & named)
    whose = {"job_id": attempt.job_id, "attempt_id": attempt.id, "official": True, "recorded_at_s": now_s}
    finished = [{**whose, **item.epoch_row} for item in items if item.timing]
    if finished:
        identity = before.identity or finished[0]["identity"]
        tx.execute(_COUNT, {"id_of_attempt": attempt.id, "identity": identity})
        finished = [row | {"identity": "" if row["identity"] == identity else row["identity"]} for row in finished]
        first_id = after(before.last_epoch_id, what="an id of an epoch")
        tx.execute(_EPOCHS, vouched_rows(epochs, finished, first_id=first_id))
    saves = [it for item in items for it in _written(attempt, item, now_s=now_s)]
    first_id = after(before.last_checkpoint_id, what="an id of a checkpoint")
    retired = write(tx, attempt.job_id, saves, keep, first_id=first_id)
    tx.execute(_TOUCH, {"job": attempt.job_id, "updated_at_s": now_s})
    if trained_before_s is not None:
        _give_back(tx, held, [item for item in items if item.record.epochs_done not in redone], trained_before_s)
    return Committed(retired=retired, redone=redone)


def record_seconds(
    tx: Connection,
    held: Claim,
    *,
    attempt: Mapping[str, float],
    session: Mapping[str, float],
    pace: Mapping[str, float] = {},
    rehearsal: Rehearsal | None = None,
    step_choice: StepChoice | None = None,
    seen_at_s: float,
) -> None:
    """Write down what the time of the attempt and of its session went into so far, and that the session lived then.

    pace: what the session measured to decide how often to save; rehearsal: what came of one, if there was any;
    step_choice: how its step was chosen, if that was asked, which other runs learn of too.
    All of it replaces that of before. It stands before another write, in one transaction with it. Of an attempt that
    has ended it writes nothing: either it was written with that end, whose answer was lost, or it is nobody's business.
    """
    written = {"seconds": canonical_json(attempt), "pace": canonical_json(pace)}
    if rehearsal:
        written["rehearsal"] = canonical_json(rehearsal.to_json())
    if step_choice:
        written["step_choice"] = canonical_json(step_choice.to_json())
    if tx.execute(_SECONDS, {**_key(held), **written}).rowcount:
        note_seen(tx, held.session_id, seen_at_s, seconds=canonical_json(session))
        if step_choice:
            share_choice(tx, step_choice, model=held.spec.model, now_s=seen_at_s)


def _give_back(tx: Connection, held: Claim, items: Iterable[CommitItem], trained_before_s: float) -> None:
    """Count as useful what was believed lost."""
    timings = [item.timing for item in items if item.timing]
    trained_s = max(0.0, sum(timing.steps_s for timing in timings) - trained_before_s)
    credit: Seconds = {Part.TRAIN: trained_s, Part.VALIDATE: sum(timing.val_s for timing in timings)}
    row = tx.execute(_LEDGER, _key(held)).one()
    ledger = dict(seconds_of(row.seconds))
    ledger[Part.LOST] = max(0.0, ledger.get(Part.LOST, 0.0) - total(credit))
    written = {"seconds": canonical_json(add(ledger, credit)), "pace": row.pace}
    tx.execute(_SECONDS, {**_key(held), **written})


def finish(
    tx: Connection, held: Claim, result: Result, predictions: Blob, *, head: Blob | None = None, now_s: float
) -> tuple[Blob, ...]:
    """Commit the final evaluation; the job is done. Return what nothing needs any more, for the caller to delete.

    head: of its weights alone, which are then all it keeps: see `final_weights`.
    """
    why = f"validation accuracy {result.best.validation.accuracy:.3f} at its best epoch {result.best.epoch}"
    if _has_ended_so(tx, held, Outcome.FINISHED, why):
        return unwanted(tx)  # whoever was not told of the first time was not told either what that let go
    attempt = check_live(tx, held)
    name_blob(tx, predictions, kind="predictions", now_s=now_s)
    row = {
        "job_id": attempt.job_id,
        "attempt_id": attempt.id,
        "result": canonical_json(result.to_json()),
        "predictions_sha256": predictions.sha256,
        "committed_at_s": now_s,
    }
    tx.execute(insert(results), vouched(results, row))
    _end(tx, held, Event.FINISHED, Outcome.FINISHED, why=why, now_s=now_s)
    return keep_weights_only(tx, held.job_name, head, now_s=now_s) if head else ()


def end(tx: Connection, held: Claim, how: AttemptEnd, *, now_s: float) -> Outcome:
    """Write the end of an attempt, as its session decided it; return what it came to.

    Written again, after an answer was lost, it changes nothing and returns the same. Raises: LeaseLost: the attempt had
    ended otherwise before.
    """
    how = replace(how, why=storable(how.why))
    match how.event:
        case Event.STOPPED:
            return stop(tx, held, why=how.why, trouble=how.trouble, words=how.words, now_s=now_s)
        case Event.INTERRUPTED:
            return interrupt(tx, held, why=how.why, trouble=how.trouble, words=how.words, now_s=now_s)
        case Event.HELD:
            return hold(tx, held, why=how.why, trouble=how.trouble, words=how.words, now_s=now_s)
        case Event.FAILED:
            assert how.cause is not None, "a failure has a cause"
            return fail(tx, held, how.cause, how.why, words=how.words, now_s=now_s)
    raise AssertionError(f"no attempt ends by being {how.event}")


def stop(
    tx: Connection, held: Claim, *, why: str, trouble: Trouble | None = None, words: str = "", now_s: float
) -> Outcome:
    """Give the job back on purpose, everything saved; it is queued again. words: what its trainer said, if that tells.

    The other ends below keep words alike.
    """
    return _end(tx, held, Event.STOPPED, Outcome.STOPPED, why=why, trouble=trouble, words=words, now_s=now_s)


def interrupt(
    tx: Connection, held: Claim, *, why: str, trouble: Trouble | None = None, words: str = "", now_s: float
) -> Outcome:
    """Give the job back because its trainer vanished or its machine was in trouble; spends nothing.

    A fault that nobody can explain is the job's own where it came often enough: then the job has failed. That is judged
    here, on what the queue knows at this very moment: of two sessions of one machine only one may fail a job.
    """
    said: _Said = {"why": why, "trouble": trouble, "words": words}
    if _has_ended_so(tx, held, Outcome.FAILED, why):
        return Outcome.FAILED
    if trouble is not Trouble.UNEXPLAINED or _has_ended_so(tx, held, Outcome.INTERRUPTED, why):
        return _end(tx, held, Event.INTERRUPTED, Outcome.INTERRUPTED, **said, now_s=now_s)
    fault, earlier = troubles.fault_of(tx, held), troubles.earlier_faults(tx, held, trouble)
    others = troubles.machine_has_failed_another(tx, held, fault.machine)
    if not is_of_the_job(fault, earlier, machine_has_failed_another=others):
        return _end(tx, held, Event.INTERRUPTED, Outcome.INTERRUPTED, **said, now_s=now_s)
    failure = (Cause.CODE_ERROR, f"{why}; it ended so in {len({it.session_id for it in earlier}) + 1} sessions")
    return _end(tx, held, Event.FAILED, Outcome.FAILED, **said, now_s=now_s, failure=failure)


def hold(
    tx: Connection, held: Claim, *, why: str, trouble: Trouble | None = None, words: str = "", now_s: float
) -> Outcome:
    """Give the job back for a person to decide about; no session takes it until it is released."""
    return _end(tx, held, Event.HELD, Outcome.STOPPED, why=why, trouble=trouble, words=words, now_s=now_s)


def fail(tx: Connection, held: Claim, cause: Cause, message: str, *, words: str = "", now_s: float) -> Outcome:
    """End the job for a final cause."""
    failure = (cause, message)
    return _end(tx, held, Event.FAILED, Outcome.FAILED, why=message, words=words, now_s=now_s, failure=failure)


class _Said(TypedDict):
    why: str
    trouble: Trouble | None
    words: str


def _end(
    tx: Connection,
    held: Claim,
    event: Event,
    outcome: Outcome,
    *,
    why: str,
    now_s: float,
    trouble: Trouble | None = None,
    failure: tuple[Cause, str] | None = None,
    words: str = "",
) -> Outcome:
    if _has_ended_so(tx, held, outcome, why):
        return outcome
    attempt = check_live(tx, held)
    ended = {"outcome": outcome, "reason": why, "trouble": trouble, "ended_at_s": now_s}
    tx.execute(update(attempts).where(attempts.c.id == attempt.id).values(ended))
    vouch_for_ended(tx, attempt.id)
    keep_last_words(tx, attempt.id, words)
    job = tx.execute(select(jobs).where(jobs.c.id == attempt.job_id)).one()
    step(tx, job, event, now_s=now_s, failure=failure)
    told = f"{trouble}: {why}" if trouble else why
    record_event(tx, who=held.session_id, what=str(event), now_s=now_s, job_id=job.id, attempt=held.attempt, why=told)
    return outcome


def _has_ended_so(tx: Connection, held: Claim, outcome: Outcome, why: str) -> bool:
    row = _standing(tx, held)
    return (row.outcome, row.reason) == (outcome, why)


def _epoch_row(record: TrainingRecord, timing: EpochTiming) -> dict[str, Any]:
    return {
        **asdict(record.history[-1]),
        **asdict(timing),
        "identity": canonical_json(record.identity.to_json()),
        "lineage": record.lineage,
    }


def _redone(tx: Connection, attempt: Live, items: Iterable[CommitItem]) -> frozenset[int]:
    finished = [item.record.epochs_done for item in items if item.timing]
    return frozenset(tx.execute(_REPLACED, {"job_id": attempt.job_id, "epochs": finished}).scalars())


def _written(attempt: Live, item: CommitItem, *, now_s: float) -> list[NewCheckpoint]:
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
    return [NewCheckpoint(row=row, state=item.state, best=item.best)]
