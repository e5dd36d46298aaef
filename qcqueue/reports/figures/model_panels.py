"""How each of many models learned: a small panel for each, several in a row, in place of a figure for each."""

from collections.abc import Iterator, Sequence
from functools import partial

from qcqueue.reports.figures.figure import MOST_ALONE, ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.marks import loss_axis, panel_places, share_limits
from qcqueue.reports.figures.model_curves import ModelCurves, curves_shown
from qcqueue.reports.figures.sheet import SMALL_SIZE, Sheet, fitted
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.findings import Findings
from qcqueue.text.humanize import count, listed

MOST_PANELS = 28
_COLUMNS, _LEFT, _HEAD, _PLOT_MM, _FOOT, _GAP = 4, 6.0, 4.0, 13.0, 4.6, 1.0


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield accuracy and loss of many models, so many in a figure."""
    if len(findings.models) <= MOST_ALONE:
        return
    shown = [(it.name, curves_shown(it, place)) for place, it in enumerate(findings.models) if it.curve]
    parts = [shown[at : at + MOST_PANELS] for at in range(0, len(shown), MOST_PANELS)]
    for quantity in ("accuracy", "loss"):
        for number, part in enumerate(parts, start=1):
            yield ReportFigure(
                name=f"models-{quantity}-{number}",
                section=Section.MODEL,
                title=f"{quantity.capitalize()} by epoch, {count(len(part), 'model')} ({number} of {len(parts)})",
                caption="Dashed: training, solid: validation; a ring marks the best epoch. "
                + ("Accuracy in percent." if quantity == "accuracy" else "Cross-entropy.")
                + " All panels share one scale.",
                alt=f"One panel each for {listed([it.label for _, it in part])}.",
                notes=notes_on_figure(findings, Quantity.ACCURACY, jobs=[name for name, _ in part]),
                draw=partial(_draw, [it for _, it in part], quantity),
            )


def _draw(models: Sequence[ModelCurves], quantity: str) -> Sheet:
    block = _HEAD + _PLOT_MM + _FOOT
    sheet = Sheet(block * -(-len(models) // _COLUMNS))
    values = [value for it in models for values in _both(it, quantity) for value in values]
    places = panel_places(len(models), _COLUMNS, row_mm=block, left=_LEFT, gap=_GAP)
    for number, (it, (left, top, width)) in enumerate(zip(models, places, strict=True)):
        axes = sheet.axes(left, top + _HEAD, width, _PLOT_MM)
        if quantity == "accuracy":
            low, high = share_limits(values)
            axes.set_ylim(low, high)
            axes.set_yticks([low, high], [f"{100 * low:.0f}", f"{100 * high:.0f}"])
        elif not loss_axis(axes, values):
            low, high = axes.get_ylim()
            axes.set_yticks([low, high], [f"{low:.2g}", f"{high:.2g}"])
        if number % _COLUMNS:
            axes.tick_params(labelleft=False)
        axes.set_xlim((1, it.last) if it.last > 1 else (0.5, 1.5))
        axes.set_xticks([1, it.last] if it.last > 1 else [1])
        axes.tick_params(labelsize=SMALL_SIZE)
        training, validation = _both(it, quantity)
        axes.plot(it.epochs, training, color=it.colour, linewidth=0.6, linestyle=(0, (4, 2.4)))
        axes.plot(it.epochs, validation, color=it.colour, linewidth=0.8)
        at = [place for place, epoch in enumerate(it.epochs) if epoch == it.best_epoch]
        axes.plot(
            [it.epochs[one] for one in at],
            [validation[one] for one in at],
            "o",
            mfc="none",
            mec=it.colour,
            markersize=3,
        )
        name = fitted(it.label, width + _LEFT - 2 * _GAP, size=SMALL_SIZE, bold=True)
        sheet.words(name, left - _LEFT + 2 * _GAP, top + 2, size=SMALL_SIZE, color=it.colour, weight="bold")
    return sheet


def _both(it: ModelCurves, quantity: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return it.accuracy if quantity == "accuracy" else it.loss
