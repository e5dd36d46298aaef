"""Validation accuracy against the time that the epochs took, all models in one plot."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from qcqueue.reports.figures.curves import Curve, best_of, draw_curves, said_of_named
from qcqueue.reports.figures.figure import ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.marks import percent_axis, share_limits, time_unit
from qcqueue.reports.figures.sheet import Sheet
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.findings import Findings
from qcqueue.text.humanize import MINUTE_S, listed, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield it from the first epoch on."""
    curves = [
        Curve(
            label=it.label,
            place=place,
            x=tuple(one.minutes * MINUTE_S for one in it.curve),
            y=tuple(one.val_accuracy for one in it.curve),
            best=best_of([one.val_accuracy for one in it.curve]),
        )
        for place, it in enumerate(findings.spending)
        if it.curve
    ]
    if curves:
        yield ReportFigure(
            name="accuracy-by-minutes",
            section=Section.LEARNING,
            title="Validation accuracy against total time",
            caption=f"One line a model over the time its epochs took, named at its end.{said_of_named(len(curves))}",
            alt=f"At the end of each: {listed([f'{it.label} {percent(it.y[-1])}' for it in curves])}.",
            notes=notes_on_figure(findings, Quantity.ACCURACY),
            draw=partial(_draw, curves),
        )


def _draw(curves: Sequence[Curve]) -> Sheet:
    unit, unit_s = time_unit(max(it.x[-1] for it in curves))
    in_units = [
        Curve(label=it.label, place=it.place, x=tuple(at / unit_s for at in it.x), y=it.y, best=it.best)
        for it in curves
    ]

    def scale(axes: "Axes") -> None:
        axes.set_xlim(0, max(it.x[-1] for it in in_units) or 1.0)
        axes.set_ylim(share_limits([value for it in in_units for value in it.y]))
        percent_axis(axes.yaxis)

    return draw_curves(in_units, f"total time ({unit})", "validation accuracy (%)", scale)
