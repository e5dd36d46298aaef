"""Measures of classification and the points of curves, by scikit-learn; the only home of it in a report. Pure.

It is imported when a measure is asked for. What is not defined (a kappa where only one class occurs) is None and never
a warning or a number that stands for none.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qcqueue.errors import ExtraMissing
from qcqueue.reports.quantities.stats import INSTALL, Floats

Matrix = Sequence[Sequence[int]]
"""A confusion matrix: how many images of class i were predicted as class j."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Averages:
    """Precision, recall and F1 over the classes that occur, true or predicted; what was never predicted counts as 0."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How well predictions agree with the truth where classes are of unequal size.

    balanced_accuracy is the mean recall of the classes that have images; kappa is Cohen's (1960) and mcc Matthews'
    correlation coefficient for several classes (Gorodkin 2004), 0 for a model that predicts one class only.
    """

    balanced_accuracy: float
    kappa: float | None
    mcc: float


def averages_of(matrix: Matrix, *, average: str) -> Averages:
    """Return the averages of a matrix with at least one image. average: "macro" or "weighted" by images of a class.

    Raises: ExtraMissing.
    """
    truths, guesses, counts = _as_samples(matrix)
    precision, recall, f1, _ = _metrics().precision_recall_fscore_support(
        truths, guesses, sample_weight=counts, average=average, zero_division=0
    )
    return Averages(precision=float(precision), recall=float(recall), f1=float(f1))


def agreement_of(matrix: Matrix) -> Agreement:
    """Return the agreement of a matrix with at least one image. Raises: ExtraMissing."""
    metrics = _metrics()
    truths, guesses, counts = _as_samples(matrix)
    with warnings.catch_warnings():
        # It warns of a class that occurs on one side only, and of one label alone; both are answered here.
        warnings.simplefilter("ignore")
        balanced = metrics.balanced_accuracy_score(truths, guesses, sample_weight=counts)
        kappa = metrics.cohen_kappa_score(truths, guesses, sample_weight=counts)
        mcc = metrics.matthews_corrcoef(truths, guesses, sample_weight=counts)
    return Agreement(
        balanced_accuracy=float(balanced), kappa=None if math.isnan(kappa) else float(kappa), mcc=float(mcc)
    )


def roc_points(is_class: npt.NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """Return the false and the true positive rates of every threshold that matters, from (0, 0) to (1, 1).

    Both sides of is_class occur. Raises: ExtraMissing.
    """
    false_positive, true_positive, _ = _metrics().roc_curve(is_class, scores)
    return false_positive, true_positive


def precision_recall_points(is_class: npt.NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """Return the recalls and precisions of every threshold, by rising recall from (0, 1). Raises: ExtraMissing."""
    precision, recall, _ = _metrics().precision_recall_curve(is_class, scores, drop_intermediate=True)
    return recall[::-1], precision[::-1]


def check_scikit_learn() -> None:
    """Raises: ExtraMissing: it is not installed."""
    _metrics()


def _as_samples(matrix: Matrix) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """Return a matrix as true classes, predicted classes and how often each pair occurs, only pairs that do."""
    counts = np.array(matrix, np.int64)
    truths, guesses = np.nonzero(counts)
    return truths, guesses, counts[truths, guesses]


def _metrics() -> Any:
    """Import it. Raises: ExtraMissing."""
    try:
        import sklearn.metrics
    except ImportError as exc:
        raise ExtraMissing("these measures need scikit-learn, which is not installed", hint=INSTALL) from exc
    return sklearn.metrics
