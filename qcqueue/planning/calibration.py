"""Whether past forecasts were any good: of those whose moment has come, how many it fell into. Decides only."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from qcqueue.text.humanize import count, whole_percent

SHARE_MEANT = 0.8
"""A forecast is a range into which four of five cases are meant to fall."""


class Judgeable(Protocol):
    """A forecast and what came of it, as `queue.forecasts.ForecastLine` has them."""

    @property
    def low_s(self) -> float: ...
    @property
    def high_s(self) -> float: ...
    @property
    def came_at_s(self) -> float | None: ...
    @property
    def not_before_s(self) -> float | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HitRate:
    """Of `judged` forecasts whose outcome is known, `inside` were right."""

    judged: int
    inside: int

    def __str__(self) -> str:
        if not self.judged:
            return "no forecast has been put to the test yet"
        right = f"{self.inside} of {count(self.judged, 'past forecast')} fell inside {_its_range(self.judged)}"
        return f"{right}; {whole_percent(SHARE_MEANT)} are meant to"


def calibration(forecasts: Iterable[Judgeable]) -> HitRate:
    """Judge every forecast that can be: its moment has come, or cannot come in its range any more.

    A session that left by itself before the end of its range says nothing of when it would have been taken away.
    """
    verdicts = [verdict for forecast in forecasts if (verdict := _is_right(forecast)) is not None]
    return HitRate(judged=len(verdicts), inside=sum(verdicts))


def _is_right(forecast: Judgeable) -> bool | None:
    if forecast.came_at_s is not None:
        return forecast.low_s <= forecast.came_at_s <= forecast.high_s
    if forecast.not_before_s is not None and forecast.not_before_s > forecast.high_s:
        return False
    return None


def _its_range(number: int) -> str:
    return "its range" if number == 1 else "their ranges"
