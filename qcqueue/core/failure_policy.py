"""What to do about a job that cannot be trained where it was tried: decided here, on its cause and its spec alone.

The session carries it out. Always true: nothing is done that the spec does not allow. A job that must be exact does not
become relaxed, and one that wants a GPU does not go to a CPU. Where nothing is left a person has to choose: the job is
held with a sentence that names what was in the way and the choices, and the day's GPU goes to the next job. And one
machine alone never fails two jobs, whatever is wrong with it.
"""

from collections.abc import Collection
from dataclasses import dataclass

from qcqueue.core.lineage import is_same_kind
from qcqueue.core.outcomes import Cause, Trouble
from qcqueue.core.records import Identity
from qcqueue.core.spec import JobSpec
from qcqueue.text.humanize import listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Where a job was tried. begun_on: where its run began, None where no state of it is saved.

    cpu: what the machine could compute on instead, None where it has better things to do. lacked_memory: whether the
    system ended it for want of memory in an earlier session too.
    """

    processor: str
    on_gpu: bool
    begun_on: Identity | None
    cpu: str | None
    lacked_memory: bool = False


@dataclass(frozen=True, slots=True)
class UseTheCpu:
    """Take the job again at once, on the CPU of this machine. why: for its story."""

    why: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Hold the job and go on with the next. why: for the person who releases it."""

    why: str


@dataclass(frozen=True, slots=True)
class Fail:
    """The job has failed: trying again would end the same way anywhere. `outcomes.remedy_for` says what helps."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """Give the job back to the queue for another machine or session, and go on with the next."""

    trouble: Trouble


Remedy = UseTheCpu | Hold | Fail | SetAside


def remedy(cause: Cause | Trouble, message: str, spec: JobSpec, tried: Tried) -> Remedy:
    """Return what to do about a job whose trainer gave up for `cause`. message: its sentence, which names the op.

    A want of memory that came twice is the job's: it wants more than such machines have.
    """
    if cause is Trouble.MEMORY and tried.lacked_memory:
        cause = Cause.OUT_OF_MEMORY
    if isinstance(cause, Trouble):
        return SetAside(cause)
    if not cause.may_work_elsewhere:
        return Fail()
    if tried.cpu and _may_go_to_a_cpu(spec, tried):
        return UseTheCpu(f"{message}; it goes on on {tried.cpu}")
    return Hold(f"{message}. Choose: {_choices(cause, spec, tried)}")


def _may_go_to_a_cpu(spec: JobSpec, tried: Tried) -> bool:
    # A run that has begun and may not begin a new lineage would only be refused there.
    return tried.on_gpu and spec.device == "any" and (tried.begun_on is None or spec.lineage == "any")


def _choices(cause: Cause, spec: JobSpec, tried: Tried) -> str:
    begun_elsewhere = tried.begun_on and not is_same_kind(tried.begun_on.processor, tried.processor)
    releases, changes = list[str](), list[str]()
    if tried.begun_on and begun_elsewhere:
        releases.append(f"where it began, on {tried.begun_on.processor}")
    if cause is Cause.OUT_OF_MEMORY:
        releases.append("on a machine with more memory")
        changes.append("a smaller batch_size")
    if _may_go_to_a_cpu(spec, tried):
        releases.append("on a machine without a GPU")
    if tried.on_gpu:
        changes.append('device = "cpu"')
    if cause is Cause.DETERMINISM_REFUSED:
        changes.append('determinism = "relaxed"')
    choices = [f"release it for a session {listed(releases, last='or')}"] if releases else []
    return "; or ".join([*choices, f"enqueue it under another name with {listed(changes, last='or')}"])


@dataclass(frozen=True, slots=True)
class Fault:
    """Where an attempt ended for no reason that anybody knows. Every session counts as begun by a person."""

    session_id: str
    machine: str


def is_of_the_job(fault: Fault, earlier: Collection[Fault], *, machine_has_failed_another: bool) -> bool:
    """Return whether an unexplained fault is the job's own, so that the job has failed.

    earlier: those of the same job, since an epoch of it was saved or a person last retried or released it.
    machine_has_failed_another: whether the machine of `fault` has ended another job so, and has finished no epoch of
    any job since.

    It is the job's where it came on two machines, or in two sessions of one. But a machine that is broken breaks every
    job twice: what it says alone counts for one job, and for no other until it has shown that it can train.
    """
    if any(other.machine != fault.machine for other in earlier):
        return True
    came_again = any(other.session_id != fault.session_id for other in earlier)
    return came_again and not machine_has_failed_another
