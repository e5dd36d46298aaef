"""Figures from predictions, in double precision, and the digests of a finished run that are over tensors. All pure.

The mean loss is a correctly rounded sum (`math.fsum`), so it does not depend on how numpy groups or vectorises. The
digest of a history is `core.records.history_sha256`; those here are

weights_sha256       for each of model.variables in order: the ASCII line "DTYPE D0,D1,..\\n" (a scalar has no
                     dimensions: "int64 \\n"), then its elements in row-major order, little-endian
predictions_sha256   float32 [sample, class] on the validation set in dataset order: row-major, little-endian
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qcqueue.core.evaluation import ClassScore, Evaluation
from qcqueue.core.records import LossRule, Tensors

CLIPPED_BY = 1e-7
"""How far the rule "clipped" keeps a probability from 0 and 1."""

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predictions:
    """What a model says of images: its own softmax, and the logits it took that of; both float32 [sample, class].

    loss: the mean of a loss of the model's own, None where it is the cross-entropy that `mean_loss` takes.
    """

    softmax: Floats
    logits: Floats
    loss: float | None = None


def mean_loss(predictions: Predictions, labels: Labels, rule: LossRule) -> float:
    """Return the loss that they came with, else the mean cross-entropy; NaN if any of the numbers that count is."""
    if predictions.loss is not None:
        return predictions.loss
    losses = {"clipped": _clipped_losses, "logits": _logit_losses}[rule](predictions, labels)
    return math.fsum(losses) / len(labels)


def _clipped_losses(predictions: Predictions, labels: Labels) -> list[float]:
    chosen = predictions.softmax[np.arange(len(labels)), labels].astype(np.float64)
    return [-math.log(p) for p in np.clip(chosen, CLIPPED_BY, 1 - CLIPPED_BY).tolist()]


def _logit_losses(predictions: Predictions, labels: Labels) -> list[float]:
    logits = predictions.logits.astype(np.float64)
    below_top = logits - logits.max(axis=1, keepdims=True)  # so that no exponential overflows
    sums = [math.fsum(math.exp(it) for it in row) for row in below_top.tolist()]
    chosen = below_top[np.arange(len(labels)), labels].tolist()
    return [math.log(total) - it for total, it in zip(sums, chosen, strict=True)]


def accuracy(predictions: Predictions, labels: Labels) -> float:
    return int(np.count_nonzero(predictions.softmax.argmax(axis=1) == labels)) / len(labels)


def evaluation(predictions: Predictions, labels: Labels, classes: Sequence[str], rule: LossRule) -> Evaluation:
    """Return all figures of one set of predictions; a class that is never predicted is stored with precision 0."""
    guesses, numbers = predictions.softmax.argmax(axis=1), range(len(classes))
    matrix = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(matrix, (labels, guesses), 1)
    hits, guessed, there = np.diag(matrix).tolist(), matrix.sum(axis=0).tolist(), matrix.sum(axis=1).tolist()
    return Evaluation(
        loss=mean_loss(predictions, labels, rule),
        accuracy=accuracy(predictions, labels),
        per_class={
            classes[it]: ClassScore(
                precision=_share(hits[it], guessed[it]),
                recall=_share(hits[it], there[it]),
                f1=_share(2 * hits[it], guessed[it] + there[it]),
                support=there[it],
            )
            for it in numbers
        },
        confusion_matrix=tuple(tuple(row) for row in matrix.tolist()),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def weights_sha256(tensors: Tensors) -> str:
    """Return the digest of the model's part (keys m/00000 ..) of a state; other tensors do not count."""
    digest = hashlib.sha256()
    for key in sorted(key for key in tensors if key.startswith("m/")):
        value = tensors[key]
        digest.update(f"{value.dtype.name} {','.join(map(str, value.shape))}\n".encode())
        digest.update(_bytes(value))
    return digest.hexdigest()


def predictions_sha256(predictions: npt.NDArray[np.float32]) -> str:
    return hashlib.sha256(_bytes(predictions)).hexdigest()


def _bytes(value: npt.NDArray[Any]) -> bytes:
    return value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()
