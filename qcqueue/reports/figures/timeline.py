"""The days of a study: which session was alive when, what it worked on, how it ended, and when there was no machine.

One row for sessions and one for each job, on one axis of dates in UTC. A block of minutes in weeks would be too thin to
see, so blocks have a least width; their beginnings are true. How a block ended stands below its end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from qcqueue.core.outcomes import Outcome
from qcqueue.reports.figures.figure import ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.marks import Sign, draw_key, grid, key_lines, little
from qcqueue.reports.figures.sheet import INK, LINE_MM, QUIET, SMALL_SIZE, WIDTH_MM, Sheet, fitted, width_of
from qcqueue.reports.palette import hex_of, model_hex
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.quantities.timeline import HowEnded, StudyTimeline
from qcqueue.text.humanize import DAY_S, HOUR_S, MINUTE_S, count, date, duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDE, _HEAD, _ROW_MM, _BLOCK_MM, _FOOT, _LEAST_MM = 2.0, 1.4, 7.6, 2.2, 8.5, 0.4
_MOST_TICKS = 5
_STEPS_S = (
    *(1, 5, 15, 30),
    *(MINUTE_S * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(HOUR_S * hours for hours in (1, 2, 3, 6, 12)),
    *(DAY_S * days for days in (1, 2, 4, 7, 14, 28, 91, 182, 364)),
)
_ENDINGS = {
    HowEnded.KILLED: {"color": hex_of("bad"), "marker": "x", "markersize": 3.2, "mew": 0.8},
    HowEnded.LEFT: {"color": QUIET, "marker": "|", "markersize": 3.2, "mew": 0.8},
    HowEnded.AT_WORK: {"color": QUIET, "marker": ">", "markersize": 2.6, "mew": 0},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    began_s: float
    ended_s: float
    ending: HowEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    label: str
    said: str
    colour: str
    blocks: tuple[_Block, ...]


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield it where sessions are known."""
    line = findings.timeline
    if not line.sessions:
        return
    said = f"{count(len(line.sessions), 'session')}, {duration(line.held_s)}"
    killed = f"{line.killed} of them killed" if line.killed else "none of them killed"
    yield ReportFigure(
        name="timeline",
        section=Section.OPERATIONS,
        title="Sessions, and what they worked on",
        caption="One row for the sessions and one for each job; dashed: no machine. A mark tells how a block ended.",
        alt=f"{said}, {killed}; what is between them is time without a machine.",
        notes=notes_on_figure(findings, None),
        draw=partial(_draw, list(_rows(findings, said)), [(it.began_s, it.ended_s) for it in line.gaps], _span(line)),
    )


def _span(line: StudyTimeline) -> tuple[float, float]:
    begun_s, ended_s = min(it.began_s for it in line.sessions), max(it.ended_s for it in line.sessions)
    return begun_s, max(ended_s, begun_s + 1)


def _rows(findings: Findings, said: str) -> Iterator[_Row]:
    sessions = findings.timeline.sessions
    blocks = [_Block(began_s=it.began_s, ended_s=it.ended_s, ending=it.end) for it in sessions]
    yield _Row(label="Sessions", said=said, colour=QUIET, blocks=tuple(blocks))
    attempts = list(chain.from_iterable(session.attempts for session in sessions))
    endings = {None: HowEnded.AT_WORK, Outcome.INTERRUPTED: HowEnded.KILLED}
    for place, model in enumerate(findings.models):
        own = [it for it in attempts if it.job == model.name]
        blocks = [
            _Block(began_s=it.began_s, ended_s=it.ended_s, ending=endings.get(it.outcome, HowEnded.LEFT)) for it in own
        ]
        yield _Row(label=model.label, said=count(len(own), "attempt"), colour=model_hex(place), blocks=tuple(blocks))


def _draw(rows: Sequence[_Row], gaps: Sequence[tuple[float, float]], span: tuple[float, float]) -> Sheet:
    ended = {block.ending for row in rows for block in row.blocks}
    signs = [Sign(name=it.label, looks={**looks, "linewidth": 0}) for it, looks in _ENDINGS.items() if it in ended]
    signs += [Sign(name="no machine", looks=_GAP)] if gaps else []
    head, width = _HEAD + LINE_MM * len(key_lines(signs)), WIDTH_MM - 2 * _SIDE - 2
    sheet = Sheet(head + _ROW_MM * len(rows) + _FOOT)
    axes = sheet.axes(_SIDE, head, width, _ROW_MM * len(rows))
    axes.set(xlim=span, ylim=(_ROW_MM * len(rows), 0), yticks=[], xlabel=_days_said(*span))
    axes.spines["left"].set_visible(False)
    _dates(axes, *span)
    grid(axes, "x")
    a_mm = (span[1] - span[0]) / width
    for begun_s, ended_s in gaps:
        axes.plot([begun_s, ended_s], [4.9, 4.9], **_GAP)  # type: ignore[arg-type]
        said = duration(ended_s - begun_s)
        if width_of(said, size=SMALL_SIZE) + 3 < (ended_s - begun_s) / a_mm:
            middle = _SIDE + ((begun_s + ended_s) / 2 - span[0]) / a_mm
            little(sheet, said, middle, head + 3, ha="center")
    for place, row in enumerate(rows):
        top = _ROW_MM * place
        for block in row.blocks:
            right = max(block.ended_s, block.began_s + _LEAST_MM * a_mm)
            axes.barh([top + 4.9], [right - block.began_s], left=[block.began_s], height=_BLOCK_MM, color=row.colour)
            axes.plot([right], [top + 6.9], linestyle="none", clip_on=False, **_ENDINGS[block.ending])  # type: ignore[arg-type]
        name = fitted(row.label, width - width_of(row.said) - 4, bold=True)
        sheet.words(name, _SIDE, head + top + 2, color=INK, weight="bold")
        sheet.words(row.said, _SIDE + width, head + top + 2, ha="right")
    draw_key(sheet, signs, top=0.4)
    return sheet


_GAP = {"color": QUIET, "linewidth": 0.6, "linestyle": (0, (4, 3))}


def _dates(axes: "Axes", low_s: float, high_s: float) -> None:
    """Set ticks at whole minutes, hours or days of UTC; a tick at midnight bears its date, others their time."""
    # Ten years of sessions would have more ticks than fit; the longest step is as good as any then.
    step_s = next((step for step in _STEPS_S if (high_s - low_s) / step < _MOST_TICKS), _STEPS_S[-1])
    ticks = [at * step_s for at in range(-int(-low_s // step_s), int(high_s // step_s) + 1)]
    axes.set_xticks(ticks, [_tick(at, step_s) for at in ticks])


def _tick(at_s: float, step_s: float) -> str:
    if at_s % DAY_S == 0:
        return _day(at_s).rsplit(" ", 1)[0]
    minute = date(at_s, UTC).rsplit(" ", 1)[1]
    return minute if step_s >= MINUTE_S else f"{minute}:{int(at_s % MINUTE_S):02d}"


def _days_said(low_s: float, high_s: float) -> str:
    """Return the days from one moment to another: "21 Nov 2025", "21 Nov to 3 Dec 2025"; in UTC and saying so."""
    first, last = _day(low_s), _day(high_s)
    if first == last:
        return f"{first}, UTC"
    same_year = first.rsplit(" ", 1)[1] == last.rsplit(" ", 1)[1]
    return f"{first.rsplit(' ', 1)[0] if same_year else first} to {last}, UTC"


def _day(at_s: float) -> str:
    return date(at_s, UTC).rsplit(" ", 1)[0]
