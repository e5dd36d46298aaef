"""How long sessions live, from those that were seen to end. Decides only."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """One session: how long it was held, and whether it was taken away or left by itself."""

    held_s: float
    was_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What happened at one age: of the sessions that reached it, `taken` were taken away and `left` left."""

    age_s: float
    reached: int
    taken: int
    left: int


def mean_life_s(lives: Iterable[Lifetime]) -> float | None:
    """Return the mean seconds until a session is taken away, None where none has been.

    Sessions that left by themselves would have lived on: they count with the time they were held, and not as an end.
    With a constant rate of ends this is the most likely mean.
    """
    seen = list(lives)
    taken = sum(life.was_taken for life in seen)
    return sum(life.held_s for life in seen) / taken if taken else None


def ends_by_age(lives: Iterable[Lifetime]) -> tuple[Ends, ...]:
    """Return each age at which any session ended, the youngest first.

    A session that left at the age at which another was taken had reached that age, and might have been taken too.
    """
    found: list[Ends] = []
    ordered = sorted(lives, key=lambda life: life.held_s)
    reached = len(ordered)
    for age_s, group in groupby(ordered, key=lambda life: life.held_s):
        ended = [life.was_taken for life in group]
        found.append(Ends(age_s=age_s, reached=reached, taken=sum(ended), left=len(ended) - sum(ended)))
        reached -= len(ended)
    return tuple(found)
