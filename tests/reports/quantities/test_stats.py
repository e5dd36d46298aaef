"""The distributions and tests equal SciPy's and a count of every possibility."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import scipy  # type: ignore[import-untyped]  # its parts come when they are asked for
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.reports.quantities.stats import (
    above_chance,
    difference_quantiles,
    holm,
    lower_bound,
    same_share,
    sign_test,
    wilson,
)

TAILS = (0.025, 0.975)


@given(st.integers(1, 5), st.data())
def test_a_difference_quantile_counts_every_possible_resample(draws: int, data: st.DataObject) -> None:
    ups = data.draw(st.integers(0, draws))
    downs = data.draw(st.integers(0, draws - ups))
    cards = [1] * ups + [-1] * downs + [0] * (draws - ups - downs)
    sums = sorted(sum(resample) for resample in product(cards, repeat=draws))
    for tail in (*TAILS, 0.3, 0.5):
        enough = Fraction(tail).limit_denominator(1000) * len(sums)
        first = next(it for place, it in enumerate(sums, start=1) if place >= enough)
        assert difference_quantiles([tail], ups, downs, draws) == [first]


@given(st.integers(1, 120), st.data())
def test_a_difference_quantile_is_that_of_a_sum_taken_term_by_term(draws: int, data: st.DataObject) -> None:
    ups = data.draw(st.integers(0, draws))
    downs = data.draw(st.integers(0, draws - ups))
    one = np.array([downs, draws - ups - downs, ups]) / draws
    sums = np.ones(1)
    for _ in range(draws):
        sums = np.convolve(sums, one)
    for tail in TAILS:
        below = np.cumsum(sums)
        assert difference_quantiles([tail], ups, downs, draws) == [int(np.argmax(below >= tail - 1e-9)) - draws]


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_sign_test_is_scipys_binomial_test(ups: int, downs: int) -> None:
    expected = scipy.stats.binomtest(ups, ups + downs).pvalue if ups + downs else 1.0
    assert sign_test(ups, downs) == pytest.approx(expected, rel=1e-9, abs=1e-300)
    assert sign_test(ups, downs) == sign_test(downs, ups)


def test_a_sign_test_of_thousands_of_pairs_neither_overflows_nor_leaves_its_range() -> None:
    assert sign_test(20_000, 0) == 0
    assert sign_test(10_000, 10_000) == 1
    assert sign_test(9_900, 10_100) == pytest.approx(scipy.stats.binomtest(9_900, 20_000).pvalue)


@given(st.integers(1, 2000), st.data())
def test_wilsons_interval_is_his_formula_and_holds_the_share(trials: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, trials))
    share, z = right / trials, scipy.stats.norm.ppf(0.975)
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    low, high = wilson(right, trials, 0.95)
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=1e-12)
    assert 0 <= low <= share <= high <= 1


@pytest.mark.parametrize(("right", "trials", "chance"), [(0, 5, 0.5), (5, 5, 0.5), (201, 486, 0.4), (486, 486, 0.99)])
def test_more_than_chance_is_a_sum_of_the_binomial_distribution(right: int, trials: int, chance: float) -> None:
    expected = scipy.stats.binom.pmf(range(right, trials + 1), trials, chance).sum()
    assert above_chance(right, trials, chance) == pytest.approx(expected, rel=1e-9)


def test_two_shares_are_one_as_likely_as_fisher_counts_it() -> None:
    # A lady tasting tea (Fisher 1935): of eight cups she has told three of four rightly.
    assert same_share((3, 4), (1, 4)) == pytest.approx(34 / 70)
    assert same_share((400, 550), (100, 486)) < 1e-60
    assert same_share((5, 10), (50, 100)) == pytest.approx(1)


@pytest.mark.parametrize("trials", [1, 2, 59, 486, 20_000])
def test_a_bound_of_what_never_failed_is_clopper_and_pearsons(trials: int) -> None:
    test = scipy.stats.binomtest(trials, trials, alternative="greater")
    assert lower_bound(trials, 0.95) == pytest.approx(test.proportion_ci(0.95, method="exact").low)


def test_holm_multiplies_the_smallest_most_and_keeps_their_order() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.9, 0.8]) == (1, 1)
    assert holm([0.2]) == (0.2,)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_rejects_exactly_what_stepping_down_by_hand_rejects(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for level in (0.01, 0.05, 0.3):
        rejected = set[int]()
        for left, place in zip(
            range(len(p_values), 0, -1), sorted(range(len(p_values)), key=lambda it: p_values[it]), strict=True
        ):
            if left * p_values[place] > level:
                break
            rejected.add(place)
        assert {place for place, p_value in enumerate(adjusted) if p_value <= level} == rejected
