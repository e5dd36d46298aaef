"""One model at a time: its settings, its curves, its confusion matrices and what it misclassifies most confidently."""

from collections.abc import Sequence

from qcqueue.core.evaluation import Appraisal, Evaluation
from qcqueue.core.lineage import computation
from qcqueue.reports.figures.figure import Section
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.page.contents import PagePart
from qcqueue.reports.page.misjudged import surest_mistakes
from qcqueue.reports.page.shown import Shown
from qcqueue.reports.page.tables import marks, scrolling, swatch
from qcqueue.reports.palette import paint
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.text.humanize import count, percent

MOST_OPEN = 12
"""Of more models each study is folded away, so that nobody has to scroll past a hundred."""


def models_part(shown: Shown) -> PagePart:
    """Return every model; those of a long list, or of several studies, in groups by study."""
    models = shown.findings.models
    articles = [model_article(shown, model, place) for place, model in enumerate(models)]
    groups: dict[str, list[Markup]] = {}
    for model, article in zip(models, articles, strict=True):
        groups.setdefault(model.spec.study, []).append(article)
    is_long = len(models) > MOST_OPEN
    content: Content = [_group(shown, *group, is_folded=is_long) for group in groups.items()]
    return PagePart(
        id="each-model",
        title="Model by model",
        content=[shown.gallery(Section.MODEL), articles if len(groups) == 1 and not is_long else content],
        below=() if is_long else tuple((f"model-{place}", model.label) for place, model in enumerate(models)),
    )


def _group(shown: Shown, study: str, articles: Sequence[Markup], *, is_folded: bool) -> Content:
    said = f"{study}: {count(len(articles), 'job')}"
    return shown.folded(said, articles) if is_folded else [tag("p", tag("strong", said)), articles]


def model_article(shown: Shown, model: ModelFigures, place: int) -> Markup:
    """Return the part of the page that is about one model."""
    noted = marks(shown.findings.notes, Quantity.ACCURACY, job=model.name)
    return tag(
        "article",
        tag("h3", swatch(paint(place)), model.label, noted, id=f"model-{place}"),
        tag("p", _settings(model), class_="quiet"),
        _curves(shown, model),
        _matrices(shown, model),
        surest_mistakes(shown, model.name),
        style=f"--tone:{paint(place)}",
    )


def _settings(model: ModelFigures) -> str:
    spec = model.spec
    height, width = spec.image_size
    extras = [
        f"{spec.optimizer} at {spec.learning_rate:g}",
        f"first weights: {spec.weights}",
        f"trains {'all layers' if spec.trainable == 'all' else 'the head only'}",
    ]
    extras += [f"augmentation {spec.augment}"] if spec.augment != "none" else []
    extras += [f"dropout {spec.dropout:g}"] if spec.dropout else []
    extras += [f"early stopping after {count(spec.early_stopping, 'epoch')}"] if spec.early_stopping else []
    said = [
        f"{model.name}: {spec.model} on {spec.dataset}",
        f"images {height}×{width} px",
        f"batch {spec.batch_size}",
        *(["optimizer, loss and layers as its function has compiled them"] if spec.is_own else extras),
        computation(spec, model.identities),
        f"determinism {spec.determinism}",
        f"seed {spec.seed}",
        *(f"{name.replace('_', ' ')} {value}" for name, value in spec.unusual.items()),
    ]
    return ", ".join(said) + "."


def _curves(shown: Shown, model: ModelFigures) -> list[Content]:
    if not model.curve:
        return [tag("p", "No epoch is trained yet, so there is no curve.")]
    best = [row for row in model.curve if row.epoch == model.best_epoch]
    said = [
        f"Best epoch: {row.epoch}, validation accuracy {percent(row.val_accuracy)}, loss {row.val_loss:.4g}."
        for row in best
    ]
    return [
        tag("p", *said) if said else None,
        shown.gallery(Section.MODEL, job=model.name),
    ]


def _matrices(shown: Shown, model: ModelFigures) -> Content:
    result = model.result
    if result is None:
        return tag("p", "Confusion matrices follow the final evaluation.", class_="quiet")
    if result.best.epoch == result.last.epoch:
        return _matrix_pair(f"Confusion, epoch {result.best.epoch} (best and last)", result.best)
    best = _matrix_pair(f"Confusion, best epoch {result.best.epoch}", result.best)
    last = _matrix_pair(f"Confusion, last epoch {result.last.epoch}", result.last)
    return [best, shown.folded(f"The same at the last epoch {result.last.epoch}", last)]


def _matrix_pair(head: str, appraisal: Appraisal) -> Markup:
    both = [_matrix("Validation", appraisal.validation), _matrix("Test", appraisal.test)]
    return tag("div", tag("h4", head), tag("div", both, class_="matrices"))


def _matrix(split: str, evaluation: Evaluation) -> Markup:
    classes = list(evaluation.per_class)
    rows = [
        tag("tr", tag("th", name, scope="row"), [_matrix_cell(cell, sum(row)) for cell in row])
        for name, row in zip(classes, evaluation.confusion_matrix, strict=True)
    ]
    head = tag("tr", tag("th", "true ↓  predicted →", scope="col"), [tag("th", name, scope="col") for name in classes])
    said = f"{split}: accuracy {percent(evaluation.accuracy)}"
    return scrolling(said, tag("thead", head), tag("tbody", rows), class_="matrix")


def _matrix_cell(images: int, images_of_class: int) -> Markup:
    share = images / images_of_class if images_of_class else 0.0
    detail = tag("span", percent(share if images_of_class else None), class_="detail")
    return tag("td", f"{images:,}", detail, style=f"--share:{share:.3f}")
