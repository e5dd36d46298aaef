"""Figures from predictions: pure functions of float32 softmax outputs and labels, in double precision.

The mean loss is a correctly rounded sum (`math.fsum`), so it does not depend on how numpy groups or vectorises.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qcqueue.core.evaluation import ClassScore, Evaluation

EPSILON = 1e-7
"""Keras's: a probability is kept this far from 0 and 1, so that one sure mistake does not make a loss infinite."""

Predictions = npt.NDArray[np.float32]
Labels = npt.NDArray[Any]


def mean_loss(predictions: Predictions, labels: Labels) -> float:
    """Return the mean cross-entropy; NaN if any of the probabilities that count is."""
    chosen = predictions[np.arange(len(labels)), labels].astype(np.float64)
    return math.fsum(-math.log(p) for p in np.clip(chosen, EPSILON, 1 - EPSILON).tolist()) / len(labels)


def accuracy(predictions: Predictions, labels: Labels) -> float:
    return int(np.count_nonzero(predictions.argmax(axis=1) == labels)) / len(labels)


def evaluation(predictions: Predictions, labels: Labels, classes: Sequence[str]) -> Evaluation:
    """Return all figures of one set of predictions; a class that is never predicted has precision 0."""
    # Needed once, at the end of a job, and as slow to import as a third of TensorFlow.
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    guesses, numbers = predictions.argmax(axis=1), range(len(classes))
    scores = precision_recall_fscore_support(labels, guesses, labels=numbers, zero_division=0)
    matrix = confusion_matrix(labels, guesses, labels=numbers)
    return Evaluation(
        loss=mean_loss(predictions, labels),
        accuracy=accuracy(predictions, labels),
        per_class={
            name: ClassScore(precision=float(p), recall=float(r), f1=float(f), support=int(s))
            for name, p, r, f, s in zip(classes, *scores, strict=True)
        },
        confusion_matrix=tuple(tuple(int(count) for count in row) for row in matrix),
    )
