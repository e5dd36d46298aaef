"""Everything the queue knows of one job, for `show`, `log`, `why` and the report.

`job_lines` has one line a job, `sessions` what the time of its machines went into.
"""

from collections import defaultdict

from sqlalchemy import Connection, and_, func, or_, select

from qcqueue.core.evaluation import Result
from qcqueue.core.outcomes import Outcome, Trouble
from qcqueue.core.records import EpochMetrics, EpochTiming
from qcqueue.database.schema import (
    IS_OFFICIAL,
    IS_REPLACED,
    attempts,
    blobs,
    checkpoints,
    datasets,
    epochs,
    history,
    packs,
    results,
    sessions,
)
from qcqueue.queue.job_lines import job_line
from qcqueue.queue.jobs import begun_on, find_job
from qcqueue.queue.reading import pace_of, seconds_of
from qcqueue.queue.stored import identity_of, rehearsal_of, result_of, spec_of, step_choice_of, summary_of
from qcqueue.queue.values import (
    AttemptLine,
    CheckpointLine,
    EpochLine,
    HistoryLine,
    JobDetail,
)

_METRICS = EpochMetrics.__slots__
_TIMING = EpochTiming.__slots__
_TROUBLES = frozenset(Trouble)


def job_detail(tx: Connection, typed: str) -> JobDetail:
    """Return everything about one job. Raises: UnknownName."""
    job = find_job(tx, typed)
    line = job_line(tx, job.id)
    spec = spec_of(job.spec)
    epoch_lines = _epochs(tx, job.id)
    result = tx.execute(select(results).where(results.c.job_id == job.id)).one_or_none()
    return JobDetail(
        line=line,
        spec=spec,
        dataset_sha256=job.dataset_sha256,
        epochs=tuple(epoch_lines),
        attempts=tuple(_attempts(tx, job.id, epoch_lines)),
        checkpoints=tuple(_checkpoints(tx, job.id)),
        history=tuple(_history(tx, job.id)),
        result=_result(tx, job.dataset_sha256, result.result) if result else None,
        predictions_sha256=result.predictions_sha256 if result else None,
        begun_on=None if spec.lineage == "any" else begun_on(tx, [job.name]).get(job.name),
    )


def _result(tx: Connection, dataset_sha256: str, stored: str) -> Result:
    summary = tx.execute(select(datasets.c.summary).where(datasets.c.sha256 == dataset_sha256).limit(1)).scalar()
    return result_of(stored).in_order(summary_of(summary).classes if summary else ())


def _epochs(tx: Connection, job_id: int) -> list[EpochLine]:
    rows = tx.execute(
        select(epochs, attempts.c.number, attempts.c.identity.label("identity_of_attempt"))
        .join_from(epochs, attempts)
        # Asked for in two parts, because there is an index for each and none for all rows of a job.
        .where(or_(and_(epochs.c.job_id == job_id, IS_OFFICIAL), and_(epochs.c.job_id == job_id, IS_REPLACED)))
        .order_by(epochs.c.epoch, epochs.c.id)
    )
    return [
        EpochLine(
            metrics=EpochMetrics(**{name: row._mapping[name] for name in _METRICS}),
            timing=EpochTiming(**{name: row._mapping[name] for name in _TIMING}),
            attempt=row.number,
            official=row.official,
            identity=identity_of(row.identity or row.identity_of_attempt),
            lineage=row.lineage,
            recorded_at_s=row.recorded_at_s,
        )
        for row in rows
    ]


def official_epochs(tx: Connection, job_id: int) -> tuple[EpochLine, ...]:
    """Return the epochs of a job that count, in their order."""
    return tuple(line for line in _epochs(tx, job_id) if line.official)


def _attempts(tx: Connection, job_id: int, epoch_lines: list[EpochLine]) -> list[AttemptLine]:
    brought: dict[int, list[int]] = defaultdict(list)
    for line in epoch_lines:
        brought[line.attempt].append(line.metrics.epoch)
    rows = tx.execute(
        select(attempts, sessions.c.host, sessions.c.seen_at_s)
        .join_from(attempts, sessions)
        .where(attempts.c.job_id == job_id)
        .order_by(attempts.c.number)
    )
    return [
        AttemptLine(
            number=row.number,
            session_id=row.session_id,
            host=row.host,
            started_at_s=row.started_at_s,
            ended_at_s=row.ended_at_s,
            outcome=Outcome(row.outcome) if row.outcome else None,
            reason=row.reason,
            epochs=tuple(brought[row.number]),
            seconds=seconds_of(row.seconds),
            seen_at_s=row.seen_at_s,
            pace=pace_of(row.pace),
            rehearsal=rehearsal_of(row.rehearsal) if row.rehearsal else None,
            trouble=Trouble(row.trouble) if row.trouble in _TROUBLES else None,  # one may come that we do not know
            step_choice=step_choice_of(row.step_choice) if row.step_choice else None,
        )
        for row in rows
    ]


def _checkpoints(tx: Connection, job_id: int) -> list[CheckpointLine]:
    of_the_job = select(checkpoints.c.id).where(checkpoints.c.job_id == job_id)
    beside_the_head = (
        select(packs.c.checkpoint_id, func.count().label("packs"), func.sum(blobs.c.size_bytes).label("packs_bytes"))
        .join_from(packs, blobs)
        .where(packs.c.part == "state", packs.c.checkpoint_id.in_(of_the_job))
        .group_by(packs.c.checkpoint_id)
        .subquery()
    )
    rows = tx.execute(
        select(
            checkpoints, attempts.c.number, blobs.c.size_bytes, beside_the_head.c.packs, beside_the_head.c.packs_bytes
        )
        .join_from(checkpoints, attempts)
        .join(blobs, blobs.c.sha256 == checkpoints.c.state_sha256)
        .outerjoin(beside_the_head, beside_the_head.c.checkpoint_id == checkpoints.c.id)
        .where(checkpoints.c.job_id == job_id)
        .order_by(checkpoints.c.id)
    )
    return [
        CheckpointLine(
            attempt=row.number,
            epochs_done=row.epochs_done,
            steps_done=row.steps_done,
            lineage=row.lineage,
            state_sha256=row.state_sha256,
            packs=1 + (row.packs or 0),
            size_bytes=row.size_bytes + (row.packs_bytes or 0),
            status=row.status,
            recorded_at_s=row.recorded_at_s,
        )
        for row in rows
    ]


def _history(tx: Connection, job_id: int) -> list[HistoryLine]:
    rows = tx.execute(select(history).where(history.c.job_id == job_id).order_by(history.c.id))
    return [HistoryLine(at_s=row.at_s, who=row.who, what=row.what, attempt=row.attempt, why=row.why) for row in rows]
