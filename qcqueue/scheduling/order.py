"""The default policy: the first job of the queue that this machine can run."""

from collections.abc import Mapping, Sequence
from typing import Protocol

UNCHECKED = "not checked yet"


class Named(Protocol):
    @property
    def name(self) -> str: ...


def first_runnable(candidates: Sequence[Named], obstacles: Mapping[str, str | None]) -> str | None:
    """Return the first candidate with no obstacle. One that was enqueued after the check waits for the next."""
    return next((job.name for job in candidates if obstacles.get(job.name, UNCHECKED) is None), None)
