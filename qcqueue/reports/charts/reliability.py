"""Reliability diagrams: of the images a model was so sure about, how many did it get right? One panel a model.

A dot on the diagonal is as right as it is sure, below it too sure, above it not sure enough. The area of a dot is the
number of images, and a line shows how far it is off; the expected calibration error (ECE) is the mean of these lines.
"""

import math
from dataclasses import dataclass

from qcqueue.reports.charts.lettering import LABEL_SIZE
from qcqueue.reports.charts.picture import Picture, picture
from qcqueue.reports.charts.shapes import Entry, dot, key, label, number, rule, words
from qcqueue.reports.markup import Markup, tag

WIDTH = 400
MOST_COLUMNS = 2
LEFT, RIGHT, TOP, BOTTOM, GAP = 38, 13, 22, 40, 10
LARGEST_SOLE_PANEL = 260
LARGEST_DOT, SMALLEST_DOT = 8.0, 1.6
TICKS = (0, 50, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Images of about one confidence: its mean and their accuracy, both 0..1, and how many they are."""

    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One model. ece is the expected calibration error, 0..1."""

    label: str
    paint: str
    bins: tuple[Bin, ...]
    ece: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """What to draw."""

    key: str
    title: str
    description: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class _Square:
    left: float
    top: float
    side: float

    def across(self, share: float) -> float:
        return self.left + share * self.side

    def down(self, share: float) -> float:
        return self.top + (1 - share) * self.side


def draw(chart: Reliability) -> Picture:
    """Return all panels, two in a row."""
    columns = min(MOST_COLUMNS, max(1, len(chart.panels)))
    cell = (WIDTH - GAP * (columns - 1)) / columns
    side = min(cell - LEFT - RIGHT, LARGEST_SOLE_PANEL)
    row_height = TOP + side + BOTTOM
    most = max((found.count for panel in chart.panels for found in panel.bins), default=1)
    panels = [
        _panel(
            panel, _Square((cell + GAP) * (place % columns) + LEFT, row_height * (place // columns) + TOP, side), most
        )
        for place, panel in enumerate(chart.panels)
    ]
    rows = math.ceil(len(chart.panels) / columns)
    top = row_height * rows
    signs, signs_height = key(_signs(most), left=2, top=top, right=WIDTH)
    return picture(
        chart.key,
        chart.title,
        chart.description,
        panels,
        signs,
        width=WIDTH,
        height=top + signs_height + 4,
    )


def _signs(most: int) -> list[Entry]:
    return [
        Entry(sign=dot(0, 0, 4, "var(--quiet)"), name=f"area: images (largest {most:,})"),
        Entry(sign=tag("path", d="M-5.5 5.5L5.5 -5.5", class_="ideal"), name="as right as sure"),
    ]


def _panel(panel: Panel, square: _Square, most: int) -> Markup:
    found = [one for one in panel.bins if one.count and math.isfinite(one.confidence) and math.isfinite(one.accuracy)]
    # The smallest last, so that none hides another.
    found.sort(key=lambda one: -one.count)
    return tag(
        "g",
        label(panel.label, square.left, square.top - 8, room=square.side + RIGHT, style=f"fill:{panel.paint}"),
        _axes(square),
        tag("path", d=_diagonal(square), class_="ideal"),
        [_off(one, square, panel.paint) for one in found],
        [_bin(one, square, panel.paint, most) for one in found],
        _said(panel, square),
    )


def _axes(square: _Square) -> list[Markup]:
    shown: list[Markup] = []
    for tick in TICKS:
        x, y = square.across(tick / 100), square.down(tick / 100)
        shown += [
            rule(x, square.top, x, square.down(0), "grid"),
            rule(square.left, y, square.across(1), y, "grid"),
            words(str(tick), x, square.down(0) + 15, anchor="middle"),
            words(str(tick), square.left - 5, y + 4, anchor="end"),
        ]
    x, y = square.left - 28, square.top + square.side / 2
    turned = f"rotate(-90 {number(x)} {number(y)})"
    right = tag("text", "right (%)", x=number(x), y=number(y), text_anchor="middle", class_="name", transform=turned)
    sure = words("sure (%)", square.across(0.5), square.down(0) + 30, anchor="middle", class_="name")
    return [*shown, right, sure]


def _diagonal(square: _Square) -> str:
    return f"M{number(square.across(0))} {number(square.down(0))}L{number(square.across(1))} {number(square.down(1))}"


def _off(one: Bin, square: _Square, paint: str) -> Markup:
    x = square.across(one.confidence)
    return rule(x, square.down(one.confidence), x, square.down(one.accuracy), "mark", style=f"stroke:{paint}")


def _bin(one: Bin, square: _Square, paint: str, most: int) -> Markup:
    radius = max(SMALLEST_DOT, LARGEST_DOT * math.sqrt(one.count / most))
    said = f"{one.count:,} images: {100 * one.confidence:.1f} % sure, {100 * one.accuracy:.1f} % right"
    return dot(square.across(one.confidence), square.down(one.accuracy), radius, paint, title=said)


def _said(panel: Panel, square: _Square) -> list[Markup]:
    """Return the numbers in the upper left, where a dot would mean more right than sure by half."""
    lines = [f"ECE {100 * panel.ece:.1f} %", f"{sum(one.count for one in panel.bins):,} images"]
    x, y = square.left + 6, square.top + LABEL_SIZE + 3
    return [
        words(line, x, y + 14 * place, class_="strong over" if place == 0 else "over")
        for place, line in enumerate(lines)
    ]
