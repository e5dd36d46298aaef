"""Axes: from the range of some data to a scale with ticks a person would have chosen.

`counted` is for epochs (whole numbers from 1), `measured` for losses (logarithmic where an early spike would flatten
all that follows), `shares` for accuracies, which never leave 0 to 100 %, `spent` for time that passed, `named` for
levels that have names, and `parts` for a whole. All are pure and take any data, a single value included; what is not
finite has no place on a scale, so it has no say in its ends.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from qcqueue.text.humanize import DAY_S, HOUR_S, MINUTE_S

SPIKE = 10.0
MOST_TICKS_OF_A_LOG = 10
LONG_NUMBER, MOST_DIGITS = 1e5, 5
_UNITS = (("days", DAY_S), ("h", HOUR_S), ("min", MINUTE_S), ("s", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    value: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Maps low..high to 0..1; `logarithmic` scales have a low above 0. unit is that of the labels, if they have one."""

    low: float
    high: float
    ticks: tuple[Tick, ...]
    logarithmic: bool = False
    unit: str = ""

    def called(self, name: str) -> str:
        """Return the name of an axis with this scale: what it measures, and in what."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{name}{unit}{', log scale' if self.logarithmic else ''}"

    def place(self, value: float) -> float:
        if self.logarithmic:
            # Differences of logarithms, because a quotient of extremes would overflow.
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)


def counted(last: int) -> Scale:
    """Return a scale from 1 to `last` with whole ticks; a single epoch stands in the middle."""
    step = max(1, round(nice_step(last / 6)))
    values = sorted({1, *range(step, last + 1, step)})
    ticks = tuple(Tick(value=value, label=f"{value:,}") for value in values)
    return Scale(low=0.5, high=1.5, ticks=ticks) if last <= 1 else Scale(low=1, high=last, ticks=ticks)


def measured(values: Sequence[float]) -> Scale:
    """Return a scale for losses that holds all finite `values`, from 0 where that costs little room."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = _range(finite)
    if low > 0 and finite and high > SPIKE * median(finite):
        return _logarithmic(low, high)
    return _linear(0.0 if 0 <= low < 0.4 * high else low, high, label=_loss)


def shares(values: Sequence[float]) -> Scale:
    """Return a scale for accuracies that holds all finite `values` and nothing beyond 0..1, labelled in percent."""
    low, high = _range([value for value in values if math.isfinite(value)])
    if high - low < 0.04:
        # A hundredth of a percent blown up to the height of a chart would look like a difference.
        low, high = low - 0.02, high + 0.02
    low, high = max(0.0, min(low, 0.96)), min(1.0, max(high, 0.04))
    return _linear(low, high, most=1.0, label=lambda value, digits: f"{100 * value:.{max(0, digits - 2)}f}")


def spent(last_s: float) -> Scale:
    """Return a scale from 0 to last_s seconds, labelled in the unit in which a person would tell that time."""
    unit, unit_s = next(((unit, size_s) for unit, size_s in _UNITS if last_s >= 2 * size_s), _UNITS[-1])
    last = last_s / unit_s if last_s > 0 else 1.0
    step = nice_step(last / 5)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = tuple(
        Tick(value=index * step * unit_s, label=f"{index * step:,.{digits}f}")
        for index in range(int(last / step + 1e-9) + 1)
    )
    return Scale(low=0.0, high=last * unit_s, ticks=ticks, unit=unit)


def named(names: Sequence[str]) -> Scale:
    """Return a scale for levels 0, 1, 2, ... that have names; a single level stands in the middle."""
    ticks = tuple(Tick(value=place, label=name) for place, name in enumerate(names))
    return Scale(low=0, high=len(names) - 1, ticks=ticks) if len(names) > 1 else Scale(low=-0.5, high=0.5, ticks=ticks)


def parts() -> Scale:
    """Return the scale from nothing to the whole, labelled in percent."""
    return Scale(low=0.0, high=1.0, ticks=tuple(Tick(value=at / 100, label=str(at)) for at in (0, 25, 50, 75, 100)))


def nice_step(rough: float) -> float:
    """Return the smallest of 1, 2, 5, 10, ... times a power of ten that is not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _linear(low: float, high: float, *, label: Callable[[float, int], str], most: float = math.inf) -> Scale:
    step = nice_step((high - low) / 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(min(high, most) / step - 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = tuple(Tick(value=index * step, label=label(index * step, digits)) for index in range(first, last + 1))
    return Scale(low=first * step, high=last * step, ticks=ticks)


def _loss(value: float, digits: int) -> str:
    # A run that diverges, or one that has learnt all by heart, has losses of more digits than there is room for.
    return f"{value:g}" if abs(value) >= LONG_NUMBER or digits > MOST_DIGITS else f"{value:,.{digits}f}"


def _logarithmic(low: float, high: float) -> Scale:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    rungs = [factor * 10.0**exponent for exponent in exponents for factor in (1, 2, 5)]
    bottom = max(rung for rung in rungs if rung <= low * (1 + 1e-9))
    top = min(rung for rung in rungs if rung >= high * (1 - 1e-9))
    shown = [rung for rung in rungs if bottom <= rung <= top]
    if len(shown) > MOST_TICKS_OF_A_LOG:
        powers = [rung for rung in shown if f"{rung:e}".startswith("1.0")]
        shown = powers[:: math.ceil(len(powers) / MOST_TICKS_OF_A_LOG)]
    ticks = tuple(Tick(value=rung, label=f"{rung:,g}" if rung < LONG_NUMBER else f"{rung:.0e}") for rung in shown)
    return Scale(low=bottom, high=top, ticks=ticks, logarithmic=True)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high:
        # One value has no range of its own: give it the room of its size.
        room = abs(low) / 2 or 0.5
        return low - room, high + room
    return low, high
