"""What a referee would ask about first: models that only seem to have learned, and studies that cannot tell. Pure.

One warning a kind and dataset, which names the models it is about, with the numbers that it rests on. All are about
the best epochs of finished jobs. A new one is one more function in `_KINDS`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from qcqueue.core.evaluation import Evaluation, Result
from qcqueue.core.records import EpochMetrics
from qcqueue.queue.values import DatasetLine
from qcqueue.reports.quantities.choice import ModelChoice
from qcqueue.reports.quantities.comparison import CHANCE
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.reports.quantities.stats import above_chance, holm, same_share
from qcqueue.text.humanize import count, listed, percent

T = TypeVar("T")

FEW_IMAGES = 100
FEW_OF_A_CLASS = 30
"""Below these an interval is wider than most differences between models."""

UNBALANCED = 3.0
"""From here on the largest class has so many times the images of the smallest."""

OVERFITTED = 0.1
"""How far the training accuracy may lie above that of validation, as a share."""

FALLING_EPOCHS = 5
FALLING = 0.01
"""The loss still falls where the mean of the last five epochs lies lower than that of the five before by this share."""

MOST_NAMED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWarning:
    """kind: a few words of what is wrong; text: sentences with the numbers; jobs: the full names of those it is about.

    It is about the whole dataset, and so about every model, where jobs is empty.
    """

    kind: str
    text: str
    jobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Finished:
    """The finished models that saw the same images, at least one, with what chose among them."""

    models: tuple[tuple[ModelFigures, Result], ...]
    choice: ModelChoice
    has_tests: bool

    def evaluations(self) -> Iterator[tuple[ModelFigures, str, Evaluation]]:
        for model, result in self.models:
            yield model, "validation", result.best.validation
            yield model, "test", result.best.test


def warnings_on(
    models: Sequence[ModelFigures],
    choices: Sequence[ModelChoice],
    datasets: Sequence[DatasetLine],
    *,
    has_tests: bool,
) -> tuple[ModelWarning, ...]:
    """Return all warnings, dataset by dataset in the order of `_KINDS`. has_tests: whether statistical tests are there.

    Where there are several datasets each kind begins with the name of its own.
    """
    names = {line.blob.sha256: line.name for line in datasets}
    found = list[ModelWarning]()
    for choice in choices:
        finished = tuple(
            (model, model.result) for model in models if model.result and model.dataset_sha256 == choice.dataset_sha256
        )
        of = f"{names.get(choice.dataset_sha256, 'other images')}: " if len(choices) > 1 else ""
        study = _Finished(models=finished, choice=choice, has_tests=has_tests)
        for kind, look in _KINDS.items():
            text, jobs = look(study)
            if text:
                found.append(ModelWarning(kind=f"{of}{kind}", text=text, jobs=jobs))
    return tuple(found)


_Said = tuple[str, tuple[str, ...]]
_NOTHING: _Said = ("", ())


def _one_class(study: _Finished) -> _Said:
    """Of every image of a split the same is predicted; of a model that does so in both, the test images are told."""
    found = dict[str, tuple[str, str, int, float]]()
    jobs = dict[str, None]()
    for model, split, evaluation in study.evaluations():
        if predicts_one_class(evaluation):
            jobs[model.name] = None
            [(name, images)] = _predicted(evaluation).items()
            found[model.label] = (name, split, images, evaluation.accuracy)
    said = [
        f"{_few(labels)} {'predicts' if len(labels) == 1 else 'predict'} {name} for all {images:,} {split} images, so "
        f"that the accuracy there, {percent(share)}, is the share of that class"
        for (name, split, images, share), labels in _alike(found).items()
    ]
    close = "Such a model tells no images apart, and neither its accuracy nor its calibration says that it does."
    return _sentences(said, close), tuple(jobs)


def _alike(found: Mapping[str, T]) -> dict[T, list[str]]:
    """Return the labels of each thing that was found."""
    groups = dict[T, list[str]]()
    for label, it in found.items():
        groups.setdefault(it, []).append(label)
    return groups


def _never_predicted(study: _Finished) -> _Said:
    """A class that is there is predicted of no image, though others are."""
    said, jobs = list[str](), dict[str, None]()
    for model, result in study.models:
        missing = {
            split: [name for name in evaluation.never_predicted if evaluation.per_class[name].support]
            for split, evaluation in (("validation", result.best.validation), ("test", result.best.test))
            if len(_predicted(evaluation)) > 1
        }
        if any(missing.values()):
            where = [f"{listed(names, last='or')} for any {split} image" for split, names in missing.items() if names]
            said.append(f"{model.label} never predicts {listed(where, last='nor')}")
            jobs[model.name] = None
    return _sentences(said, "Precision of such a class is not defined, and its recall and F1 are 0."), tuple(jobs)


def _no_better_than_the_largest_class(study: _Finished) -> _Said:
    if not study.has_tests:
        return _NOTHING
    said, jobs, best, share = list[str](), list[str](), "", 0.0
    for model, result in study.models:
        supports = {name: it.support for name, it in result.best.test.per_class.items()}
        images, largest = sum(supports.values()), max(supports.values(), default=0)
        right = _right(result.best.test)
        if 0 < largest < images and above_chance(right, images, largest / images) >= CHANCE:
            said.append(f"{model.label} ({percent(right / images)})")
            jobs.append(model.name)
            best = max(supports, key=lambda name: supports[name])
            share = largest / images
    if not said:
        return _NOTHING
    text = (
        f"Whoever predicts {best} for every test image has an accuracy of {percent(share)}. {_few(said)} "
        f"{'is' if len(said) == 1 else 'are'} not above that by more than luck."
    )
    return text, tuple(jobs)


def _validation_and_test_disagree(study: _Finished) -> _Said:
    said, jobs = list[str](), list[str]()
    for model, result in _differing(study) if study.has_tests else ():
        validation, test = percent(result.best.validation.accuracy), percent(result.best.test.accuracy)
        said.append(f"{model.label} has an accuracy of {validation} in validation and of {test} on the test images")
        jobs.append(model.name)
    if said:
        said[-1] += ", more apart than luck explains"
    choice = study.choice
    if choice.best_on_test and choice.best_test is not None and choice.test is not None:
        luck = {
            choice.best_on_test in choice.behind: ", by more than luck",
            choice.best_on_test in choice.undecided: ", which may be luck",
        }.get(True, "")
        said.append(
            f"Validation chooses {choice.label}, yet the test {choice.by.label} of {choice.best_on_test} is higher "
            f"({choice.by.said(choice.best_test)} against {choice.by.said(choice.test)}){luck}"
        )
        jobs.append(choice.job)
    return _sentences(said, ""), tuple(dict.fromkeys(jobs))


def _differing(study: _Finished) -> Iterator[tuple[ModelFigures, Result]]:
    """Yield the models whose accuracies in validation and test are apart by more than luck, all of them considered."""
    both = [it for it in study.models if _images(it[1].best.validation) and _images(it[1].best.test)]
    p_values = [
        same_share(*((_right(it), _images(it)) for it in (result.best.validation, result.best.test)))
        for _, result in both
    ]
    yield from (it for it, p_value in zip(both, holm(p_values), strict=True) if p_value < CHANCE)


def _few_images(study: _Finished) -> _Said:
    said = list[str]()
    _, result = study.models[0]
    for split, evaluation in (("validation", result.best.validation), ("test", result.best.test)):
        images = _images(evaluation)
        none = [name for name, it in evaluation.per_class.items() if not it.support]
        few = [
            f"{it.support} of {name}" for name, it in evaluation.per_class.items() if 0 < it.support < FEW_OF_A_CLASS
        ]
        if images < FEW_IMAGES:
            said.append(f"There {'is' if images == 1 else 'are'} only {count(images, f'{split} image')}")
        elif few:
            said.append(f"Of the {split} images only {_few(few)} are there")
        if none:
            said.append(f"No {split} image is of {listed(none, last='or')}, so nothing is known of it there")
    return _sentences(said, "At such numbers a difference of some points is luck."), ()


def _unbalanced(study: _Finished) -> _Said:
    _, result = study.models[0]
    supports = {name: it.support for name, it in result.best.test.per_class.items() if it.support}
    if len(supports) < 2:
        return _NOTHING
    largest, smallest = (pick(supports, key=lambda name: supports[name]) for pick in (max, min))
    if supports[largest] < UNBALANCED * supports[smallest]:
        return _NOTHING
    return (
        f"Of the test images {supports[largest]:,} are of {largest} and {supports[smallest]:,} of {smallest}: accuracy "
        "is mostly that of the large classes. Macro-F1 and balanced accuracy count every class alike.",
        (),
    )


def _overfitted(study: _Finished) -> _Said:
    said, jobs = list[str](), list[str]()
    for model, result in study.models:
        row = _row(model, result.best.epoch)
        if row and row.accuracy - row.val_accuracy >= OVERFITTED:
            said.append(f"{model.label} {percent(row.accuracy)} against {percent(row.val_accuracy)}")
            jobs.append(model.name)
    if not said:
        return _NOTHING
    return f"At its best epoch the training accuracy lies far above that of validation: {_few(said)}.", tuple(jobs)


def _best_is_first_or_last(study: _Finished) -> _Said:
    first = [model for model, result in study.models if len(model.curve) > 1 and result.best.epoch == 1]
    last = [
        model
        for model, result in study.models
        if len(model.curve) > 1 and result.best.epoch == model.curve[-1].epoch == model.spec.epochs
    ]
    said = list[str]()
    if first:
        of = _few([it.label for it in first])
        said.append(
            f"The best epoch of {of} is the first: training made nothing better, as at too high a learning rate"
        )
    if last:
        of = _few([it.label for it in last])
        said.append(f"The best epoch of {of} is the last that was planned: more epochs might be better")
    return _sentences(said, ""), tuple(it.name for it in (*first, *last))


def _still_falling(study: _Finished) -> _Said:
    found = [model for model, _ in study.models if _falls([row.val_loss for row in model.curve])]
    if not found:
        return _NOTHING
    return (
        f"The validation loss of {_few([it.label for it in found])} still falls at the end: the mean of the last "
        f"{FALLING_EPOCHS} epochs is lower than that of the {FALLING_EPOCHS} before by {100 * FALLING:g} % or more.",
        tuple(it.name for it in found),
    )


def _falls(losses: Sequence[float]) -> bool:
    before, after = losses[-2 * FALLING_EPOCHS : -FALLING_EPOCHS], losses[-FALLING_EPOCHS:]
    if len(before) < FALLING_EPOCHS or not all(map(math.isfinite, (*before, *after))):
        return False
    return fmean(after) < (1 - FALLING) * fmean(before)


_KINDS: Mapping[str, Callable[[_Finished], _Said]] = {
    "Predicts one class only": _one_class,
    "Never predicts a class": _never_predicted,
    "No better than the largest class": _no_better_than_the_largest_class,
    "Validation and test disagree": _validation_and_test_disagree,
    "Few images": _few_images,
    "Unbalanced classes": _unbalanced,
    "Overfitting": _overfitted,
    "Best epoch at an end": _best_is_first_or_last,
    "Loss still falling": _still_falling,
}


def predicts_one_class(evaluation: Evaluation) -> bool:
    """Return whether the same was said of every image, where there was more to say."""
    return len(_predicted(evaluation)) == 1 and len(evaluation.per_class) > 1


def _predicted(evaluation: Evaluation) -> dict[str, int]:
    """Return how many images were predicted as each class that was predicted at all."""
    columns = zip(evaluation.per_class, zip(*evaluation.confusion_matrix, strict=True), strict=True)
    return {name: sum(column) for name, column in columns if any(column)}


def _right(evaluation: Evaluation) -> int:
    return sum(row[at] for at, row in enumerate(evaluation.confusion_matrix))


def _images(evaluation: Evaluation) -> int:
    return sum(map(sum, evaluation.confusion_matrix))


def _row(model: ModelFigures, epoch: int) -> EpochMetrics | None:
    return next((row for row in model.curve if row.epoch == epoch), None)


def _few(said: Sequence[str]) -> str:
    """Return a list, of a long one its beginning."""
    left = len(said) - MOST_NAMED
    return listed([*said[:MOST_NAMED], f"{left} more"]) if left > 1 else listed(said)


def _sentences(said: Sequence[str], close: str) -> str:
    parts = [f"{it}." for it in said[:MOST_NAMED]]
    if len(said) > MOST_NAMED:
        parts.append(f"So it is with {len(said) - MOST_NAMED} more.")
    return " ".join([*parts, close] if parts and close else parts)
