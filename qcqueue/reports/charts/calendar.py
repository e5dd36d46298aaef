"""Axes of dates: from a first and a last moment to ticks at whole minutes, hours or days, always in UTC."""

from datetime import UTC

from qcqueue.reports.charts.scales import Scale, Tick
from qcqueue.text.humanize import DAY_S, HOUR_S, MINUTE_S, date

MOST_TICKS = 6
_STEPS_S = (
    *(1, 5, 15, 30),
    *(MINUTE_S * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(HOUR_S * hours for hours in (1, 2, 3, 6, 12)),
    *(DAY_S * days for days in (1, 2, 4, 7, 14, 28, 91, 182, 364)),
)


def moments(low_s: float, high_s: float) -> Scale:
    """Return a scale over moments in seconds since 1970; a tick of midnight bears its date, others their time."""
    high_s = max(high_s, low_s + 1)
    # Ten years of sessions would have more ticks than fit; the longest step is as good as any then.
    step_s = next((step for step in _STEPS_S if (high_s - low_s) / step < MOST_TICKS), _STEPS_S[-1])
    first, last = -int(-low_s // step_s), int(high_s // step_s)
    ticks = tuple(Tick(value=at * step_s, label=_tick(at * step_s, step_s)) for at in range(first, last + 1))
    return Scale(low=low_s, high=high_s, ticks=ticks)


def days_said(low_s: float, high_s: float) -> str:
    """Return the days from one moment to another: "21 Nov 2025", "21 Nov to 3 Dec 2025"; in UTC and saying so."""
    first, last = _day(low_s), _day(high_s)
    if first == last:
        return f"{first}, UTC"
    same_year = first.rsplit(" ", 1)[1] == last.rsplit(" ", 1)[1]
    return f"{first.rsplit(' ', 1)[0] if same_year else first} to {last}, UTC"


def _day(at_s: float) -> str:
    return date(at_s, UTC).rsplit(" ", 1)[0]


def _tick(at_s: float, step_s: float) -> str:
    if at_s % DAY_S == 0:
        return _day(at_s).rsplit(" ", 1)[0]
    minute = date(at_s, UTC).rsplit(" ", 1)[1]
    return minute if step_s >= MINUTE_S else f"{minute}:{int(at_s % MINUTE_S):02d}"
