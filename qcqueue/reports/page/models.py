"""One model at a time: its curves, its confusion matrices, its surest mistakes and the story of its sessions."""

from datetime import UTC

from qcqueue.core.evaluation import Appraisal, Evaluation
from qcqueue.core.lineage import computation
from qcqueue.core.outcomes import Outcome
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.page.misjudged import surest_mistakes
from qcqueue.reports.page.shown import Shown
from qcqueue.reports.page.tables import marks, scrolling, swatch
from qcqueue.reports.palette import paint
from qcqueue.reports.quantities.caveats import Quantity, ranges
from qcqueue.reports.quantities.models import AttemptFigures, ModelFigures
from qcqueue.reports.quantities.timeline import AttemptSpan
from qcqueue.text.humanize import UNKNOWN, count, date, duration, percent

# Claims, ends and interruptions stand in the table of attempts; where a job stood in the queue changes no number.
_TOLD_ELSEWHERE = frozenset({"enqueued", "moved", "claimed", "interrupted", "stopped", "finished", "failed"})


def model_article(shown: Shown, model: ModelFigures, place: int) -> Markup:
    """Return the part of the page that is about one model."""
    noted = marks(shown.findings.notes, Quantity.ACCURACY, job=model.name)
    return tag(
        "article",
        tag("h3", swatch(paint(place)), model.label, noted, id=f"model-{place}"),
        tag("p", _settings(model), class_="quiet"),
        _curves(shown, model, place),
        _matrices(model),
        surest_mistakes(shown, model.name),
        tag("h4", "Sessions"),
        _sessions(shown, model),
        _events(model),
        style=f"--tone:{paint(place)}",
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
        computation(spec, model.identities),
        f"determinism {spec.determinism}",
        f"seed {spec.seed}",
        *(f"{name.replace('_', ' ')} {value}" for name, value in spec.unusual.items()),
    ]
    return ", ".join(said) + "."


def _curves(shown: Shown, model: ModelFigures, place: int) -> list[Content]:
    if not model.curve:
        return [tag("p", "No epoch is trained yet, so there is no curve.")]
    best = [row for row in model.curve if row.epoch == model.best_epoch]
    said = [
        f"Best epoch: {row.epoch}, validation accuracy {percent(row.val_accuracy)}, loss {row.val_loss:.4g}."
        for row in best
    ]
    return [
        tag("p", *said) if said else None,
        shown.gallery(f"model-{place + 1:02d}-accuracy", f"model-{place + 1:02d}-loss"),
    ]


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


def _sessions(shown: Shown, model: ModelFigures) -> Markup:
    if not model.attempts:
        return tag("p", "No session has worked on it yet.")
    sessions = shown.findings.timeline.sessions
    spans = {(it.job, it.number): it for session in sessions for it in session.attempts}
    names = ("Attempt", "Session", "Begun (UTC)", "Lasted", "Epochs brought", "Ended", "Why")
    head = tag("tr", [tag("th", name, scope="col", class_=None if name == "Lasted" else "text") for name in names])
    rows = [_session(attempt, spans.get((model.name, attempt.line.number))) for attempt in model.attempts]
    said = f"{count(model.attempt_count, 'attempt')}, {count(model.interruption_count, 'interruption')}"
    return scrolling(said, tag("thead", head), tag("tbody", rows))


def _session(attempt: AttemptFigures, span: AttemptSpan | None) -> Markup:
    line = attempt.line
    interrupted = line.outcome is Outcome.INTERRUPTED
    return tag(
        "tr",
        tag("th", f"#{line.number}", scope="row"),
        tag("td", line.session_id, class_="text"),
        tag("td", date(line.started_at_s, UTC), class_="text"),
        # An interruption is found out later: what counts is the last sign of life.
        tag("td", duration(span.ended_s - span.began_s) if span else UNKNOWN),
        tag("td", _brought(attempt), class_="text"),
        tag("td", str(line.outcome or "at work"), class_="text interrupted" if interrupted else "text"),
        tag("td", line.reason or "", class_="text wide"),
    )


def _brought(attempt: AttemptFigures) -> str:
    said = [ranges(attempt.official)] if attempt.official else []
    said += [f"{ranges(attempt.redone)} (trained again later)"] if attempt.redone else []
    said += [f"{ranges(attempt.withdrawn)} (lost with their checkpoint)"] if attempt.withdrawn else []
    return "; ".join(said) or "none"


def _events(model: ModelFigures) -> Content:
    told = [line for line in model.history if line.what not in _TOLD_ELSEWHERE]
    if not told:
        return None
    items = [tag("li", f"{date(line.at_s, UTC)}: {line.what}" + (f", {line.why}" if line.why else "")) for line in told]
    return tag("ul", items, class_="story")
