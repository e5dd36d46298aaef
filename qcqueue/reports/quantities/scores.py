"""What one confusion matrix comes down to: averages over classes, agreement, and rates class by class. Pure.

Everything follows from the confusion matrix that is stored of a finished job, so that it is there also where single
predictions cannot be read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qcqueue.core.evaluation import Evaluation
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.reports.quantities.scikit_learn import Agreement, Averages, agreement_of, averages_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRates:
    """One class against the rest. images are those of the class, predicted those that were predicted as it.

    sensitivity is the share of its images that were predicted as it (recall), specificity the share of all others that
    were not; precision is the share of its predictions that are true; f1 is the harmonic mean of precision and
    sensitivity, 0 where nothing of it was right. None where there is nothing to take a share of.
    """

    name: str
    images: int
    predicted: int
    sensitivity: float | None
    specificity: float | None
    precision: float | None
    f1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One model on one split with one set of weights; at least one image."""

    job: str
    label: str
    split: str
    weights: str
    epoch: int
    images: int
    accuracy: float
    macro: Averages
    weighted: Averages
    agreement: Agreement
    by_class: tuple[ClassRates, ...]


def scores_of(models: Sequence[ModelFigures]) -> tuple[Scores, ...]:
    """Return the scores of all finished models, in their order. Raises: ExtraMissing."""
    return tuple(scores for model in models for scores in _of_model(model))


def rates_of(evaluation: Evaluation) -> tuple[ClassRates, ...]:
    """Return the rates by class, in the order of the classes."""
    rows = evaluation.confusion_matrix
    columns = list(zip(*rows, strict=True))
    everything = sum(map(sum, rows))
    return tuple(
        ClassRates(
            name=name,
            images=sum(rows[at]),
            predicted=sum(columns[at]),
            sensitivity=_share(rows[at][at], sum(rows[at])),
            specificity=_share(
                everything - sum(rows[at]) - sum(columns[at]) + rows[at][at], everything - sum(rows[at])
            ),
            precision=_share(rows[at][at], sum(columns[at])),
            f1=_share(2 * rows[at][at], sum(rows[at]) + sum(columns[at])),
        )
        for at, name in enumerate(evaluation.per_class)
    )


def _of_model(model: ModelFigures) -> Iterator[Scores]:
    if model.result is None:
        return
    for weights, appraisal in (("best", model.result.best), ("last", model.result.last)):
        for split, evaluation in (("validation", appraisal.validation), ("test", appraisal.test)):
            matrix = evaluation.confusion_matrix
            if images := sum(map(sum, matrix)):
                yield Scores(
                    job=model.name,
                    label=model.label,
                    split=split,
                    weights=weights,
                    epoch=appraisal.epoch,
                    images=images,
                    accuracy=evaluation.accuracy,
                    macro=averages_of(matrix, average="macro"),
                    weighted=averages_of(matrix, average="weighted"),
                    agreement=agreement_of(matrix),
                    by_class=rates_of(evaluation),
                )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
