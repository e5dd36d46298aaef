"""How well the probability of a class ranks the images: ROC and precision-recall curves, each class against the rest.

The area under a ROC curve (AUC) and the average precision come with a bootstrap interval: the images are resampled, and
each resample is weighed by ranks, so that nothing is sorted twice. The resamples are decided by the number of images
alone: the same for every model and class, on every machine, and in every report. Pure.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from qcqueue.clock import seeded
from qcqueue.reports.quantities.comparison import TAILS, Interval
from qcqueue.reports.quantities.predictions import Judged, Labels, Mask
from qcqueue.reports.quantities.scikit_learn import precision_recall_points, roc_points
from qcqueue.reports.quantities.stats import Floats
from qcqueue.reports.study import Probabilities

MOST_RESAMPLES, FEWEST_RESAMPLES = 1000, 200
_ENOUGH_DRAWN = 1_000_000
"""Draws, resamples times images, at which an end of an interval is known as well as for a thousand images: the interval
itself is the narrower the more images there are."""

# What fits into a processor's cache, and what is worth keeping for the next class and model.
_DRAWN_AT_ONCE = 1 << 16
_MOST_KEPT = 1 << 22
_CHANCE_BITS = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankCurve:
    """One class against the rest. x and y are of the curve's points, by rising x, each 0..1.

    Of a ROC curve they are false and true positive rate (specificity is 1 - x, sensitivity y) and area is the AUC; of a
    precision-recall curve they are recall and precision and area is the average precision. interval is None where
    every resample gives the same, as for a class that is told apart without an error: a bootstrap says nothing there.
    positives are the images of the class, negatives all others; neither is 0.
    """

    x: Floats
    y: Floats
    area: float
    interval: Interval | None
    positives: int
    negatives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRanking:
    """One model on one split: by class, in their order, None for a class of which there is no image, or no other.

    macro_auc and macro_average_precision are the means over the classes that are there, None where none is, with
    intervals over the resamples in which all of these have images.
    """

    job: str
    label: str
    classes: tuple[str, ...]
    roc: tuple[RankCurve | None, ...]
    precision_recall: tuple[RankCurve | None, ...]
    macro_auc: float | None
    macro_auc_interval: Interval | None
    macro_average_precision: float | None
    macro_average_precision_interval: Interval | None


def ranking_of(judged: Judged) -> ClassRanking:
    """Return every curve of a model. Raises: ExtraMissing."""
    numbers = range(len(judged.classes))
    ranks = [_ranks(judged.labels, judged.probabilities, number) for number in numbers]
    known = [found for found in ranks if found is not None]
    aucs, precisions = np.array([it.aucs for it in known]), np.array([it.average_precisions for it in known])
    return ClassRanking(
        job=judged.job,
        label=judged.label,
        classes=judged.classes,
        roc=tuple(_roc(found) for found in ranks),
        precision_recall=tuple(_precision_recall(found) for found in ranks),
        macro_auc=float(aucs[:, 0].mean()) if known else None,
        macro_auc_interval=_interval(aucs.mean(axis=0)[1:]) if known else None,
        macro_average_precision=float(precisions[:, 0].mean()) if known else None,
        macro_average_precision_interval=_interval(precisions.mean(axis=0)[1:]) if known else None,
    )


def roc(labels: Labels, softmax: Probabilities, number: int) -> RankCurve | None:
    """Return the ROC curve of the class of this number against the rest, None where one side has no image.

    labels [image]; softmax [image, class]. Raises: ExtraMissing.
    """
    return _roc(_ranks(labels, softmax, number))


def precision_recall(labels: Labels, softmax: Probabilities, number: int) -> RankCurve | None:
    """Return the precision-recall curve of the class of this number, as `roc`."""
    return _precision_recall(_ranks(labels, softmax, number))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ranks:
    """aucs and average_precisions [1 + resamples]: of the images as they are, then of each resample, NaN for one
    without an image of the class, or of another."""

    is_class: Mask
    scores: Floats
    aucs: Floats
    average_precisions: Floats


def _ranks(labels: Labels, softmax: Probabilities, number: int) -> _Ranks | None:
    is_class, scores = labels == number, softmax[:, number].astype(np.float64)
    if is_class.all() or not is_class.any():
        return None
    order = np.argsort(-scores, kind="stable")
    # Images of equal score are one step of a curve, whatever their order.
    steps = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    parts = [_areas(weights[order], is_class[order], steps) for weights in (_once(len(labels)), *_drawn(len(labels)))]
    return _Ranks(
        is_class=is_class,
        scores=scores,
        aucs=np.concatenate([aucs for aucs, _ in parts]),
        average_precisions=np.concatenate([precisions for _, precisions in parts]),
    )


def _areas(weights: Floats, is_class: Mask, steps: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return AUC and average precision for each column of weights [image, resample], images by falling score."""
    positives = weights * is_class[:, None]
    if len(steps) < len(is_class):
        positives, weights = (np.add.reduceat(each, steps, axis=0) for each in (positives, weights))
    has_class = np.logical_or.reduceat(is_class, steps)
    has_other = np.logical_or.reduceat(~is_class, steps)
    hits, seen = positives.cumsum(axis=0), weights.cumsum(axis=0)
    in_class, others = positives[has_class], (weights - positives)[has_other]
    below = hits[has_other] - positives[has_other] / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        aucs = np.einsum("ij,ij->j", others, below) / (hits[-1] * (seen[-1] - hits[-1]))
        # A step of no weight has no precision, and adds no recall either.
        precision = hits[has_class] / np.maximum(seen[has_class], 1)
        precisions = np.einsum("ij,ij->j", in_class, precision) / hits[-1]
    is_one_sided = (hits[-1] == 0) | (hits[-1] == seen[-1])
    return np.where(is_one_sided, np.nan, aucs), np.where(is_one_sided, np.nan, precisions)


def _once(images: int) -> Floats:
    return np.ones((images, 1))


def resamples_of(images: int) -> int:
    """Return how often so many images are resampled."""
    return min(MOST_RESAMPLES, max(FEWEST_RESAMPLES, _ENOUGH_DRAWN // images))


def _drawn(images: int) -> Iterable[Floats]:
    """Return how often each image is in each resample, some resamples at once. They are the same for every model."""
    return _kept(images) if images * resamples_of(images) <= _MOST_KEPT else _draw(images)


@lru_cache(maxsize=4)
def _kept(images: int) -> tuple[Floats, ...]:
    return tuple(_draw(images))


def _draw(images: int) -> Iterator[Floats]:
    source, left = seeded(images), resamples_of(images)
    while left:
        at_once = min(left, max(1, _DRAWN_AT_ONCE // images))
        yield _counts(source.randbytes(4 * images * at_once), at_once, images)
        left -= at_once


def _counts(chance: bytes, resamples: int, images: int) -> Floats:
    """Return counts [image, resample] of images drawn by 32 bits each: bits times images, without its lower 32 bits."""
    drawn = np.frombuffer(chance, "<u4").astype(np.uint64) * np.uint64(images) >> np.uint64(_CHANCE_BITS)
    places = drawn.reshape(resamples, images).astype(np.int64) * resamples + np.arange(resamples)[:, None]
    return np.bincount(places.ravel(), minlength=images * resamples).reshape(images, resamples).astype(np.float64)


def _roc(ranks: _Ranks | None) -> RankCurve | None:
    return _curve(ranks, *roc_points(ranks.is_class, ranks.scores), ranks.aucs) if ranks else None


def _precision_recall(ranks: _Ranks | None) -> RankCurve | None:
    if ranks is None:
        return None
    return _curve(ranks, *precision_recall_points(ranks.is_class, ranks.scores), ranks.average_precisions)


def _curve(ranks: _Ranks, x: Floats, y: Floats, areas: Floats) -> RankCurve:
    positives = int(np.count_nonzero(ranks.is_class))
    return RankCurve(
        x=x,
        y=y,
        area=float(areas[0]),
        interval=_interval(areas[1:]),
        positives=positives,
        negatives=len(ranks.is_class) - positives,
    )


def _interval(areas: Floats) -> Interval | None:
    """Return the percentile interval over the resamples that have a value; None where they do not differ."""
    known = areas[~np.isnan(areas)]
    if not len(known) or known.min() == known.max():
        return None
    low, high = np.quantile(known, TAILS)
    return Interval(low=float(low), high=float(high), is_bound=False)
