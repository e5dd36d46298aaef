"""Validation loss by epoch, all models in one plot; logarithmic where an early spike would flatten all that follows."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from qcqueue.reports.figures.curves import Curve, best_of, draw_curves, said_of_named
from qcqueue.reports.figures.figure import ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.marks import epoch_axis, loss_axis
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
            y=tuple(row.val_loss for row in model.curve),
            best=best_of([row.val_loss for row in model.curve], is_loss=True),
        )
        for place, model in enumerate(findings.models)
        if model.curve
    ]
    if curves:
        yield ReportFigure(
            name="loss-by-epoch",
            section=Section.LEARNING,
            title="Validation loss by epoch, all models",
            caption=f"Cross-entropy, one line a model, named at its end.{said_of_named(len(curves))}",
            alt=f"One line each for {listed([it.label for it in curves])}; the values stand in the tables.",
            notes=notes_on_figure(findings, Quantity.ACCURACY),
            draw=partial(_draw, curves, max(model.epochs_shown for model in findings.models)),
        )


def _draw(curves: Sequence[Curve], last: int) -> Sheet:
    def scale(axes: "Axes") -> str | None:
        epoch_axis(axes, last)
        is_logarithmic = loss_axis(axes, [value for it in curves for value in it.y])
        return ", log scale" if is_logarithmic else None

    return draw_curves(curves, "epoch", "validation loss (cross-entropy)", scale)
