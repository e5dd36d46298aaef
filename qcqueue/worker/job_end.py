"""How a session's work on a job ends: decided here, once, as a value that is then written until that is answered.

Pure: from what a trainer, a person or a limit has said to what is written of the attempt, and to what the session does
after that. Always true: what was decided is not decided again, whatever comes while it is written.
"""

from dataclasses import dataclass
from enum import Enum, auto

from qcqueue.core.failure_policy import Fail, Hold, Remedy, SetAside, UseTheCpu
from qcqueue.core.obstacles import Lack, Obstacle
from qcqueue.core.outcomes import SessionEnd, Trouble
from qcqueue.core.states import Event
from qcqueue.queue.values import AttemptEnd
from qcqueue.spool.files import Failure
from qcqueue.worker.trainer_exit import how_it_ended


class AfterEnd(Enum):
    """What a session does once the end of its attempt is written."""

    LOOK = auto()
    """It looks for what is next, which may be this very job; it was none of those that were asked for."""
    COUNT = auto()
    """A job of those that were asked for is over."""
    SET_ASIDE = auto()
    """The job is for another machine or session, unless what was written has failed it."""
    LEAVE = auto()
    """It leaves too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnd:
    """What is written of an attempt, and what follows.

    ending: how that counts for the session, or how it leaves. says: told as soon as it is decided; says_after: once it
    is written. pass_over: why this session takes the job no more; on_cpu: it takes it again at once, without the GPU.
    has_vanished: its trainer did, and is counted. is_told: whether what the trainer said last belongs to it, as where
    the attempt did not go well.
    """

    written: AttemptEnd
    after: AfterEnd = AfterEnd.LOOK
    ending: SessionEnd | None = None
    says: str | None = None
    says_after: str | None = None
    pass_over: Obstacle | None = None
    on_cpu: bool = False
    has_vanished: bool = False
    is_told: bool = True


def left_with(ending: SessionEnd, asked_why: str | None) -> JobEnd:
    """Give the job back because the session leaves. asked_why: who or what has asked for it, where that is known."""
    return JobEnd(written=_stopped(asked_why or str(ending)), after=AfterEnd.LEAVE, ending=ending, is_told=False)


def refused(job_name: str, why: str) -> JobEnd:
    """Give back a job that may not go on on this machine."""
    obstacle = Obstacle(why, Lack.LINEAGE)
    return JobEnd(written=_stopped(why), pass_over=obstacle, says=f"{job_name} waits for another machine: {why}")


def hopeless(why: str) -> JobEnd:
    """Give the job back, everything saved, because what comes next would hardly be saved before the likely end."""
    written, near_end = _stopped(why), SessionEnd.NEAR_END
    return JobEnd(written=written, after=AfterEnd.COUNT, ending=near_end, pass_over=Obstacle(why), is_told=False)


def saved_after_all(gave_up_on: Exception) -> JobEnd:
    """Give the job back whose training was stopped because saving had failed; the next look finds what is left."""
    return JobEnd(written=_stopped(f"saving had failed for long: {gave_up_on}"))


def vanished(exit_code: int) -> JobEnd:
    """Go on from the last save after the trainer has ended without a word."""
    why = f"the trainer vanished ({how_it_ended(exit_code)})"
    return JobEnd(
        written=AttemptEnd(event=Event.INTERRUPTED, why=why),
        says=f"{why}; going on from the last save",
        has_vanished=True,
    )


def remedied(job_name: str, failure: Failure, remedy: Remedy) -> JobEnd:
    """Do what the spec allows about a failure.

    The job goes on on the CPU, is held for a person, goes back to the queue for another machine, or fails.
    """
    trouble, message = failure.cause if isinstance(failure.cause, Trouble) else None, failure.message
    match remedy:
        case UseTheCpu(why):
            return JobEnd(written=_stopped(why, trouble), says=f"{job_name}: {why}", on_cpu=True)
        case Hold(why):
            # It counts as no job of this session: the next one gets the machine.
            written = AttemptEnd(event=Event.HELD, why=why, trouble=trouble)
            return JobEnd(written=written, ending=SessionEnd.JOB_HELD, says=f"{job_name} is held: {why}")
        case Fail():
            assert not isinstance(failure.cause, Trouble), "a trouble is no failure of a job"
            return JobEnd(
                written=AttemptEnd(event=Event.FAILED, why=message, cause=failure.cause),
                after=AfterEnd.COUNT,
                ending=SessionEnd.JOB_FAILED,
                says_after=failed_said(job_name, message),
            )
        case SetAside(trouble):
            event = Event.STOPPED if trouble is Trouble.STORE else Event.INTERRUPTED
            written = AttemptEnd(event=event, why=message, trouble=trouble)
            return JobEnd(written=written, after=AfterEnd.SET_ASIDE)


def failed_said(job_name: str, why: str) -> str:
    """Return what is said of a job that has failed."""
    return f"{job_name} failed: {why}"


def _stopped(why: str, trouble: Trouble | None = None) -> AttemptEnd:
    return AttemptEnd(event=Event.STOPPED, why=why, trouble=trouble)
