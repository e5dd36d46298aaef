"""Everything the queue knows of one job, for `show`, `log`, `why` and the report. `overview` has one line a job."""

from collections import defaultdict

from sqlalchemy import Connection, select

from qcqueue.core.canonical import parse_json
from qcqueue.core.evaluation import Result
from qcqueue.core.outcomes import Outcome
from qcqueue.core.records import EpochMetrics, EpochTiming, Identity
from qcqueue.core.spec import JobSpec
from qcqueue.database.schema import attempts, blobs, checkpoints, epochs, history, results, sessions
from qcqueue.queue.jobs import find_job
from qcqueue.queue.overview import job_lines
from qcqueue.queue.values import AttemptLine, CheckpointLine, EpochLine, HistoryLine, JobDetail

_METRICS = EpochMetrics.__slots__
_TIMING = EpochTiming.__slots__


def job_detail(tx: Connection, typed: str) -> JobDetail:
    """Return everything about one job. Raises: UnknownName."""
    job = find_job(tx, typed)
    line = next(line for line in job_lines(tx) if line.name == job.name)
    epoch_lines = _epochs(tx, job.id)
    result = tx.execute(select(results).where(results.c.job_id == job.id)).one_or_none()
    return JobDetail(
        line=line,
        spec=JobSpec.from_json(parse_json(job.spec)),
        dataset_sha256=job.dataset_sha256,
        epochs=tuple(epoch_lines),
        attempts=tuple(_attempts(tx, job.id, epoch_lines)),
        checkpoints=tuple(_checkpoints(tx, job.id)),
        history=tuple(_history(tx, job.id)),
        result=Result.from_json(parse_json(result.result)) if result else None,
        predictions_sha256=result.predictions_sha256 if result else None,
    )


def _epochs(tx: Connection, job_id: int) -> list[EpochLine]:
    rows = tx.execute(
        select(epochs, attempts.c.number)
        .join_from(epochs, attempts)
        .where(epochs.c.job_id == job_id)
        .order_by(epochs.c.epoch, epochs.c.id)
    )
    return [
        EpochLine(
            metrics=EpochMetrics(**{name: row._mapping[name] for name in _METRICS}),
            timing=EpochTiming(**{name: row._mapping[name] for name in _TIMING}),
            attempt=row.number,
            official=row.official,
            identity=Identity(**parse_json(row.identity)),
            lineage=row.lineage,
            recorded_at_s=row.recorded_at_s,
        )
        for row in rows
    ]


def _attempts(tx: Connection, job_id: int, epoch_lines: list[EpochLine]) -> list[AttemptLine]:
    brought: dict[int, list[int]] = defaultdict(list)
    for line in epoch_lines:
        brought[line.attempt].append(line.metrics.epoch)
    rows = tx.execute(
        select(attempts, sessions.c.host)
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
        )
        for row in rows
    ]


def _checkpoints(tx: Connection, job_id: int) -> list[CheckpointLine]:
    rows = tx.execute(
        select(checkpoints, attempts.c.number, blobs.c.size_bytes)
        .join_from(checkpoints, attempts)
        .join(blobs, blobs.c.sha256 == checkpoints.c.state_sha256)
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
            size_bytes=row.size_bytes,
            status=row.status,
            recorded_at_s=row.recorded_at_s,
        )
        for row in rows
    ]


def _history(tx: Connection, job_id: int) -> list[HistoryLine]:
    rows = tx.execute(select(history).where(history.c.job_id == job_id).order_by(history.c.id))
    return [HistoryLine(at_s=row.at_s, who=row.who, what=row.what, attempt=row.attempt, why=row.why) for row in rows]
