"""How long sessions live, from those that were seen to end. Decides only."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """One session: how long it was held, and whether it was taken away or left by itself."""

    held_s: float
    was_taken: bool


def mean_life_s(lives: Iterable[Lifetime]) -> float | None:
    """Return the mean seconds until a session is taken away, None where none has been.

    Sessions that left by themselves would have lived on: they count with the time they were held, and not as an end.
    With a constant rate of ends this is the most likely mean.
    """
    seen = list(lives)
    taken = sum(life.was_taken for life in seen)
    return sum(life.held_s for life in seen) / taken if taken else None
