"""Which model is chosen, by its validation images alone, and what the test images say of that choice. Pure.

What chose cannot also judge: a model picked for its test result has that result partly by luck. So nothing of the test
images decides here, and everything that is reported of the chosen model is theirs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from qcqueue.core.evaluation import Evaluation, Result
from qcqueue.reports.quantities.comparison import CHANCE, Accuracy, Comparison
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.text.humanize import percent


class Metric(StrEnum):
    """What of the validation images chooses. label: in the words of a page."""

    ACCURACY = "accuracy", "accuracy"
    MACRO_F1 = "macro-f1", "macro-F1"

    label: str

    def __new__(cls, word: str, *facts: Any) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        (member.label,) = facts
        return member

    def of(self, evaluation: Evaluation) -> float:
        """Return the metric of an evaluation."""
        return _METRICS[self](evaluation)

    def said(self, value: float) -> str:
        """Return a value of the metric as a person reads it."""
        return percent(value) if self is Metric.ACCURACY else f"{value:.3f}"


_METRICS: Mapping[str, Callable[[Evaluation], float]] = {
    "accuracy": lambda evaluation: evaluation.accuracy,
    "macro-f1": lambda evaluation: evaluation.macro_f1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """The model that validation chooses among the finished ones that saw the same images, each at its best epoch.

    validation and test are the metric, the accuracies those of the same weights; test is None where no test image is.
    level are labels of others with the same validation metric: of them the chosen one has the lowest validation loss.
    accuracy is the test accuracy with its interval, None where that is not known. ahead and behind are labels of models
    it is better and worse than on the test images by more than luck, undecided those of which the images cannot say.
    best_on_test is the label of the model with the highest test metric, where that is another.
    """

    by: Metric
    dataset_sha256: str
    job: str
    label: str
    epoch: int
    among: int
    validation: float
    test: float | None
    test_accuracy: float | None
    accuracy: Accuracy | None
    level: tuple[str, ...]
    ahead: tuple[str, ...]
    undecided: tuple[str, ...]
    behind: tuple[str, ...]
    best_on_test: str | None
    best_test: float | None


def choices_of(models: Sequence[ModelFigures], comparison: Comparison, by: Metric) -> tuple[ModelChoice, ...]:
    """Return a choice for each dataset with a finished model. comparison: of the test images and the best weights."""
    by_images: dict[str, list[tuple[ModelFigures, Result]]] = {}
    for model in models:
        if model.result:
            by_images.setdefault(model.dataset_sha256, []).append((model, model.result))
    return tuple(_choice(finished, comparison, by) for finished in by_images.values())


def _choice(finished: Sequence[tuple[ModelFigures, Result]], comparison: Comparison, by: Metric) -> ModelChoice:
    model, result = min(finished, key=lambda it: (-by.of(it[1].best.validation), it[1].best.validation.loss))
    validation = by.of(result.best.validation)
    others = [other for other, _ in finished if other is not model]
    signs = {other.label: sign for other in others if (sign := _sign(model, other, comparison)) is not None}
    has_test = any(map(any, result.best.test.confusion_matrix))
    best, best_result = max(finished, key=lambda it: by.of(it[1].best.test))
    test, most = by.of(result.best.test), by.of(best_result.best.test)
    is_beaten = has_test and most > test
    return ModelChoice(
        by=by,
        dataset_sha256=model.dataset_sha256,
        job=model.name,
        label=model.label,
        epoch=result.best.epoch,
        among=len(finished),
        validation=validation,
        test=test if has_test else None,
        test_accuracy=result.best.test.accuracy if has_test else None,
        accuracy=next((it for it in comparison.accuracies if it.job == model.name), None),
        level=tuple(
            other.label for other, its in finished if other is not model and by.of(its.best.validation) == validation
        ),
        ahead=tuple(label for label, sign in signs.items() if sign > 0),
        undecided=tuple(label for label, sign in signs.items() if sign == 0),
        behind=tuple(label for label, sign in signs.items() if sign < 0),
        best_on_test=best.label if is_beaten else None,
        best_test=most if is_beaten else None,
    )


def _sign(model: ModelFigures, other: ModelFigures, comparison: Comparison) -> int | None:
    """Return 1 where a model is better than the other by more than luck, -1 where worse, 0 where neither is shown."""
    for first, second, turned in ((model, other, 1), (other, model, -1)):
        if pair := comparison.pair(first.name, second.name):
            if pair.p_adjusted >= CHANCE:
                return 0
            return turned if pair.difference > 0 else -turned
    return None
