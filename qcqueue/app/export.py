"""`export`: the epochs of every job of the queue, handed over to TensorBoard or MLflow."""

from pathlib import Path

from qcqueue.app.context import QueueContext
from qcqueue.exports.mlflow import without_password as without_password
from qcqueue.exports.mlflow import write_runs
from qcqueue.exports.run import TrackedOutcome, TrackedRun, plain_name, runs_of
from qcqueue.exports.tensorboard import write_events
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.job_lines import job_lines


def export_tensorboard(context: QueueContext, *, folder: Path) -> tuple[TrackedOutcome, ...]:
    """Write one run for each job that has a finished epoch: STUDY/JOB below `folder`. Raises: ExtraMissing, UserError.

    Nothing is removed from the folder, whoever has written it.
    """
    return tuple(write_events(folder / plain_name(run.study) / plain_name(run.name), run) for run in _runs(context))


def export_mlflow(context: QueueContext, *, uri: str) -> tuple[TrackedOutcome, ...]:
    """Write one run for each job that has a finished epoch. Raises: ExtraMissing, UserError."""
    runs = _runs(context)
    return write_runs(uri, runs) if runs else ()


def _runs(context: QueueContext) -> tuple[TrackedRun, ...]:
    with context.read() as tx:
        return runs_of([job_detail(tx, line.name) for line in job_lines(tx)])
