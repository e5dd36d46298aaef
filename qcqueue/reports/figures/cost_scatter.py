"""Total time against time per step, and against trainable parameters: one point a model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from qcqueue.reports.figures.figure import MOST_ALONE, ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.marks import grid, time_unit
from qcqueue.reports.figures.sheet import SIZE, WIDTH_MM, Sheet, fitted, width_of
from qcqueue.reports.palette import model_hex
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.findings import Findings
from qcqueue.text.humanize import duration, listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT, _HEAD, _PLOT_MM, _FOOT, _RIGHT = 11.0, 5.0, 36.0, 9.0, 4.0
_MOST_NAME, _NAME_HIGH, _DOT = 26.0, 2.6, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    label: str
    colour: str
    total_s: float
    step_s: float | None
    parameters: int | None


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield it where two models or more are done."""
    points = [
        _Point(
            label=it.label,
            colour=model_hex(place),
            total_s=it.times.total_s,
            step_s=it.times.step_s_p50,
            parameters=it.trainable_parameters,
        )
        for place, it in enumerate(findings.models)
        if it.is_done
    ]
    if len(points) >= 2:
        said = [f"{it.label} {duration(it.total_s)}" for it in points]
        yield ReportFigure(
            name="cost-scatter",
            section=Section.TIMES,
            title="Total time against time per step and trainable parameters",
            caption="One point a model that is done; both plots share the upright axis.",
            alt=f"Total times: {listed(said)}; time per step and parameters stand in the table of models.",
            notes=notes_on_figure(findings, Quantity.TIMES),
            draw=partial(_draw, points),
        )


def _draw(points: Sequence[_Point]) -> Sheet:
    unit, unit_s = time_unit(max(it.total_s for it in points))
    sheet = Sheet(2 * (_HEAD + _PLOT_MM + _FOOT))
    by_step = [(it, 1000 * it.step_s) for it in points if it.step_s is not None]
    by_size = [(it, it.parameters / 1e6) for it in points if it.parameters is not None]
    for place, (values, name) in enumerate(
        ((by_step, "time per step (ms)"), (by_size, "trainable parameters (millions)"))
    ):
        top = _HEAD + place * (_HEAD + _PLOT_MM + _FOOT)
        axes = sheet.axes(_LEFT, top, WIDTH_MM - _LEFT - _RIGHT, _PLOT_MM)
        sheet.words(f"total time ({unit})", 1, top - 3)
        axes.set_xlabel(name)
        grid(axes)
        _limits(axes, [x for _, x in values], [it.total_s / unit_s for it in points])
        for it, x in values:
            axes.plot([x], [it.total_s / unit_s], "o", color=it.colour, markersize=4, clip_on=False, zorder=3)
        if len(points) <= MOST_ALONE:
            _name(sheet, axes, [(x, it.total_s / unit_s) for it, x in values], [it for it, _ in values])
    return sheet


def _limits(axes: "Axes", x: Sequence[float], y: Sequence[float]) -> None:
    axes.set_xlim(0, (max(x, default=0.0) or 1.0) * 1.08)
    axes.set_ylim(0, (max(y, default=0.0) or 1.0) * 1.1)


def _name(sheet: Sheet, axes: "Axes", at: Sequence[tuple[float, float]], points: Sequence[_Point]) -> None:
    """Write each name beside its point where nothing else is; a name without room is left to the colour."""
    box = axes.get_position()
    to_sheet = axes.transData + sheet.figure.transFigure.inverted()
    found = [to_sheet.transform(one) for one in at]
    places = [(float(x) * WIDTH_MM, (1 - float(y)) * sheet.height_mm) for x, y in found]
    top, bottom = (1 - box.y1) * sheet.height_mm - 2, (1 - box.y0) * sheet.height_mm
    taken = [(x - _DOT, y - _DOT, x + _DOT, y + _DOT) for x, y in places]
    for (x, y), it in zip(places, points, strict=True):
        text = fitted(it.label, _MOST_NAME)
        width = width_of(text, size=SIZE)
        for dx, dy in _AROUND:
            left = x + dx if dx > 0 else x + dx - width if dx < 0 else x - width / 2
            here = (left, y + dy - _NAME_HIGH / 2, left + width, y + dy + _NAME_HIGH / 2)
            if left > 1 and here[2] < WIDTH_MM - 1 and here[1] > top and here[3] < bottom and not _hits(here, taken):
                sheet.words(text, left, y + dy, color=it.colour)
                taken.append(here)
                break


_AROUND = (
    *((1.6, 0.0), (-1.6, 0.0), (0.0, -2.6), (0.0, 2.6), (1.2, -2.2), (1.2, 2.2), (-1.2, -2.2), (-1.2, 2.2)),
    *((1.2, -4.4), (1.2, 4.4), (-1.2, -4.4), (-1.2, 4.4)),
)
"""How far a name is from its point, in mm: the first place that is free is taken."""


def _hits(box: tuple[float, float, float, float], others: Sequence[Any]) -> bool:
    left, top, right, bottom = box
    return any(left < it[2] and it[0] < right and top < it[3] and it[1] < bottom for it in others)
