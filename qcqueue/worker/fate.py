"""What has become of a job, and what it means: read from an exit status, a claim and a machine. Decides only.

The session carries out what follows.
"""

import signal
from collections.abc import Iterable, Iterator

from qcqueue.checkpoints.spool import Failure
from qcqueue.core.outcomes import Cause
from qcqueue.core.records import EpochMetrics
from qcqueue.core.remedies import Tried
from qcqueue.core.spec import JobSpec
from qcqueue.core.words import by, duration
from qcqueue.queue.forecasts import ForecastLine
from qcqueue.queue.values import Checkpoint, Claim
from qcqueue.worker.machine import Machine
from qcqueue.worker.view import Ending

MOST_DEATHS = 3

WORST_FIRST = (Ending.JOB_FAILED, Ending.LEASE_LOST, Ending.JOB_HELD, Ending.NEAR_END)


def fatal(exit_code: int, last_words: str, *, ran_out_of_memory: bool, deaths: int) -> Failure | None:
    """Return why an unexplained end of a trainer is final, or None where going on is worth a try.

    deaths: how often in a row trainers of this job have ended so, without an epoch between them.
    """
    if exit_code > 0:
        return Failure(cause=Cause.CODE_ERROR, message=f"the trainer ended with status {exit_code}: {last_words}")
    if exit_code == -signal.SIGKILL and ran_out_of_memory:
        return Failure(cause=Cause.OUT_OF_MEMORY, message="the system ended the trainer for want of memory")
    if deaths < MOST_DEATHS:
        return None
    return Failure(
        cause=Cause.CODE_ERROR,
        message=f"the trainer vanished {MOST_DEATHS} times without an epoch ({how_it_ended(exit_code)})",
    )


def tried(held: Claim, machine: Machine, *, on_cpu: bool, is_lent: bool, has_saved: bool) -> Tried:
    """Say where a job was tried, and what else this machine has for it.

    on_cpu: a GPU was left alone for it. A machine whose GPU is lent for a time does not wait for a CPU, and neither is
    one offered to a run that has begun here, has_saved, and may go on only as it began.
    """
    newest = held.checkpoints[0].record if held.checkpoints else None
    is_bound = has_saved and held.spec.lineage != "any"
    return Tried(
        processor=machine.cpu if on_cpu else machine.processors(held.spec.device)[0],
        on_gpu=machine.has_gpu and held.spec.device != "cpu" and not on_cpu,
        begun_on=newest.identity if newest else None,
        cpu=None if is_lent or on_cpu or is_bound else machine.cpu or None,
    )


def worse_of(one: Ending | None, other: Ending | None) -> Ending | None:
    """Return the worse of what has come of two jobs, None for nothing that is bad."""
    return min((it for it in (one, other) if it), key=WORST_FIRST.index, default=None)


def where_from(chosen: Checkpoint | None) -> str:
    """Return where a run is taken up, in words."""
    if chosen is None:
        return "starts from the beginning"
    record = chosen.record
    within = f" and {record.partial.steps_done} steps" if record.partial.steps_done else ""
    return f"goes on after epoch {record.epochs_done}{within}"


def epoch_line(spec: JobSpec, row: EpochMetrics, epoch_s: float) -> str:
    """Return what is said of an epoch that is saved."""
    return (
        f"epoch {row.epoch} of {spec.epochs} is saved: loss {row.loss:.4f}, accuracy {row.accuracy:.1%}, "
        f"validation loss {row.val_loss:.4f}, accuracy {row.val_accuracy:.1%}, {duration(epoch_s)}"
    )


def studies_foreseen(lines: Iterable[ForecastLine]) -> Iterator[str]:
    """Yield when each study is likely done."""
    for line in lines:
        if line.study:
            likely, first, last = (by(at_s, line.made_at_s) for at_s in (line.likely_s, line.low_s, line.high_s))
            yield f"{line.study} is likely done by {likely}, {first} to {last}"


def how_it_ended(exit_code: int) -> str:
    """Return the end of a process in words: its signal, or its status."""
    return signal.Signals(-exit_code).name if exit_code < 0 else f"status {exit_code}"
