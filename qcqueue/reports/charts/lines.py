"""Line charts as SVG: curves over epochs, each named at its end, with the seams of a run and its best epoch.

Pure text from plain values. Colours are custom properties of the page (`--model-0` ...), so one drawing serves
light and dark. Sizes are chosen so that the smallest text stays legible when a phone shows the chart at 340 px.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qcqueue.reports.charts.scales import Scale
from qcqueue.reports.markup import Markup, tag

WIDTH, HEIGHT = 400, 256
TOP, BOTTOM, LEFT = 34, 38, 42
LABEL_GAP = 14
CHARACTER_WIDTH = 7.3
LONGEST_LABEL = 19
MOST_DOTS = 15
SEAM_LABEL_GAP = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One curve; points are (epoch, value). paint is a CSS colour, dash an SVG dash pattern."""

    label: str
    points: tuple[tuple[int, float], ...]
    paint: str
    dash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """Where another attempt takes over: before this epoch."""

    epoch: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What to draw. key is unique on its page; rings are points to single out, such as the best epoch."""

    key: str
    title: str
    description: str
    y_name: str
    x: Scale
    y: Scale
    lines: tuple[Line, ...]
    seams: tuple[Seam, ...] = ()
    rings: tuple[tuple[int, float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Frame:
    """The plot area of one chart: turns values into pixels."""

    x: Scale
    y: Scale
    right: float

    def across(self, epoch: float) -> float:
        return round(LEFT + self.x.place(epoch) * (self.right - LEFT), 1)

    def down(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - BOTTOM - TOP), 1)


def draw(chart: Chart) -> Markup:
    """Return the chart as one SVG element with a title and a description for those who do not see it."""
    lines = [_finite(line) for line in chart.lines]
    frame = _Frame(chart.x, chart.y, WIDTH - _label_room(lines))
    return tag(
        "svg",
        tag("title", chart.title, id=f"{chart.key}-title"),
        tag("desc", chart.description, id=f"{chart.key}-desc"),
        _grid(frame, chart.y_name),
        [_seam(frame, seam, named) for seam, named in _named_seams(frame, chart.seams)],
        [_curve(frame, line) for line in lines],
        [_ring(frame, *ring) for ring in chart.rings],
        _labels(frame, lines),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_labelledby=f"{chart.key}-title {chart.key}-desc",
    )


def spread(wanted: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Return positions at least `gap` apart, near those wanted and in their order, between low and high if they fit."""
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    placed = [0.0] * len(wanted)
    floor = low
    for index in order:
        placed[index] = floor = max(wanted[index], floor)
        floor += gap
    ceiling = high
    for index in reversed(order):
        placed[index] = ceiling = min(placed[index], ceiling)
        ceiling -= gap
    return placed


def _finite(line: Line) -> Line:
    kept = tuple(point for point in line.points if math.isfinite(point[1]))
    return Line(label=line.label, points=kept, paint=line.paint, dash=line.dash)


def _label_room(lines: Sequence[Line]) -> float:
    longest = max((min(len(line.label), LONGEST_LABEL) for line in lines), default=0)
    return 22 + longest * CHARACTER_WIDTH


def _grid(frame: _Frame, y_name: str) -> Markup:
    bottom = HEIGHT - BOTTOM
    across = [
        (
            _rule(LEFT, frame.down(tick.value), frame.right, frame.down(tick.value), "grid"),
            _text(tick.label, LEFT - 6, frame.down(tick.value) + 4, anchor="end"),
        )
        for tick in frame.y.ticks
    ]
    along = [
        (
            _rule(frame.across(tick.value), bottom, frame.across(tick.value), bottom + 4, "axis"),
            _text(tick.label, frame.across(tick.value), bottom + 16, anchor="middle"),
        )
        for tick in frame.x.ticks
    ]
    middle = (LEFT + frame.right) / 2
    return tag(
        "g",
        across,
        _rule(LEFT, bottom, frame.right, bottom, "axis"),
        along,
        _text("epoch", middle, HEIGHT - 5, anchor="middle", class_="name"),
        _text(y_name + (", log scale" if frame.y.logarithmic else ""), 2, 12, anchor="start", class_="name"),
    )


def _named_seams(frame: _Frame, seams: Sequence[Seam]) -> list[tuple[Seam, bool]]:
    """Decide which seams have room for their label: the first, and each far enough from the last one named."""
    named: list[tuple[Seam, bool]] = []
    free_from = -math.inf
    for seam in seams:
        at = frame.across(seam.epoch - 0.5)
        named.append((seam, at >= free_from))
        free_from = at + SEAM_LABEL_GAP if at >= free_from else free_from
    return named


def _seam(frame: _Frame, seam: Seam, named: bool) -> Markup:
    at = frame.across(max(seam.epoch - 0.5, frame.x.low))
    label = _text(seam.label, at, TOP - 6, anchor="middle") if named else None
    return tag("g", _rule(at, TOP - 2, at, HEIGHT - BOTTOM, "seam"), label)


def _curve(frame: _Frame, line: Line) -> Markup:
    places = [(frame.across(epoch), frame.down(value)) for epoch, value in line.points]
    path = tag(
        "path",
        d="M" + "L".join(f"{x:g} {y:g}" for x, y in places),
        class_="curve",
        style=f"stroke:{line.paint}",
        stroke_dasharray=line.dash,
    )
    # Few points are measurements one wants to see; many would only thicken the line.
    dotted = places if len(places) <= MOST_DOTS else []
    dots = [tag("circle", cx=f"{x:g}", cy=f"{y:g}", r=2.4, style=f"fill:{line.paint}") for x, y in dotted]
    return tag("g", path if len(places) > 1 else None, dots)


def _ring(frame: _Frame, epoch: int, value: float, paint: str) -> Markup:
    return tag("circle", cx=frame.across(epoch), cy=frame.down(value), r=5.5, class_="ring", style=f"stroke:{paint}")


def _labels(frame: _Frame, lines: Sequence[Line]) -> list[Markup]:
    drawn = [line for line in lines if line.points]
    ends = [(frame.across(line.points[-1][0]), frame.down(line.points[-1][1])) for line in drawn]
    heights = spread([y for _, y in ends], gap=LABEL_GAP, low=TOP, high=HEIGHT - BOTTOM)
    return [_label(frame, line, end, y) for line, end, y in zip(drawn, ends, heights, strict=True)]


def _label(frame: _Frame, line: Line, end: tuple[float, float], y: float) -> Markup:
    x = frame.right + 14
    leader = tag("path", d=f"M{end[0]:g} {end[1]:g}L{x - 3:g} {y:g}", class_="leader", style=f"stroke:{line.paint}")
    short = line.label if len(line.label) <= LONGEST_LABEL else f"{line.label[: LONGEST_LABEL - 1]}…"
    shown = tag("text", tag("title", line.label), short, x=x, y=y + 4, class_="label", style=f"fill:{line.paint}")
    return tag("g", leader, shown)


def _rule(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return tag("line", x1=f"{x1:g}", y1=f"{y1:g}", x2=f"{x2:g}", y2=f"{y2:g}", class_=kind)


def _text(text: str, x: float, y: float, *, anchor: str, class_: str | None = None) -> Markup:
    return tag("text", text, x=f"{x:g}", y=f"{y:g}", text_anchor=anchor, class_=class_)
