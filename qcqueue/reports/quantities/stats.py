"""What chance does to counts: the tests and distributions that intervals rest on; and percentiles of numbers. Pure.

The only home of scipy, which is imported when a test is asked for. What scipy does not have (Holm's correction, the
distribution of a paired difference) is computed from its definition, to rounding, and nothing is drawn.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from qcqueue.errors import ExtraMissing

INSTALL = 'pip install "qcqueue[report]"'
"""What brings scipy, scikit-learn and whatever else a whole report needs."""

Floats = npt.NDArray[np.float64]

# Sums of thousands of rounded terms: what misses a limit by less has reached it, on every machine alike.
ROUNDING = 1e-9


def difference_quantiles(tails: Sequence[float], ups: int, downs: int, draws: int) -> list[int]:
    """Return for each tail the smallest sum of `draws` draws with at least that share of the distribution up to it.

    Each draw is one of `draws` cards, put back afterwards, of which `ups` count +1, `downs` -1 and the rest 0. The
    distribution of a sum of independent draws is found by the power of the transform of one.
    """
    size = 1 << (2 * draws).bit_length()
    turns = np.exp(2j * np.pi * np.arange(size // 2 + 1) / size)
    one = (draws - ups - downs + ups * turns.conj() + downs * turns) / draws
    around = np.fft.irfft(_power(one, draws), size)
    # A transform is a circle: what is below 0 stands at its end.
    sums = np.concatenate([around[-draws:], around[: draws + 1]])
    return [place - draws for place in _first_at(tails, sums)]


@lru_cache(maxsize=4096)
def sign_test(ups: int, downs: int) -> float:
    """Return how likely a split at least as uneven is where both sides are equally likely: two-sided, exact.

    Of pairs that disagree this is McNemar's exact test. 1 where there are none. Raises: ExtraMissing.
    """
    return float(_scipy().binomtest(min(ups, downs), ups + downs).pvalue) if ups + downs else 1.0


def above_chance(successes: int, trials: int, chance: float) -> float:
    """Return how likely so many successes or more are where each comes with `chance`: one-sided, exact.

    trials > 0. Raises: ExtraMissing.
    """
    return float(_scipy().binomtest(successes, trials, chance, alternative="greater").pvalue)


def same_share(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Return Fisher's exact p value, two-sided, that two shares are one; each is (successes, trials), trials > 0.

    Raises: ExtraMissing.
    """
    table = [[successes, trials - successes] for successes, trials in (first, second)]
    return float(_scipy().fisher_exact(table).pvalue)


@lru_cache(maxsize=4096)
def wilson(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    """Return Wilson's score interval of a share; trials > 0. Raises: ExtraMissing."""
    found = _scipy().binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    # Of all and of nothing its ends miss the share itself by rounding.
    return min(float(found.low), successes / trials), max(float(found.high), successes / trials)


def lower_bound(trials: int, confidence: float) -> float:
    """Return the least chance of success that trials > 0 successes without a failure leave plausible.

    The one-sided bound of Clopper and Pearson: with a lower chance, so many in a row come up in less than
    1 - confidence of all cases.
    """
    return float((1 - confidence) ** (1 / trials))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return the p values adjusted for how many they are, in the same order (Holm 1979)."""
    adjusted, least = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = least
    return tuple(adjusted)


def _first_at(tails: Sequence[float], chances: Floats) -> list[int]:
    """Return for each tail the first place up to which the chances add up to it."""
    found: list[int] = np.searchsorted(np.cumsum(chances), np.array(tails) - ROUNDING).tolist()
    return found


def _power(values: npt.NDArray[np.complex128], exponent: int) -> npt.NDArray[np.complex128]:
    """Return a power by squaring, which is many times as fast as by logarithms and no less exact."""
    found = np.ones_like(values)
    while exponent:
        if exponent % 2:
            found = found * values
        values, exponent = values * values, exponent // 2
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """In the unit of what was measured; between two measurements they are interpolated linearly, as numpy does."""

    p5: float
    p50: float
    p95: float


def percentiles_of(values: Iterable[float | None]) -> Percentiles | None:
    """Return the percentiles of the values that are known, or None where none is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = np.percentile(known, (5, 95))
    return Percentiles(p5=float(low), p50=median(known), p95=float(high))


def check_scipy() -> None:
    """Raises: ExtraMissing: it is not installed."""
    _scipy()


def _scipy() -> Any:
    """Import it. Raises: ExtraMissing."""
    try:
        import scipy.stats  # type: ignore[import-untyped]
    except ImportError as exc:
        raise ExtraMissing("intervals and tests need scipy, which is not installed", hint=INSTALL) from exc
    return scipy.stats
