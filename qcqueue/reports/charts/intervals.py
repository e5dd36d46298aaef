"""Estimates with their intervals, one row a model: what was seen, and how far off that may be.

Two estimates a row at most lie below each other, filled and hollow. An end of an interval that is not known is an
arrow: the truth lies somewhere on that side.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from qcqueue.reports.charts.lettering import width_of
from qcqueue.reports.charts.picture import Picture, picture
from qcqueue.reports.charts.scales import Scale
from qcqueue.reports.charts.shapes import Entry, dot, key, label, number, rule, tick_label, words
from qcqueue.reports.markup import Content, Markup, tag

WIDTH = 400
LEFT, RIGHT = 10, 392
TOP, BOTTOM, KEY_GAP = 4, 36, 6
NAME_HEIGHT, LANE_HEIGHT, ROW_GAP = 16, 16, 6
CAP, ARROW, DOT = 3.5, 5.0, 4.0
VALUE_GAP = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value on the scale with its interval, and both in words. None: not measured; an end of None: no bound."""

    value: float | None
    low: float | None
    high: float | None
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model (or one pair of models); its estimates are in the order of the chart's names for them."""

    label: str
    paint: str
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """What to draw. names are those of the estimates of each row; interval says what the lines are."""

    key: str
    title: str
    description: str
    x_name: str
    x: Scale
    names: tuple[str, ...]
    interval: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class _Frame:
    x: Scale
    right: float

    def across(self, value: float) -> float:
        return LEFT + min(max(self.x.place(value), 0.0), 1.0) * (self.right - LEFT)


def draw(chart: Intervals) -> Picture:
    """Return the rows below the key to their signs."""
    said = [width_of(estimate.said) for row in chart.rows for estimate in row.estimates]
    frame = _Frame(chart.x, RIGHT - max(said, default=0) - VALUE_GAP)
    signs, signs_height = key(list(_signs(chart)), left=LEFT, top=TOP, right=WIDTH - 4)
    top = TOP + signs_height + KEY_GAP
    row_height = NAME_HEIGHT + LANE_HEIGHT * len(chart.names) + ROW_GAP
    bottom = top + row_height * len(chart.rows)
    return picture(
        chart.key,
        chart.title,
        chart.description,
        signs,
        _axis(chart, frame, top + 4, bottom),
        [_row(row, frame, top + row_height * place) for place, row in enumerate(chart.rows)],
        width=WIDTH,
        height=bottom + BOTTOM,
    )


def _signs(chart: Intervals) -> Iterator[Entry]:
    for place, name in enumerate(chart.names):
        yield Entry(sign=dot(0, 0, DOT, "var(--quiet)", hollow=place > 0), name=name)
    line = [rule(-5.5, 0, 5.5, 0, "axis"), rule(-5.5, -CAP, -5.5, CAP, "axis"), rule(5.5, -CAP, 5.5, CAP, "axis")]
    yield Entry(sign=tag("g", line), name=chart.interval)


def _axis(chart: Intervals, frame: _Frame, top: float, bottom: float) -> Markup:
    ticks = [
        (
            rule(frame.across(tick.value), top, frame.across(tick.value), bottom, "grid"),
            tick_label(tick.label, frame.across(tick.value), bottom + 14, width=WIDTH),
        )
        for tick in chart.x.ticks
    ]
    middle = (LEFT + frame.right) / 2
    half = width_of(chart.x.called(chart.x_name), bold=True) / 2
    name = words(chart.x.called(chart.x_name), max(middle, half + 2), bottom + 30, anchor="middle", class_="name")
    return tag("g", ticks, name)


def _row(row: Row, frame: _Frame, top: float) -> Markup:
    lanes = [
        _lane(estimate, row.paint, frame, top + NAME_HEIGHT + LANE_HEIGHT * (place + 0.5), hollow=place > 0)
        for place, estimate in enumerate(row.estimates)
    ]
    return tag("g", label(row.label, LEFT, top + 13, room=RIGHT - LEFT), lanes)


def _lane(estimate: Estimate, paint: str, frame: _Frame, y: float, *, hollow: bool) -> list[Content]:
    said = words(estimate.said, RIGHT, y + 4, anchor="end", class_="value")
    if estimate.value is None or not math.isfinite(estimate.value):
        return [said]
    at = frame.across(estimate.value)
    ends = [
        _end(bound, frame, at, y, paint, is_low) for is_low, bound in ((True, estimate.low), (False, estimate.high))
    ]
    line = rule(ends[0][0], y, ends[1][0], y, "mark", style=f"stroke:{paint}")
    return [line, ends[0][1], ends[1][1], dot(at, y, DOT, paint, hollow=hollow, title=estimate.said), said]


def _end(bound: float | None, frame: _Frame, dot_x: float, y: float, paint: str, is_low: bool) -> tuple[float, Markup]:
    """Return where the line ends and its sign: a cap at a bound, an arrow where there is none."""
    stroke = f"stroke:{paint}"
    if bound is not None and math.isfinite(bound):
        at = frame.across(bound)
        return at, rule(at, y - CAP, at, y + CAP, "mark", style=stroke)
    at = frame.across(frame.x.low if is_low else frame.x.high)
    if abs(at - dot_x) < DOT + ARROW:
        # A value at the very edge would hide the arrow, so that it points on from the dot.
        at = dot_x - DOT - ARROW if is_low else dot_x + DOT + ARROW
    back = ARROW if is_low else -ARROW
    head = f"M{number(at + back)} {number(y - CAP)}L{number(at)} {number(y)}L{number(at + back)} {number(y + CAP)}"
    return at, tag("path", d=head, class_="mark", style=stroke)
