"""How sure an accuracy is, and whether one model is better than another on the same images. Pure.

The interval of an accuracy is Wilson's (1927). That of a difference is the ideal bootstrap's (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993): the distribution that endless resampling of the images in pairs would give is
computed, so no chance is in it. Both tell what other images of the same kind might have shown, and nothing of what
another seed would have trained.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from qcqueue.reports.quantities.predictions import Judged, Mask
from qcqueue.reports.quantities.stats import (
    difference_quantiles,
    holm,
    lower_bound,
    sign_test,
    wilson,
)

CONFIDENCE = 0.95
MOST_COMPARED = 50
"""Of more models nobody reads the pairs, whose number grows with the square."""

CHANCE = 1 - CONFIDENCE
"""A p value below this is taken for more than luck."""

LEVEL = f"{100 * CONFIDENCE:g} %"
"""The confidence as it is said."""

TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a value lies with 95 % confidence.

    is_bound: of a difference every resample of these images would show the same, so that a bootstrap says nothing; in
    its place stands the exact bound for what was never seen (one-sided, Clopper and Pearson 1934): 1 - 0.05^(1/images)
    of it at most.
    """

    low: float
    high: float
    is_bound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """One model on `images` images, of which it classified `right` correctly; value and interval are shares, 0..1."""

    job: str
    label: str
    images: int
    right: int
    value: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two models on the same images: how many both, only one or neither classified correctly.

    difference is the first's accuracy minus the second's, -1..1, and interval its paired bootstrap interval; p_value is
    of McNemar's exact test, two-sided, and p_adjusted the same after Holm's correction for all pairs of the comparison.
    """

    first: str
    second: str
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    difference: float
    interval: Interval
    p_value: float
    p_adjusted: float

    @property
    def images(self) -> int:
        return self.both_right + self.only_first + self.only_second + self.both_wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All models on one split with one set of weights. Models on different datasets make no pair."""

    accuracies: tuple[Accuracy, ...]
    pairs: tuple[Pair, ...]

    def pair(self, first: str, second: str) -> Pair | None:
        """Return the pair of two jobs in this order, None where it was not compared so."""
        return next((pair for pair in self.pairs if (pair.first, pair.second) == (first, second)), None)


def comparison_of(judged: Sequence[Judged]) -> Comparison:
    """Compare models, all on one split and with one set of weights, in their order.

    The correction is for the pairs on the same images. More than MOST_COMPARED models on the same images make no pair.
    Raises: ExtraMissing.
    """
    by_images: dict[str, list[Judged]] = {}
    for one in judged:
        by_images.setdefault(one.dataset_sha256, []).append(one)
    pairs = [pair for models in by_images.values() if len(models) <= MOST_COMPARED for pair in _pairs(models)]
    return Comparison(accuracies=tuple(_accuracy(one) for one in judged), pairs=tuple(pairs))


def _pairs(models: Sequence[Judged]) -> list[Pair]:
    rights = [one.is_right for one in models]
    places = combinations(range(len(models)), 2)
    pairs = [_pair(models[first], models[second], rights[first], rights[second]) for first, second in places]
    adjusted = holm([pair.p_value for pair in pairs])
    return [replace(pair, p_adjusted=p_value) for pair, p_value in zip(pairs, adjusted, strict=True)]


def accuracy_interval(right: int, images: int) -> Interval:
    """Return Wilson's interval of the share right / images; images > 0. Raises: ExtraMissing."""
    low, high = wilson(right, images, CONFIDENCE)
    return Interval(low=low, high=high, is_bound=False)


def difference_interval(only_first: int, only_second: int, images: int) -> Interval:
    """Return the interval of (only_first - only_second) / images, the images resampled in pairs; images > 0."""
    bound = lower_bound(images, CONFIDENCE)
    if only_first == only_second == 0:
        # That they differ was never seen, so it happens at most so often, for whichever of them.
        return Interval(low=bound - 1, high=1 - bound, is_bound=True)
    if images in (only_first, only_second):
        # At most so often they do not differ as always seen, and then by 2 where the difference turns round.
        low, high = (2 * bound - 1, 1.0) if only_first else (-1.0, 1 - 2 * bound)
        return Interval(low=low, high=high, is_bound=True)
    fewest, most = difference_quantiles(TAILS, only_first, only_second, images)
    return Interval(low=fewest / images, high=most / images, is_bound=False)


def _accuracy(judged: Judged) -> Accuracy:
    return Accuracy(
        job=judged.job,
        label=judged.label,
        images=judged.images,
        right=judged.right,
        value=judged.accuracy,
        interval=accuracy_interval(judged.right, judged.images),
    )


def _pair(first: Judged, second: Judged, first_right: Mask, second_right: Mask) -> Pair:
    """Return two models beside each other, as if they were the only two."""
    kinds = np.bincount(2 * ~first_right + ~second_right, minlength=4)
    both_right, only_first, only_second, both_wrong = (int(kind) for kind in kinds)
    p_value = sign_test(only_first, only_second)
    return Pair(
        first=first.job,
        second=second.job,
        both_right=both_right,
        only_first=only_first,
        only_second=only_second,
        both_wrong=both_wrong,
        difference=(only_first - only_second) / first.images,
        interval=difference_interval(only_first, only_second, first.images),
        p_value=p_value,
        p_adjusted=p_value,
    )
