"""Validation accuracy by epoch, all models in one plot."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from qcqueue.reports.figures.curves import Curve, best_of, draw_curves, said_of_named
from qcqueue.reports.figures.figure import ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.marks import epoch_axis, percent_axis, share_limits
from qcqueue.reports.figures.sheet import Sheet
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.findings import Findings
from qcqueue.text.humanize import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield it from the first epoch on."""
    curves = [
        Curve(
            label=model.label,
            place=place,
            x=tuple(row.epoch for row in model.curve),
            y=tuple(row.val_accuracy for row in model.curve),
            best=best_of([row.val_accuracy for row in model.curve]),
        )
        for place, model in enumerate(findings.models)
        if model.curve
    ]
    if curves:
        yield ReportFigure(
            name="accuracy-by-epoch",
            section=Section.LEARNING,
            title="Validation accuracy by epoch, all models",
            caption=f"One line a model, named at its end.{said_of_named(len(curves))}",
            alt=f"One line each for {listed([it.label for it in curves])}; the values stand in the tables.",
            notes=notes_on_figure(findings, Quantity.ACCURACY),
            draw=partial(_draw, curves, max(model.epochs_shown for model in findings.models)),
        )


def _draw(curves: Sequence[Curve], last: int) -> Sheet:
    def scale(axes: "Axes") -> None:
        epoch_axis(axes, last)
        axes.set_ylim(share_limits([value for it in curves for value in it.y]))
        percent_axis(axes.yaxis)

    return draw_curves(curves, "epoch", "validation accuracy (%)", scale)
