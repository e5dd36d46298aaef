"""What has become of a job, and what it means: read from an exit status, a claim and a machine. Decides only.

The session carries out what follows.
"""

import signal
from collections.abc import Iterable, Iterator, Mapping

from qcqueue.checkpoints.spool import FAILED, Failure, Progress
from qcqueue.core.outcomes import Trouble
from qcqueue.core.records import EpochMetrics, TrainingRecord
from qcqueue.core.remedies import Tried
from qcqueue.core.spec import JobSpec
from qcqueue.core.words import by, count, duration
from qcqueue.queue.forecasts import ForecastLine
from qcqueue.queue.values import Checkpoint, Claim
from qcqueue.worker.attempt import Saved
from qcqueue.worker.machine import Machine
from qcqueue.worker.view import Ending

MOST_DEATHS = 3

# Phases in which a trainer has made no step yet. In the first it has not even looked at the job.
BEFORE_A_STEP = ("starting", "loading", "building", "compiling", "waiting", "restoring")

# What a system sends a process for no fault of the job: it has mapped the dataset and its disk does not give a page of
# it; its processor lacks what a library was built for.
_SENT_FOR: Mapping[int, Trouble] = {signal.SIGBUS: Trouble.DISK, signal.SIGILL: Trouble.LIBRARIES}

WORST_FIRST = (
    Ending.JOB_FAILED,
    Ending.LEASE_LOST,
    Ending.JOB_HELD,
    Ending.NEAR_END,
    Ending.SET_ASIDE,
    Ending.WITHDRAWN,
)


def why_not_again(
    exit_code: int, last_line: str, *, has_begun: bool, ran_out_of_memory: bool, deaths: int
) -> Failure | None:
    """Return why a job is not tried again here after its trainer ended without a word, None where it is worth a try.

    None of it is the job's alone: it goes back to the queue. has_begun: whether the trainer ever looked at the job, for
    what ends it before that says nothing of this one; deaths: how often in a row trainers of this job have ended so,
    without an epoch between them.
    """
    if exit_code == FAILED:
        message = f"the trainer gave up and could not write down why, which the disk did not take: {last_line}"
        return Failure(cause=Trouble.DISK, message=message)
    if exit_code > 0 and not has_begun:
        return Failure(cause=Trouble.LIBRARIES, message=f"the trainer cannot start (status {exit_code}): {last_line}")
    if exit_code > 0:
        message = f"the trainer ended with status {exit_code}: {last_line}"
        return Failure(cause=Trouble.UNEXPLAINED, message=message)
    if exit_code == -signal.SIGKILL and ran_out_of_memory:
        return Failure(cause=Trouble.MEMORY, message="the system ended the trainer for want of memory")
    if deaths < MOST_DEATHS:
        return None
    vanished = f"the trainer vanished {MOST_DEATHS} times without an epoch ({how_it_ended(exit_code)})"
    if not has_begun:
        message = f"the trainer cannot start: it vanished {MOST_DEATHS} times ({how_it_ended(exit_code)}): {last_line}"
        return Failure(cause=Trouble.LIBRARIES, message=message)
    return Failure(cause=_SENT_FOR.get(-exit_code, Trouble.UNEXPLAINED), message=vanished)


def tried(
    held: Claim, machine: Machine, *, on_cpu: bool, is_lent: bool, has_saved: bool, lacked_memory: bool = False
) -> Tried:
    """Say where a job was tried, and what else this machine has for it. lacked_memory: as in `Tried`.

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
        lacked_memory=lacked_memory,
    )


def worse_of(one: Ending | None, other: Ending | None) -> Ending | None:
    """Return the worse of what has come of two jobs, None for nothing that is bad."""
    return min((it for it in (one, other) if it), key=WORST_FIRST.index, default=None)


def has_looked(progress: Progress | None) -> bool:
    """Return whether a trainer has come to look at its job, as far as it has told; its libraries load before that."""
    return progress is not None and progress.phase != "starting"


def has_stepped(progress: Progress | None) -> bool:
    """Return whether a trainer has made a step, as far as it has told."""
    return progress is not None and progress.phase not in BEFORE_A_STEP


def left_unsaved(job_name: str, saved: Saved | None, written: TrainingRecord | None) -> str:
    """Return what of a job lies on this machine alone: "epochs 12 to 14 of JOB".

    written: the newest record that is not committed, None where only the final evaluation is not.
    """
    if written is None:
        return f"the final evaluation of {job_name}"
    first = (saved.epochs_done if saved else 0) + 1
    last = written.epochs_done + (written.partial.steps_done > 0)
    if last < first:
        return f"the end of epoch {last} of {job_name}"
    return f"epoch {first} of {job_name}" if last == first else f"epochs {first} to {last} of {job_name}"


def left_behind(what: str, *, is_lost: bool) -> str:
    """Return what becomes of work that is not saved. is_lost: its machine, which was lent, takes it along."""
    if is_lost:
        return f"{what} {'go' if what.startswith('epochs') else 'goes'} with this machine"
    return f"not saved: {what}; the next session on this machine saves that"


def where_from(chosen: Checkpoint | None) -> str:
    """Return where a run is taken up, in words."""
    if chosen is None:
        return "starts from the beginning"
    record = chosen.record
    within = f" and {count(record.partial.steps_done, 'step')}" if record.partial.steps_done else ""
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
