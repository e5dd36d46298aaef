"""What to do about a job that cannot be trained where it was tried: decided here, on its cause and its spec alone.

The session carries it out. Always true: nothing is done that the spec does not allow. A job that must be exact does not
become relaxed, and one that wants a GPU does not go to a CPU. Where nothing is left a person has to choose: the job is
held with a sentence that names what was in the way and the choices, and the day's GPU goes to the next job.
"""

from dataclasses import dataclass

from qcqueue.core.lineage import is_same_kind
from qcqueue.core.outcomes import Cause
from qcqueue.core.records import Identity
from qcqueue.core.spec import JobSpec
from qcqueue.core.words import listed

# Where another machine, or another way to compute, may do what this one could not.
_OF_THE_PLACE = frozenset({Cause.DETERMINISM_REFUSED, Cause.OUT_OF_MEMORY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Where a job was tried. begun_on: where its run began, None where no state of it is saved.

    cpu: what the machine could compute on instead, None where it has better things to do.
    """

    processor: str
    on_gpu: bool
    begun_on: Identity | None
    cpu: str | None


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
    """The job has failed: trying again would end the same way anywhere. `outcomes.REMEDIES` says what helps."""


Remedy = UseTheCpu | Hold | Fail


def remedy(cause: Cause, message: str, spec: JobSpec, tried: Tried) -> Remedy:
    """Return what to do about a job whose trainer gave up for `cause`. message: its sentence, which names the op."""
    if cause not in _OF_THE_PLACE:
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
