"""An accuracy has an interval, and "better" is a statement about the same images: both equal resampling and SciPy."""

from itertools import combinations

import numpy as np
import pytest
import scipy  # type: ignore[import-untyped]  # its parts come when they are asked for
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.reports.quantities.comparison import accuracy_interval, comparison_of, difference_interval
from qcqueue.reports.quantities.stats import holm
from tests.reports.quantities.answers import an_answered_study, judged_in, right_where


def test_an_accuracy_has_wilsons_interval() -> None:
    [one] = comparison_of([right_where([True] * 437 + [False] * 49)]).accuracies
    assert (one.images, one.right, one.value) == (486, 437, 437 / 486)
    wilson = scipy.stats.binomtest(437, 486).proportion_ci(0.95, method="wilson")
    assert (one.interval.low, one.interval.high) == pytest.approx((wilson.low, wilson.high))


@pytest.mark.parametrize("images", [1, 2, 12, 486])
def test_all_right_and_all_wrong_have_an_interval_that_is_more_than_a_point(images: int) -> None:
    right, wrong = accuracy_interval(images, images), accuracy_interval(0, images)
    assert right.low < right.high == 1
    assert 0 == wrong.low < wrong.high
    assert (right.low, right.high) == pytest.approx((1 - wrong.high, 1 - wrong.low))


@given(st.integers(1, 400), st.data())
def test_an_interval_holds_its_accuracy_and_stays_within_0_and_1(images: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, images))
    interval = accuracy_interval(right, images)
    assert 0 <= interval.low <= right / images <= interval.high <= 1


def test_a_pair_counts_who_was_right_where_and_differs_by_what_resampling_pairs_gives() -> None:
    first = right_where([True] * 400 + [True] * 40 + [False] * 22 + [False] * 24, job="study/first")
    second = right_where([True] * 400 + [False] * 40 + [True] * 22 + [False] * 24, job="study/second")
    [pair] = comparison_of([first, second]).pairs
    assert (pair.both_right, pair.only_first, pair.only_second, pair.both_wrong) == (400, 40, 22, 24)
    assert pair.images == 486
    assert pair.difference == pytest.approx(first.accuracy - second.accuracy)
    draws = scipy.stats.multinomial.rvs(486, [40 / 486, 22 / 486, 424 / 486], size=200_000, random_state=3)
    low, high = np.percentile((draws[:, 0] - draws[:, 1]) / 486, (2.5, 97.5))
    assert (pair.interval.low, pair.interval.high) == pytest.approx((low, high), abs=1.5 / 486)
    assert pair.p_value == pytest.approx(scipy.stats.binomtest(40, 62).pvalue)
    assert pair.p_adjusted == pair.p_value


def test_turning_a_pair_round_turns_its_numbers_round() -> None:
    first = right_where([True] * 60 + [False] * 40, job="study/first")
    second = right_where([False] * 7 + [True] * 80 + [False] * 13, job="study/second")
    [there], [back] = comparison_of([first, second]).pairs, comparison_of([second, first]).pairs
    assert there.difference == -back.difference
    assert there.p_value == back.p_value
    # The quantile at or below which there is enough lies a step from the one above which there is enough.
    assert (there.interval.low, there.interval.high) == pytest.approx(
        (-back.interval.high, -back.interval.low), abs=0.011
    )


def test_models_that_never_disagree_are_not_said_to_be_equal_without_a_bound() -> None:
    alike = [right_where([True] * 50 + [False] * 9, job=f"study/{name}") for name in ("first", "second")]
    [pair] = comparison_of(alike).pairs
    assert (pair.difference, pair.p_value, pair.interval.is_bound) == (0, 1, True)
    exact = scipy.stats.binomtest(0, 59, alternative="less").proportion_ci(0.95, method="exact")
    assert (pair.interval.low, pair.interval.high) == pytest.approx((-exact.high, exact.high))


def test_a_model_that_is_always_right_beside_one_that_never_is_has_a_bound() -> None:
    better, worse = difference_interval(20, 0, 20), difference_interval(0, 20, 20)
    assert (better.low, better.high) == pytest.approx((2 * 0.05 ** (1 / 20) - 1, 1))
    assert (worse.low, worse.high) == pytest.approx((-1, 1 - 2 * 0.05 ** (1 / 20)))
    assert better.is_bound
    assert worse.is_bound


@given(st.integers(1, 300), st.data())
def test_the_interval_of_a_difference_holds_it(images: int, data: st.DataObject) -> None:
    only_first = data.draw(st.integers(0, images))
    only_second = data.draw(st.integers(0, images - only_first))
    interval = difference_interval(only_first, only_second, images)
    assert -1 <= interval.low <= (only_first - only_second) / images <= interval.high <= 1


def test_all_pairs_are_tested_together_and_found_by_their_names() -> None:
    judged = judged_in(an_answered_study(["VGG16", "Xception", "ResNet50V2", "InceptionV3"]))
    comparison = comparison_of(judged)
    assert [(pair.first, pair.second) for pair in comparison.pairs] == list(combinations([it.job for it in judged], 2))
    p_values = [
        scipy.stats.binomtest(pair.only_first, pair.only_first + pair.only_second).pvalue for pair in comparison.pairs
    ]
    assert [pair.p_value for pair in comparison.pairs] == pytest.approx(p_values)
    assert [pair.p_adjusted for pair in comparison.pairs] == pytest.approx(holm(p_values))
    assert comparison.pair("six-models/vgg16", "six-models/xception") == comparison.pairs[0]
    assert comparison.pair("six-models/xception", "six-models/vgg16") is None


def test_models_on_other_images_are_not_compared() -> None:
    here = [right_where([True, False], job=f"study/{name}") for name in ("first", "second")]
    there = right_where([True, False], job="study/third", dataset_sha256="e" * 64)
    comparison = comparison_of([here[0], there, here[1]])
    assert [(pair.first, pair.second) for pair in comparison.pairs] == [("study/first", "study/second")]
    assert len(comparison.accuracies) == 3


def test_one_model_has_an_accuracy_and_no_pair_and_none_has_neither() -> None:
    one = comparison_of([right_where([True, False])])
    assert (len(one.accuracies), one.pairs) == (1, ())
    none = comparison_of([])
    assert (none.accuracies, none.pairs) == ((), ())
