"""Line charts: curves over epochs, time or levels, each named at its end, with the seams of a run and its best epoch.

Sizes are chosen so that the smallest text stays legible when a phone shows the chart at 340 px. What is not finite
breaks a curve and is never bridged.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from qcqueue.reports.charts.lettering import LABEL_SIZE, shortened, width_of, wrapped
from qcqueue.reports.charts.picture import Picture, picture
from qcqueue.reports.charts.scales import Scale
from qcqueue.reports.charts.shapes import Entry, dot, key, number, rule, tick_label, words
from qcqueue.reports.markup import Content, Markup, tag

WIDTH, HEIGHT = 400, 256
TOP, BOTTOM, LEFT = 34, 38, 42
LABEL_GAP, LEADER = 14, 14
MOST_LABEL_ROOM = 150
MOST_DOTS = 15
SEAM_LABEL_GAP = 24
NAME_LINE, NAME_GAP, MOST_NAME_ROOM = 14, 6, 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One curve; points are (x, value). paint is a CSS colour, dash an SVG dash pattern."""

    label: str
    points: tuple[tuple[float, float], ...]
    paint: str
    dash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """Where another attempt takes over: at this x, which lies between two epochs."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """A point to single out: the best epoch."""

    x: float
    y: float
    paint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What to draw. key is unique on its page; the units of the axes are those of their scales and names."""

    key: str
    title: str
    description: str
    y_name: str
    x: Scale
    y: Scale
    lines: tuple[Line, ...]
    x_name: str = "epoch"
    seams: tuple[Seam, ...] = ()
    rings: tuple[Ring, ...] = ()


@dataclass(frozen=True, slots=True)
class _Frame:
    """The plot area of one chart: turns values into pixels."""

    x: Scale
    y: Scale
    right: float
    bottom: float

    def across(self, value: float) -> float:
        return round(LEFT + self.x.place(value) * (self.right - LEFT), 1)

    def down(self, value: float) -> float:
        return round(self.bottom - self.y.place(value) * (self.bottom - TOP), 1)


def draw(chart: Chart) -> Picture:
    """Return the chart; it is as high as its labels need."""
    drawn = [line for line in chart.lines if _finite(line)]
    rings = [ring for ring in chart.rings if math.isfinite(ring.y)]
    bottom = max(HEIGHT - BOTTOM, TOP + LABEL_GAP * (len(drawn) - 1))
    frame = _Frame(chart.x, chart.y, WIDTH - _label_room(drawn), bottom)
    names = _names(frame)
    foot = _foot(frame, names)
    signs, signs_height = key(list(_signs(rings, chart.seams)), left=2, top=foot + 4, right=WIDTH)
    return picture(
        chart.key,
        chart.title,
        chart.description,
        _grid(frame, chart.x.called(chart.x_name), chart.y.called(chart.y_name), names),
        [_seam(frame, seam, named) for seam, named in _named_seams(frame, chart.seams)],
        [_curve(frame, line) for line in drawn],
        [_ring(frame, ring) for ring in rings],
        _labels(frame, drawn),
        signs,
        width=WIDTH,
        height=foot + (signs_height + 8 if signs else 0),
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


def _finite(line: Line) -> list[tuple[float, float]]:
    return [point for point in line.points if math.isfinite(point[1])]


def _label_room(lines: Sequence[Line]) -> float:
    longest = max((width_of(line.label, size=LABEL_SIZE, bold=True) for line in lines), default=0)
    return LEADER + 8 + min(longest, MOST_LABEL_ROOM)


def _signs(rings: Sequence[Ring], seams: Sequence[Seam]) -> Iterator[Entry]:
    """Yield what the signs in the chart mean; a picture may be shown without its page."""
    if rings:
        yield Entry(sign=tag("circle", r=4.5, class_="ring", style="stroke:var(--quiet)"), name="best epoch")
    if seams:
        yield Entry(sign=rule(0, -6, 0, 6, "seam"), name="another attempt takes over")


def _names(frame: _Frame) -> list[list[str]]:
    """Return the lines of each label below the chart: two where a level has a name too long for one."""
    places = [frame.across(tick.value) for tick in frame.x.ticks]
    room = min((right - left for left, right in pairwise(places)), default=MOST_NAME_ROOM) - NAME_GAP
    return [wrapped(tick.label, min(room, MOST_NAME_ROOM), most=2) for tick in frame.x.ticks]


def _foot(frame: _Frame, names: Sequence[Sequence[str]]) -> float:
    """Return where the axis with its names ends."""
    return frame.bottom + BOTTOM + NAME_LINE * (max(map(len, names)) - 1)


def _grid(frame: _Frame, x_name: str, y_name: str, names: Sequence[Sequence[str]]) -> Markup:
    across = [
        (
            rule(LEFT, frame.down(tick.value), frame.right, frame.down(tick.value), "grid"),
            words(tick.label, LEFT - 6, frame.down(tick.value) + 4, anchor="end"),
        )
        for tick in frame.y.ticks
    ]
    along = [
        (
            rule(frame.across(tick.value), frame.bottom, frame.across(tick.value), frame.bottom + 4, "axis"),
            [
                tick_label(line, frame.across(tick.value), frame.bottom + 16 + NAME_LINE * place, width=WIDTH)
                for place, line in enumerate(lines)
            ],
        )
        for tick, lines in zip(frame.x.ticks, names, strict=True)
    ]
    return tag(
        "g",
        across,
        rule(LEFT, frame.bottom, frame.right, frame.bottom, "axis"),
        along,
        words(x_name, (LEFT + frame.right) / 2, _foot(frame, names) - 5, anchor="middle", class_="name"),
        words(y_name, 2, 12, class_="name"),
    )


def _named_seams(frame: _Frame, seams: Sequence[Seam]) -> list[tuple[Seam, bool]]:
    """Decide which seams have room for their label: the first, and each far enough from the last one named."""
    named: list[tuple[Seam, bool]] = []
    free_from = -math.inf
    for seam in seams:
        at = frame.across(seam.at)
        named.append((seam, at >= free_from))
        free_from = at + SEAM_LABEL_GAP if at >= free_from else free_from
    return named


def _seam(frame: _Frame, seam: Seam, named: bool) -> Markup:
    at = frame.across(max(seam.at, frame.x.low))
    shown = words(seam.label, at, TOP - 6, anchor="middle") if named else None
    return tag("g", rule(at, TOP - 2, at, frame.bottom, "seam"), shown)


def _curve(frame: _Frame, line: Line) -> Markup:
    stretches = [[(frame.across(x), frame.down(y)) for x, y in stretch] for stretch in _stretches(line.points)]
    joined = ["M" + "L".join(f"{x:g} {y:g}" for x, y in stretch) for stretch in stretches if len(stretch) > 1]
    stroke = f"stroke:{line.paint}"
    path = tag("path", d="".join(joined), class_="curve", style=stroke, stroke_dasharray=line.dash)
    # Few points are measurements one wants to see; many would only thicken the line.
    places = [place for stretch in stretches for place in stretch]
    dotted = places if len(places) <= MOST_DOTS else [stretch[0] for stretch in stretches if len(stretch) == 1]
    return tag("g", path if joined else None, [dot(x, y, 2.4, line.paint) for x, y in dotted])


def _stretches(points: Sequence[tuple[float, float]]) -> Iterator[list[tuple[float, float]]]:
    """Yield the points between two that are not finite."""
    stretch: list[tuple[float, float]] = []
    for point in (*points, (0.0, math.nan)):
        if math.isfinite(point[1]):
            stretch.append(point)
        elif stretch:
            yield stretch
            stretch = []


def _ring(frame: _Frame, ring: Ring) -> Markup:
    style = f"stroke:{ring.paint}"
    return tag("circle", cx=frame.across(ring.x), cy=frame.down(ring.y), r=5.5, class_="ring", style=style)


def _labels(frame: _Frame, lines: Sequence[Line]) -> list[Content]:
    ends = [(frame.across(x), frame.down(y)) for x, y in (_finite(line)[-1] for line in lines)]
    heights = spread([y for _, y in ends], gap=LABEL_GAP, low=TOP, high=frame.bottom)
    return [_label(frame, line, end, y) for line, end, y in zip(lines, ends, heights, strict=True)]


def _label(frame: _Frame, line: Line, end: tuple[float, float], y: float) -> Markup:
    x = frame.right + LEADER
    leader = f"M{number(end[0])} {number(end[1])}L{number(x - 3)} {number(y)}"
    short = shortened(line.label, MOST_LABEL_ROOM, size=LABEL_SIZE, bold=True)
    shown = tag(
        "text",
        tag("title", line.label),
        short,
        x=number(x),
        y=number(y + 4),
        class_="label",
        style=f"fill:{line.paint}",
    )
    return tag("g", tag("path", d=leader, class_="leader", style=f"stroke:{line.paint}"), shown)
