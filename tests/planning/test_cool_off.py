"""How long a GPU stays away: what a profile expects gives way to one's own waits, and a refusal moves the rest on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.planning.cool_off import ENOUGH, Wait, learn

HOUR_S = 3600.0
EXPECTED = Quantiles(p10_s=12 * HOUR_S, p50_s=22 * HOUR_S, p90_s=48 * HOUR_S, basis=Basis.PROFILE)

hours = st.floats(0, 400)
waits = st.tuples(hours, hours).map(lambda pair: wait(min(pair), max(pair)))
spreads = st.tuples(hours, hours, hours).map(
    lambda three: Quantiles(**dict(zip(("p10_s", "p50_s", "p90_s"), sorted(three), strict=True)), basis=Basis.SAID)
)


def wait(at_least_h: float, at_most_h: float) -> Wait:
    return Wait(at_least_s=at_least_h * HOUR_S, at_most_s=at_most_h * HOUR_S)


def in_hours(spread: Quantiles) -> tuple[float, float, float]:
    return tuple(round(it / HOUR_S, 2) for it in (spread.p10_s, spread.p50_s, spread.p90_s))  # type: ignore[return-value]


def test_without_waits_of_ones_own_it_is_what_the_profile_expects() -> None:
    learnt = learn(EXPECTED, [])
    assert in_hours(learnt.spread) == (12, 22, 48)
    assert learnt.spread.basis is Basis.PROFILE
    assert learnt.waits == 0


@given(spreads)
def test_whatever_is_expected_comes_back_where_nothing_was_seen(expected: Quantiles) -> None:
    spread = learn(expected, []).spread
    assert spread.p10_s == pytest.approx(expected.p10_s)
    assert spread.p50_s == pytest.approx(expected.p50_s)
    assert spread.p90_s == pytest.approx(expected.p90_s)
    assert spread.basis is Basis.SAID


@pytest.mark.parametrize("number", range(1, ENOUGH))
def test_few_waits_move_the_expectation_and_leave_it_the_profiles(number: int) -> None:
    learnt = learn(EXPECTED, [wait(14, 16)] * number)
    assert learnt.waits == number
    assert learnt.spread.basis is Basis.PROFILE
    assert learnt.spread.p50_s < EXPECTED.p50_s
    assert learnt.spread.p90_s < learn(EXPECTED, [wait(14, 16)] * (number - 1)).spread.p90_s


@pytest.mark.parametrize("number", [ENOUGH, ENOUGH + 1, 40])
def test_enough_waits_speak_alone(number: int) -> None:
    learnt = learn(EXPECTED, [wait(14, 16)] * number)
    assert learnt.spread.basis is Basis.HISTORY
    assert learnt.spread.p10_s >= 14 * HOUR_S
    assert learnt.spread.p90_s <= 16 * HOUR_S


def test_waits_that_the_profile_holds_impossible_are_believed() -> None:
    assert in_hours(learn(EXPECTED, [wait(2, 4)] * ENOUGH).spread) == (2.2, 3.0, 3.8)
    assert in_hours(learn(EXPECTED, [wait(100, 100)] * ENOUGH).spread) == (100, 100, 100)


def test_waits_of_one_length_each_have_their_middle_in_the_middle() -> None:
    lengths = (13, 14, 15, 20, 30)
    spread = learn(EXPECTED, [wait(length, length) for length in lengths]).spread
    assert in_hours(spread) == (13, 15, 30)


def test_who_comes_back_long_after_learns_nothing() -> None:
    learnt = learn(EXPECTED, [wait(0, 24 * 7)] * 20)
    assert learnt == learn(EXPECTED, [])


def test_who_comes_back_early_and_gets_a_gpu_learns_that_it_was_short() -> None:
    assert learn(EXPECTED, [wait(0, 16)]).spread.p50_s < EXPECTED.p50_s


def test_who_is_refused_late_learns_that_it_was_long() -> None:
    assert learn(EXPECTED, [wait(36, 24 * 7)]).spread.p50_s > EXPECTED.p50_s


def test_a_refusal_rules_out_what_is_shorter() -> None:
    after_20 = learn(EXPECTED, [], refused_after_s=20 * HOUR_S).spread
    assert in_hours(after_20) == (21.5, 35.72, 50.74)
    assert learn(EXPECTED, [], refused_after_s=HOUR_S).spread == learn(EXPECTED, []).spread


def test_a_refusal_later_than_all_that_was_expected_means_up_to_as_long_again() -> None:
    assert in_hours(learn(EXPECTED, [], refused_after_s=100 * HOUR_S).spread) == (110, 150, 190)


@given(spreads, hours, hours)
def test_the_later_a_refusal_the_later_the_return(expected: Quantiles, one_h: float, other_h: float) -> None:
    sooner, later = (
        learn(expected, [], refused_after_s=it * HOUR_S).spread for it in (min(one_h, other_h), max(one_h, other_h))
    )
    # What is no more than rounding does not count.
    assert later.p10_s >= sooner.p10_s - 1e-6
    assert later.p50_s >= sooner.p50_s - 1e-6
    assert later.p90_s >= sooner.p90_s - 1e-6


@given(spreads, st.lists(waits, max_size=12), hours)
def test_a_gpu_is_never_expected_before_it_was_refused_the_last_time(
    expected: Quantiles, seen: list[Wait], refused_h: float
) -> None:
    learnt = learn(expected, seen, refused_after_s=refused_h * HOUR_S)
    assert learnt.spread.p10_s >= refused_h * HOUR_S
    assert learnt.waits <= len(seen)
    assert (learnt.spread.basis is Basis.HISTORY) == (learnt.waits >= ENOUGH)


@given(spreads, st.lists(waits, min_size=1, max_size=12))
def test_the_order_of_the_waits_is_nothing(expected: Quantiles, seen: list[Wait]) -> None:
    shuffled = list(reversed(seen))
    one, other = learn(expected, seen).spread, learn(expected, shuffled).spread
    assert one.p50_s == pytest.approx(other.p50_s)


@pytest.mark.parametrize(("at_least_s", "at_most_s"), [(2, 1), (-1, 1)])
def test_a_wait_that_cannot_be_cannot_be_made(at_least_s: float, at_most_s: float) -> None:
    with pytest.raises(AssertionError):
        Wait(at_least_s=at_least_s, at_most_s=at_most_s)
