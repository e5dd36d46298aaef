"""The days of a study: which session was alive when, what it worked on, how it ended, and when there was no machine.

One row for sessions and one for each job, on one axis of dates in UTC. A block of minutes in weeks would be too thin
to see, so blocks have a least width; their beginnings are true. How a block ended stands below its end, so that weeks
of thin blocks keep their colours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qcqueue.reports.charts.calendar import days_said, moments
from qcqueue.reports.charts.lettering import SMALL_SIZE, width_of
from qcqueue.reports.charts.picture import Picture, picture
from qcqueue.reports.charts.scales import Scale
from qcqueue.reports.charts.shapes import Entry, cross, key, number, row_head, rule, swatch, tick_label, words
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.quantities.timeline import HowEnded
from qcqueue.text.humanize import duration

WIDTH = 400
LEFT, RIGHT = 12, 384
TOP, BOTTOM, KEY_GAP = 4, 36, 4
ROW_HEIGHT, BLOCK_TOP, BLOCK_HEIGHT = 42, 20, 10
LEAST_WIDTH = 2.0
CROSS, STROKE, ENDING_TOP = 2.6, 2.8, 15
SESSION_PAINT = "var(--quiet)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A stretch of work, in seconds since 1970; said tells it to whoever points at it."""

    start_s: float
    end_s: float
    ending: HowEnded
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch without a machine, whatever the reason; said tells it to whoever points at it."""

    start_s: float
    end_s: float
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """What was worked on one job; said stands at the right of its name."""

    label: str
    paint: str
    blocks: tuple[Block, ...]
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What to draw; all blocks and gaps lie between start_s and end_s, seconds since 1970."""

    key: str
    title: str
    description: str
    start_s: float
    end_s: float
    sessions: tuple[Block, ...]
    sessions_said: str
    gaps: tuple[Gap, ...]
    jobs: tuple[JobRow, ...]


def draw(chart: Timeline) -> Picture:
    """Return the rows below the key to their signs."""
    x = moments(chart.start_s, chart.end_s)
    signs, signs_height = key(list(_signs(chart)), left=LEFT, top=TOP, right=WIDTH - 4)
    top = TOP + signs_height + KEY_GAP
    bottom = top + ROW_HEIGHT * (1 + len(chart.jobs))
    sessions = JobRow(label="Sessions", paint=SESSION_PAINT, blocks=chart.sessions, said=chart.sessions_said)
    return picture(
        chart.key,
        chart.title,
        chart.description,
        signs,
        _axis(x, chart, top + BLOCK_TOP - 4, bottom),
        [_gap(gap, x, top + BLOCK_TOP) for gap in chart.gaps],
        [_row(row, x, top + ROW_HEIGHT * place) for place, row in enumerate((sessions, *chart.jobs))],
        width=WIDTH,
        height=bottom + BOTTOM,
    )


def _signs(chart: Timeline) -> Iterator[Entry]:
    """Yield the meaning of each sign that occurs."""
    blocks = [*chart.sessions, *(block for row in chart.jobs for block in row.blocks)]
    endings = {block.ending for block in blocks}
    yield Entry(sign=swatch(SESSION_PAINT), name="at work")
    if HowEnded.KILLED in endings:
        yield Entry(sign=cross(0, 0, CROSS, "var(--bad)"), name=HowEnded.KILLED.label)
    if HowEnded.LEFT in endings:
        yield Entry(sign=_stroke(0, 0), name=HowEnded.LEFT.label)
    if HowEnded.AT_WORK in endings:
        yield Entry(sign=_arrow(-2, 0), name=HowEnded.AT_WORK.label)
    if chart.gaps:
        yield Entry(sign=rule(-5.5, 0, 5.5, 0, "ideal"), name="no machine")


def _axis(x: Scale, chart: Timeline, top: float, bottom: float) -> Markup:
    ticks = [
        (
            rule(_across(x, tick.value), top, _across(x, tick.value), bottom, "grid"),
            tick_label(tick.label, _across(x, tick.value), bottom + 14, width=WIDTH),
        )
        for tick in x.ticks
    ]
    name = words(days_said(chart.start_s, chart.end_s), WIDTH / 2, bottom + 30, anchor="middle", class_="name")
    return tag("g", ticks, name)


def _row(row: JobRow, x: Scale, top: float) -> Markup:
    head = row_head(row.label, row.said, top + 14, left=LEFT, right=RIGHT)
    y = top + BLOCK_TOP
    return tag(
        "g", head, [_block(block, x, y, row.paint) for block in row.blocks], _ends(row.blocks, x, y + ENDING_TOP)
    )


def _block(block: Block, x: Scale, y: float, paint: str) -> Markup:
    left, right = _edges(block, x)
    return tag(
        "rect",
        tag("title", block.said),
        x=number(left),
        y=number(y),
        width=number(right - left),
        height=BLOCK_HEIGHT,
        style=f"fill:{paint}",
    )


def _ends(blocks: Sequence[Block], x: Scale, y: float) -> list[Content]:
    shown: list[Content] = []
    for block in blocks:
        at = _edges(block, x)[1]
        if block.ending is HowEnded.KILLED:
            shown.append(cross(at, y, CROSS, "var(--bad)"))
        elif block.ending is HowEnded.LEFT:
            shown.append(_stroke(at, y))
        else:
            shown.append(_arrow(at, y))
    return shown


def _gap(gap: Gap, x: Scale, y: float) -> Markup:
    left, right = _across(x, gap.start_s), _across(x, gap.end_s)
    middle = y + BLOCK_HEIGHT / 2
    said = duration(gap.end_s - gap.start_s)
    title = tag("title", gap.said)
    centre, half = (left + right) / 2, width_of(said, size=SMALL_SIZE) / 2 + 2
    if right - left < 2 * half + 12:
        return tag("g", title, rule(left, middle, right, middle, "ideal"))
    return tag(
        "g",
        title,
        rule(left, middle, centre - half, middle, "ideal"),
        words(said, centre, middle + 3.6, anchor="middle", class_="small"),
        rule(centre + half, middle, right, middle, "ideal"),
    )


def _edges(block: Block, x: Scale) -> tuple[float, float]:
    left, right = _across(x, block.start_s), _across(x, block.end_s)
    return left, max(right, left + LEAST_WIDTH)


def _stroke(x: float, y: float) -> Markup:
    return rule(x, y - STROKE, x, y + STROKE, "mark", style="stroke:var(--quiet)")


def _arrow(x: float, y: float) -> Markup:
    d = f"M{number(x)} {number(y - STROKE)}L{number(x + 4)} {number(y)}L{number(x)} {number(y + STROKE)}Z"
    return tag("path", d=d, style="fill:var(--quiet)")


def _across(x: Scale, at_s: float) -> float:
    return LEFT + min(max(x.place(at_s), 0.0), 1.0) * (RIGHT - LEFT)
