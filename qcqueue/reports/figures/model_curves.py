"""How one model learned: accuracy above loss, training and validation, the seams of its run and its best epoch."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from qcqueue.reports.figures.curves import draw_line, last_of
from qcqueue.reports.figures.figure import MOST_ALONE, ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.marks import (
    Sign,
    draw_key,
    epoch_axis,
    grid,
    key_lines,
    little,
    loss_axis,
    name_ends,
    percent_axis,
    share_limits,
)
from qcqueue.reports.figures.sheet import LINE_MM, PAPER, QUIET, WIDTH_MM, Sheet
from qcqueue.reports.palette import model_hex
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.text.humanize import count, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT, _HEAD, _PLOT_MM, _FOOT, _NAMES_MM = 9.0, 7.0, 32.0, 8.5, 18.0
_TRAINING = (4.0, 2.4)
_SEAM_NAME_MM = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCurves:
    """What is drawn of a model. training and validation are values by epoch, for accuracy and for loss; seams are
    epochs between two attempts, each with the number of the one that takes over."""

    label: str
    colour: str
    last: int
    epochs: tuple[int, ...]
    accuracy: tuple[tuple[float, ...], tuple[float, ...]]
    loss: tuple[tuple[float, ...], tuple[float, ...]]
    seams: tuple[tuple[float, int], ...]
    best_epoch: int | None


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield one for each model that has trained an epoch, unless there are many."""
    if len(findings.models) <= MOST_ALONE:
        for place, model in enumerate(findings.models):
            if model.curve:
                noted = notes_on_figure(findings, Quantity.ACCURACY, jobs=[model.name])
                yield curves_of_model(model, place, noted)


def curves_of_model(model: ModelFigures, place: int, notes: tuple[int, ...] = ()) -> ReportFigure:
    """Return the curves of a model that has trained an epoch."""
    shown = curves_shown(model, place)
    return ReportFigure(
        name=f"model-{place + 1:02d}-curves",
        section=Section.MODEL,
        title=f"{model.label}: accuracy and loss by epoch",
        caption="Training and validation; a ring marks the best epoch"
        + (", a dotted upright line the epoch from which another attempt goes on." if shown.seams else "."),
        alt=f"Training and validation over {count(len(shown.epochs), 'epoch')}, with "
        f"{count(len(shown.seams), 'change')} of attempt. Accuracy in validation {_ends(shown.accuracy[1], percent)}, "
        f"loss {_ends(shown.loss[1], '{:.4g}'.format)}.",
        notes=notes,
        draw=partial(_draw, shown),
        job=model.name,
    )


def curves_shown(model: ModelFigures, place: int) -> ModelCurves:
    rows = model.curve
    return ModelCurves(
        label=model.label,
        colour=model_hex(place),
        last=model.epochs_shown,
        epochs=tuple(row.epoch for row in rows),
        accuracy=(tuple(row.accuracy for row in rows), tuple(row.val_accuracy for row in rows)),
        loss=(tuple(row.loss for row in rows), tuple(row.val_loss for row in rows)),
        seams=tuple((seam.epoch - 0.5, seam.attempt) for seam in model.takeovers),
        best_epoch=model.best_epoch,
    )


def _ends(values: Sequence[float], said: Callable[[float], str]) -> str:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "has no finite number"
    missing = len(values) - len(finite)
    more = f" ({count(missing, 'epoch')} without a finite number)" if missing else ""
    return f"goes from {said(finite[0])} to {said(finite[-1])}{more}"


def _draw(shown: ModelCurves) -> Sheet:
    signs = [
        Sign(name="best epoch", looks={"color": QUIET, "marker": "o", "mfc": PAPER, "markersize": 5, "linewidth": 0})
    ]
    if shown.seams:
        signs.append(
            Sign(name="another attempt takes over", looks={"color": QUIET, "linestyle": (0, (1, 2)), "linewidth": 0.8})
        )
    block = _HEAD + _PLOT_MM + _FOOT
    sheet = Sheet(2 * block + LINE_MM * len(key_lines(signs)) + 1)
    for place, (quantity, both) in enumerate((("accuracy", shown.accuracy), ("loss", shown.loss))):
        top = _HEAD + place * block
        axes = sheet.axes(_LEFT, top, WIDTH_MM - _LEFT - _NAMES_MM, _PLOT_MM)
        epoch_axis(axes, shown.last)
        values = [value for values in both for value in values]
        name = "accuracy (%)"
        if quantity == "accuracy":
            axes.set_ylim(share_limits(values))
            percent_axis(axes.yaxis)
        else:
            name = "loss (cross-entropy, log scale)" if loss_axis(axes, values) else "loss (cross-entropy)"
        sheet.words(name, 1, top - 4.6)
        axes.set_xlabel("epoch")
        grid(axes, "y")
        _seams(sheet, shown, axes, top)
        draw_line(axes, shown.epochs, both[0], shown.colour, dashes=_TRAINING, linewidth=0.9)
        draw_line(axes, shown.epochs, both[1], shown.colour)
        rings = [
            (e, v) for e, v in zip(shown.epochs, both[1], strict=True) if e == shown.best_epoch and math.isfinite(v)
        ]
        for epoch, value in rings:
            axes.plot([epoch], [value], "o", mfc="none", mec=shown.colour, markersize=6, clip_on=False)
        ends = [
            (last_of(shown.epochs, values), word) for values, word in zip(both, ("training", "validation"), strict=True)
        ]
        known = [(end, word) for end, word in ends if end]
        name_ends(sheet, axes, [end for end, _ in known], [word for _, word in known], [shown.colour] * 2, _NAMES_MM)
    draw_key(sheet, signs, top=2 * block)
    return sheet


def _seams(sheet: Sheet, shown: ModelCurves, axes: "Axes", top: float) -> None:
    """Draw a line where another attempt takes over; its number stands above it where there is room."""
    free_from = 0.0
    first, last = (0.5, 1.5) if shown.last <= 1 else (1, shown.last)
    for at, attempt in shown.seams:
        axes.axvline(max(at, first), color=QUIET, linewidth=0.6, linestyle=(0, (1, 2)))
        x = _LEFT + (max(at, first) - first) / (last - first) * (WIDTH_MM - _LEFT - _NAMES_MM)
        if x >= free_from:
            little(sheet, f"#{attempt}", x, top - 1.4, ha="center")
            free_from = x + _SEAM_NAME_MM
