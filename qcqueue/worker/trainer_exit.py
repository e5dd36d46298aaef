"""What the end of a trainer says of its job: read from an exit status, a claim and a machine. Decides only.

The session carries out what follows, and `core.failure_policy` decides what becomes of the job.
"""

import signal
from collections.abc import Mapping

from qcqueue.core.failure_policy import Tried
from qcqueue.core.outcomes import Trouble
from qcqueue.core.phases import Phase
from qcqueue.queue.values import Claim
from qcqueue.spool.files import FAILED, Failure, TrainerProgress
from qcqueue.worker.machine import Machine

MOST_DEATHS = 3

# What a system sends a process for no fault of the job: it has mapped the dataset and its disk does not give a page of
# it; its processor lacks what a library was built for.
_SENT_FOR: Mapping[int, Trouble] = {signal.SIGBUS: Trouble.DISK, signal.SIGILL: Trouble.LIBRARIES}


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


def has_looked(progress: TrainerProgress | None) -> bool:
    """Return whether a trainer has come to look at its job, as far as it has told; its libraries load before that."""
    return progress is not None and progress.phase is not Phase.STARTING


def has_stepped(progress: TrainerProgress | None) -> bool:
    """Return whether a trainer has made a step, as far as it has told."""
    return progress is not None and not progress.phase.precedes_steps


def how_it_ended(exit_code: int) -> str:
    """Return the end of a process in words: its signal, or its status."""
    return signal.Signals(-exit_code).name if exit_code < 0 else f"status {exit_code}"
