"""How long a GPU stays away, from what a profile expects and from one's own returns. Decides only.

Nobody sees a cool-off end: one comes back and is refused, or comes back and is not. So what one has seen is an
interval, from the last refusal to the first GPU. Until ENOUGH of them have told something, what the profile expects
makes up for those that are missing. With n own intervals, the cool-off is expected to be

    (max(0, ENOUGH - n) · profile + the sum of (profile, within the interval) over all n) / max(ENOUGH, n)

where `profile` is its spread as GUESSES equally likely lengths, "within" leaves those of them that the interval
allows, and an interval that allows none stands for itself, evenly. One that allows all tells nothing and is not
counted: somebody who comes back after a week learns nothing of a day's cool-off.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from qcqueue.core.quantiles import Basis, Quantiles

ENOUGH = 5

# As many as put one guess on each of the three figures of a spread.
GUESSES = 45
LOW, LIKELY, HIGH = 0.1, 0.5, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A cool-off that is over: a GPU was refused until at_least_s, 0 where nobody asked, and given at at_most_s."""

    at_least_s: float
    at_most_s: float

    def __post_init__(self) -> None:
        assert 0 <= self.at_least_s <= self.at_most_s, f"no wait: {self}"

    def allows(self, length_s: float) -> bool:
        return self.at_least_s <= length_s <= self.at_most_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """A cool-off in seconds since the GPU was taken away, and how many of one's own waits have told something of it."""

    spread: Quantiles
    waits: int


def learn(expected: Quantiles, waits: Iterable[Wait], *, refused_after_s: float = 0.0) -> Learnt:
    """Return how long a cool-off takes, given that a GPU was still refused refused_after_s after this one began.

    Where hardly any was expected to last that long, it is taken to last up to as long again.
    """
    guesses_s = _lengths_s(expected)  # they rise
    telling = [wait for wait in waits if not (wait.allows(guesses_s[0]) and wait.allows(guesses_s[-1]))]
    missing = max(0, ENOUGH - len(telling))
    mixed = _weighed(guesses_s, missing) if missing else []
    for wait in telling:
        within_s = guesses_s[bisect_left(guesses_s, wait.at_least_s) : bisect_right(guesses_s, wait.at_most_s)]
        mixed += _weighed(within_s or _evenly(wait.at_least_s, wait.at_most_s), 1)
    left = [(length_s, weight) for length_s, weight in mixed if length_s >= refused_after_s]
    if _weight(left) < (1 - HIGH) * _weight(mixed):
        left = _weighed(_evenly(refused_after_s, 2 * refused_after_s), 1)
    p10_s, p50_s, p90_s = _quantiles_s(left, (LOW, LIKELY, HIGH))
    basis = expected.basis if missing else Basis.HISTORY
    return Learnt(spread=Quantiles(p10_s=p10_s, p50_s=p50_s, p90_s=p90_s, basis=basis), waits=len(telling))


def _lengths_s(spread: Quantiles) -> list[float]:
    """Return equally likely lengths whose quantiles are the figures of a spread, straight in between and beyond."""
    below_s, above_s = spread.p50_s - spread.p10_s, spread.p90_s - spread.p50_s
    offsets = [share - LIKELY for share in _evenly(0.0, 1.0)]
    lengths_s = [spread.p50_s + it * (below_s if it < 0 else above_s) / (HIGH - LIKELY) for it in offsets]
    return [max(0.0, length_s) for length_s in lengths_s]


def _evenly(low: float, high: float) -> list[float]:
    return [low + (high - low) * (number + 0.5) / GUESSES for number in range(GUESSES)]


def _weighed(lengths_s: Sequence[float], weight: float) -> list[tuple[float, float]]:
    """Return lengths that share a weight."""
    each = weight / len(lengths_s)
    return [(length_s, each) for length_s in lengths_s]


def _weight(weighed: Iterable[tuple[float, float]]) -> float:
    return sum(weight for _, weight in weighed)


def _quantiles_s(weighed: Iterable[tuple[float, float]], shares: Sequence[float]) -> list[float]:
    """Return the lengths below which these shares of the weight lie; a length is in the middle of its own weight."""
    ordered = sorted(weighed)
    whole = _weight(ordered)
    ends = accumulate(weight for _, weight in ordered)
    middles = [(end - weight / 2) / whole for end, (_, weight) in zip(ends, ordered, strict=True)]
    return [_between(middles, [length_s for length_s, _ in ordered], share) for share in shares]


def _between(places: Sequence[float], lengths_s: Sequence[float], place: float) -> float:
    """Return the length at a place among rising ones, the first or the last beyond them."""
    after = bisect_left(places, place)
    if after in (0, len(places)):
        return lengths_s[min(after, len(places) - 1)]
    share = (place - places[after - 1]) / (places[after] - places[after - 1])
    return lengths_s[after - 1] + share * (lengths_s[after] - lengths_s[after - 1])
