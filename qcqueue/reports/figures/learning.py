"""How models learned: curves over epochs, of all models and of each alone, and over minutes of training."""

import math
from collections.abc import Iterator, Sequence

from qcqueue.reports.charts.lines import Chart, Line, Ring, Seam, draw
from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.charts.scales import counted, measured, shares, spent
from qcqueue.reports.palette import dash, paint
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.text.humanize import MINUTE_S, count, listed, percent


def learning_pictures(findings: Findings) -> Iterator[Picture]:
    """Yield the curves of all models together: accuracy and loss by epoch, accuracy by minutes."""
    models = findings.models
    if any(model.curve for model in models):
        yield _by_epoch(models, "accuracy")
        yield _by_epoch(models, "loss")
        yield _by_minutes(findings)


def curves_of(model: ModelFigures, place: int) -> Iterator[Picture]:
    """Yield one model's accuracy and loss, in training and validation, with the seams of its run."""
    if model.curve:
        yield _of_one(model, place, "accuracy")
        yield _of_one(model, place, "loss")


def _by_epoch(models: Sequence[ModelFigures], quantity: str) -> Picture:
    lines = tuple(
        Line(
            label=model.label,
            points=tuple((row.epoch, getattr(row, f"val_{quantity}")) for row in model.curve),
            paint=paint(place),
            dash=dash(place),
        )
        for place, model in enumerate(models)
        if model.curve
    )
    values = [value for line in lines for _, value in line.points]
    is_share = quantity == "accuracy"
    return draw(
        Chart(
            key=f"{quantity}-by-epoch",
            title=f"Validation {quantity} by epoch, all models",
            description=f"One line each for {listed([line.label for line in lines])}; the values stand in the tables.",
            y_name=f"validation {quantity} " + ("(%)" if is_share else "(cross-entropy)"),
            x=counted(max(model.epochs_shown for model in models)),
            y=shares(values) if is_share else measured(values),
            lines=lines,
        )
    )


def _by_minutes(findings: Findings) -> Picture:
    lines = tuple(
        Line(
            label=it.label,
            points=tuple((one.minutes * MINUTE_S, one.val_accuracy) for one in it.curve),
            paint=paint(place),
            dash=dash(place),
        )
        for place, it in enumerate(findings.spending)
        if it.curve
    )
    said = [f"{line.label} {percent(line.points[-1][1])}" for line in lines]
    return draw(
        Chart(
            key="accuracy-by-minutes",
            title="Validation accuracy against total time",
            description=f"One line a model over the time its epochs took. At the end of each: {listed(said)}.",
            x_name="total time",
            y_name="validation accuracy (%)",
            x=spent(max(line.points[-1][0] for line in lines)),
            y=shares([value for line in lines for _, value in line.points]),
            lines=lines,
        )
    )


def _of_one(model: ModelFigures, place: int, quantity: str) -> Picture:
    validation = tuple((row.epoch, getattr(row, f"val_{quantity}")) for row in model.curve)
    training = tuple((row.epoch, getattr(row, quantity)) for row in model.curve)
    values = [value for _, value in (*validation, *training)]
    is_share = quantity == "accuracy"
    return draw(
        Chart(
            key=f"model-{place + 1:02d}-{quantity}",
            title=f"{model.label}: {quantity} by epoch",
            description=f"{quantity.capitalize()} in training and validation over {count(len(validation), 'epoch')}, "
            f"with {count(len(model.takeovers), 'change')} of attempt. {_ends(validation, is_share=is_share)}",
            y_name="accuracy (%)" if is_share else "loss (cross-entropy)",
            x=counted(model.epochs_shown),
            y=shares(values) if is_share else measured(values),
            lines=(
                Line(label="training", points=training, paint=paint(place), dash="5 4"),
                Line(label="validation", points=validation, paint=paint(place)),
            ),
            seams=tuple(Seam(at=seam.epoch - 0.5, label=f"#{seam.attempt}") for seam in model.takeovers),
            rings=tuple(
                Ring(x=epoch, y=value, paint=paint(place)) for epoch, value in validation if epoch == model.best_epoch
            ),
        )
    )


def _ends(points: Sequence[tuple[int, float]], *, is_share: bool) -> str:
    finite = [value for _, value in points if math.isfinite(value)]
    if not finite:
        return "No epoch has a finite number in validation."
    first, last = (percent(value) if is_share else f"{value:.4g}" for value in (finite[0], finite[-1]))
    missing = len(points) - len(finite)
    said = f"; {count(missing, 'epoch')} without a finite number" if missing else ""
    return f"Validation goes from {first} to {last}{said}."
