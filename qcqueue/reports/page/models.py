"""One model at a time: its curves, its confusion matrices and the story of its sessions. Pure."""

from collections.abc import Sequence
from datetime import UTC

from qcqueue.core.evaluation import Appraisal, Evaluation
from qcqueue.core.outcomes import Outcome
from qcqueue.core.words import count, date, duration, percent
from qcqueue.reports.charts.lines import Chart, Line, Seam, draw
from qcqueue.reports.charts.scales import counted, measured, shares
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.page.tables import marks, scrolling, swatch
from qcqueue.reports.palette import paint
from qcqueue.reports.quantities.figures import AttemptFigures, ModelFigures
from qcqueue.reports.quantities.honesty import Note, Quantity, ranges

# Claims, ends and interruptions stand in the table of attempts; where a job stood in the queue changes no number.
_TOLD_ELSEWHERE = frozenset({"enqueued", "moved", "claimed", "interrupted", "stopped", "finished", "failed"})


def model_article(model: ModelFigures, index: int, notes: Sequence[Note], *, as_of_s: float) -> Markup:
    """Return the part of the page that is about one model."""
    return tag(
        "article",
        tag("h3", swatch(index), model.label, marks(notes, Quantity.ACCURACY, job=model.name), id=f"model-{index}"),
        tag("p", _settings(model), class_="quiet"),
        _curves(model, index) if model.curve else tag("p", "No epoch is trained yet, so there is no curve."),
        _matrices(model),
        tag("h4", "Sessions"),
        _sessions(model, as_of_s=as_of_s),
        _events(model),
        style=f"--tone:{paint(index)}",
    )


def _settings(model: ModelFigures) -> str:
    spec = model.spec
    height, width = spec.image_size
    extras = [f"augmentation {spec.augment}"] if spec.augment != "none" else []
    extras += [f"dropout {spec.dropout:g}"] if spec.dropout else []
    extras += [f"early stopping after {count(spec.early_stopping, 'epoch')}"] if spec.early_stopping else []
    said = [
        f"{model.name}: {spec.model} on {spec.dataset}",
        f"images {height}×{width} px",
        f"batch {spec.batch_size}",
        f"{spec.optimizer} at {spec.learning_rate:g}",
        f"first weights: {spec.weights}",
        f"trains {'all layers' if spec.trainable == 'all' else 'the head only'}",
        *extras,
        f"determinism {spec.determinism}",
        f"seed {spec.seed}",
    ]
    return ", ".join(said) + "."


def _curves(model: ModelFigures, index: int) -> list[Content]:
    best = next(row for row in model.curve if row.epoch == model.best_epoch)
    keys = ["solid: validation", "dashed: training"]
    keys.append(f"ring: best epoch {best.epoch}, {percent(best.val_accuracy)}, loss {best.val_loss:.4g}")
    if model.takeovers:
        keys.append("dotted line: attempt #n takes over")
    charts = [_chart(model, index, "accuracy"), _chart(model, index, "loss")]
    return [
        tag("div", [tag("figure", chart) for chart in charts], class_="charts"),
        tag("ul", [tag("li", key) for key in keys], class_="key quiet"),
    ]


def _chart(model: ModelFigures, index: int, quantity: str) -> Markup:
    validation = tuple((row.epoch, getattr(row, f"val_{quantity}")) for row in model.curve)
    training = tuple((row.epoch, getattr(row, quantity)) for row in model.curve)
    values = [value for _, value in (*validation, *training)]
    is_share = quantity == "accuracy"
    return draw(
        Chart(
            key=f"{quantity}-{index}",
            title=f"{model.label}: {quantity} by epoch",
            description=f"{quantity.capitalize()} in training and validation over {count(len(validation), 'epoch')}, "
            f"with {count(len(model.takeovers), 'change')} of attempt. {_ends(validation, is_share)}",
            y_name="accuracy (%)" if is_share else "loss (cross-entropy)",
            x=counted(model.epochs_shown),
            y=shares(values) if is_share else measured(values),
            lines=(
                Line(label="training", points=training, paint=paint(index), dash="5 4"),
                Line(label="validation", points=validation, paint=paint(index)),
            ),
            seams=tuple(Seam(epoch=seam.epoch, label=f"#{seam.attempt}") for seam in model.takeovers),
            rings=tuple((epoch, value, paint(index)) for epoch, value in validation if epoch == model.best_epoch),
        )
    )


def _ends(points: Sequence[tuple[int, float]], is_share: bool) -> str:
    first, last = (percent(value) if is_share else f"{value:.4g}" for value in (points[0][1], points[-1][1]))
    return f"Validation goes from {first} to {last}."


def _matrices(model: ModelFigures) -> Content:
    result = model.result
    if result is None:
        return tag("p", "Confusion matrices follow the final evaluation.", class_="quiet")
    if result.best.epoch == result.last.epoch:
        return _matrix_pair(f"Confusion, epoch {result.best.epoch} (best and last)", result.best)
    best = _matrix_pair(f"Confusion, best epoch {result.best.epoch}", result.best)
    last = _matrix_pair(f"Confusion, last epoch {result.last.epoch}", result.last)
    return tag("div", best, last, class_="matrices")


def _matrix_pair(head: str, appraisal: Appraisal) -> Markup:
    both = [_matrix("Validation", appraisal.validation), _matrix("Test", appraisal.test)]
    return tag("div", tag("h4", head), tag("div", both, class_="matrices"))


def _matrix(split: str, evaluation: Evaluation) -> Markup:
    classes = list(evaluation.per_class)
    rows = [
        tag("tr", tag("th", name, scope="row"), [_matrix_cell(cell, sum(row)) for cell in row])
        for name, row in zip(classes, evaluation.confusion_matrix, strict=True)
    ]
    head = tag("tr", tag("th", "is ↓  said →", scope="col"), [tag("th", name, scope="col") for name in classes])
    said = f"{split}: {percent(evaluation.accuracy)} right"
    return scrolling(said, tag("thead", head), tag("tbody", rows), class_="matrix")


def _matrix_cell(images: int, images_of_class: int) -> Markup:
    share = images / images_of_class if images_of_class else 0.0
    detail = tag("span", percent(share if images_of_class else None), class_="detail")
    return tag("td", f"{images:,}", detail, style=f"--share:{share:.3f}")


def _sessions(model: ModelFigures, *, as_of_s: float) -> Markup:
    if not model.attempts:
        return tag("p", "No session has worked on it yet.")
    names = ("Attempt", "Session", "Begun (UTC)", "Lasted", "Epochs brought", "Ended", "Why")
    head = tag("tr", [tag("th", name, scope="col", class_=None if name == "Lasted" else "text") for name in names])
    rows = [_session(attempt, as_of_s=as_of_s) for attempt in model.attempts]
    said = f"{count(model.attempt_count, 'attempt')}, {count(model.interruption_count, 'interruption')}"
    return scrolling(said, tag("thead", head), tag("tbody", rows))


def _session(attempt: AttemptFigures, *, as_of_s: float) -> Markup:
    line = attempt.line
    ended_s = as_of_s if line.ended_at_s is None else line.ended_at_s
    interrupted = line.outcome is Outcome.INTERRUPTED
    return tag(
        "tr",
        tag("th", f"#{line.number}", scope="row"),
        tag("td", line.session_id, class_="text"),
        tag("td", date(line.started_at_s, UTC), class_="text"),
        tag("td", duration(ended_s - line.started_at_s)),
        tag("td", _brought(attempt), class_="text"),
        tag("td", str(line.outcome or "at work"), class_="text interrupted" if interrupted else "text"),
        tag("td", line.reason or "", class_="text wide"),
    )


def _brought(attempt: AttemptFigures) -> str:
    said = [ranges(attempt.official)] if attempt.official else []
    said += [f"{ranges(attempt.redone)} (trained again later)"] if attempt.redone else []
    return "; ".join(said) or "none"


def _events(model: ModelFigures) -> Content:
    told = [line for line in model.history if line.what not in _TOLD_ELSEWHERE]
    if not told:
        return None
    items = [tag("li", f"{date(line.at_s, UTC)}: {line.what}" + (f", {line.why}" if line.why else "")) for line in told]
    return tag("ul", items, class_="story")
