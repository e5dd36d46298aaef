"""What keeps a job from running on a machine: the kinds there are, in words, and what a person can do about each.

Pure. Which of them a job meets is for whoever looks at the machine; what a trouble in the midst of an attempt is, for
`core.outcomes`. Always true: none of them is a failure of the job, which another machine, or this one later, may run.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from qcqueue.core.owners import named
from qcqueue.text.humanize import count

# So many jobs are named each.
FEW = 2


class Lack(StrEnum):
    """What a machine lacks for a job.

    wanted: what the job waits for; missing: what was not there, after the name of a machine; advice: what helps.
    """

    WEIGHTS = (
        "weights",
        "ImageNet weights, which cannot be had here",
        "no ImageNet weights",
        "connect the machine to the network, then qcqueue work; or name a file in the study, weights = "
        '"FILE.weights.h5", then qcqueue enqueue STUDY.toml --replace',
    )
    GPU = (
        "GPU",
        "a GPU, which this machine has not",
        "no GPU",
        "qcqueue work, on a machine with a GPU; on Colab choose it under Runtime > Change runtime type",
    )
    LINEAGE = (
        "lineage",
        "a machine like the one before, by lineage",
        "not what it began on",
        'qcqueue work, on a machine like the one it began on; or enqueue it under another name with lineage = "any"',
    )
    LIBRARIES = (
        "libraries",
        "TensorFlow, which is not installed here",
        "no TensorFlow",
        'pip install "qcqueue[train]", then qcqueue work; or qcqueue work on another machine',
    )

    PACKAGES = (
        "packages",
        "packages that are not installed here",
        "not its packages",
        "qcqueue why JOB, which names them; or qcqueue work on another machine",
    )
    TRUST = (
        "trust",
        "somebody to approve their code here",
        "code that nobody has approved there",
        "qcqueue why JOB, which says the digest; then qcqueue work --trust DIGEST, once you know whose code it is",
    )

    wanted: str
    missing: str
    advice: str

    def __new__(cls, word: str, *facts: str) -> "Lack":
        member = str.__new__(cls, word)
        member._value_ = word
        member.wanted, member.missing, member.advice = facts
        return member


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a session does not take a job. lack: what its machine lacks for it, None for a reason of another kind."""

    says: str
    lack: Lack | None = None


def of_another(owner: str, profile: str, *, has_owner: bool = True) -> Obstacle:
    """Return what is in the way of a job where nobody may compute for others.

    profile: by name; has_owner: whether anybody has said whose the session is.
    """
    rule = f"owned by {named(owner)}, and on {profile} a session takes only its owner's jobs"
    return Obstacle(rule if has_owner else f"{rule}; QCQUEUE_OWNER says whose this one is, and is not set")


def too_many_running(owner: str | None, running: int) -> Obstacle:
    """Return what is in the way of a job whose owner has so many running."""
    return Obstacle(f"{crowd_said(owner, running)}, as many as the queue lets an owner have")


def crowd_said(owner: str | None, running: int) -> str:
    """Return that so many jobs of an owner are running."""
    if owner is None:
        return f"{count(running, 'job')} without an owner {'is' if running == 1 else 'are'} running"
    return f"{named(owner)} has {count(running, 'job')} running"


def grouped(obstacles: Mapping[str, Obstacle]) -> list[str]:
    """Return a clause for each thing that jobs wait for here, what most of them want first: by the jobs' names."""
    return [_waiting(names, lack) for lack, names in by_lack(obstacles).items()]


def _waiting(names: Sequence[str], lack: Lack) -> str:
    if len(names) > FEW:
        return f"{len(names):,} wait for {lack.wanted} ({some_of(names)})"
    return f"{some_of(names)} {'waits' if len(names) == 1 else 'wait'} for {lack.wanted}"


def by_lack(obstacles: Mapping[str, Obstacle]) -> dict[Lack, list[str]]:
    """Return the names of the jobs by what they wait for, what most of them want first."""
    found = defaultdict[Lack, list[str]](list)
    for name, obstacle in obstacles.items():
        if obstacle.lack:
            found[obstacle.lack].append(name)
    return dict(sorted(found.items(), key=lambda it: -len(it[1])))


def some_of(names: Sequence[str]) -> str:
    """Return a few names and how many others there are: "six-models/vgg16 and 5 more"."""
    return " and ".join(names) if len(names) <= FEW else f"{names[0]} and {count(len(names) - 1, 'more', 'more')}"
