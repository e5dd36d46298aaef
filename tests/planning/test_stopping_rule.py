"""No unit of training is begun that will not be saved, and none is left that may be the first."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qcqueue.clock import seeded
from qcqueue.planning.stopping_rule import Unit, judge
from qcqueue.planning.survival import Life, learnt_life
from qcqueue.text.humanize import HOUR_S
from tests.planning.curves import CERTAIN, TWO_HOURS_S, USUAL, at_random, lives, taken

spans_s = st.floats(min_value=0, max_value=20_000)
units = st.builds(
    Unit,
    train_s=st.floats(min_value=0.1, max_value=20_000),
    stall_s=st.floats(min_value=0, max_value=60),
    lag_s=st.floats(min_value=0, max_value=2000),
    unsaved_s=st.one_of(st.just(0.0), spans_s),
)
# Whole seconds, so that sums of them are exact.
whole_units = st.builds(
    Unit,
    train_s=st.integers(1, 9000).map(float),
    stall_s=st.integers(0, 60).map(float),
    lag_s=st.integers(0, 1800).map(float),
)


def a_unit(train_s: float = 60.0, stall_s: float = 0.2, lag_s: float = 8.0, unsaved_s: float = 0.0) -> Unit:
    return Unit(train_s=train_s, stall_s=stall_s, lag_s=lag_s, unsaved_s=unsaved_s)


def pure(train_s: float) -> Unit:
    """Return a unit of nothing but training."""
    return a_unit(train_s, stall_s=0, lag_s=0)


@given(whole_units, st.integers(0, 7200), st.booleans())
def test_of_a_life_of_two_hours_it_is_exactly_right(unit: Unit, age_s: int, has_saved: bool) -> None:
    verdict = judge(unit, learnt_life([], profile=CERTAIN), age_s=age_s, has_saved=has_saved)
    assert verdict.is_worth_it == (age_s + unit.safe_in_s <= TWO_HOURS_S)
    assert verdict.chance == float(verdict.is_worth_it)


@given(whole_units, st.integers(0, 7200))
def test_a_promise_is_as_good_as_a_limit(unit: Unit, age_s: int) -> None:
    promised = learnt_life([], profile=None).promised(TWO_HOURS_S)
    verdict = judge(unit, promised, age_s=age_s, has_saved=True)
    assert verdict.is_worth_it == (age_s + unit.safe_in_s <= TWO_HOURS_S)


@given(
    st.floats(min_value=300, max_value=100_000),
    st.floats(min_value=0.001, max_value=0.999),
    st.floats(min_value=0, max_value=1),
    st.floats(min_value=0, max_value=1e6),
    st.booleans(),
)
def test_who_may_end_at_any_instant_is_not_told_to_leave(
    mean_s: float, part: float, train: float, age_s: float, has_saved: bool
) -> None:
    life = learnt_life([], profile=at_random(mean_s))
    safe_in_s = part * mean_s * math.log(2)
    unit = a_unit(train * safe_in_s, stall_s=0, lag_s=(1 - train) * safe_in_s)
    assert judge(unit, life, age_s=age_s, has_saved=has_saved).is_worth_it


@pytest.mark.parametrize(("means", "is_worth_it"), [(1.0, True), (1.25, True), (1.26, False), (3.0, False)])
def test_the_gain_of_a_long_unit_decides_where_its_chance_is_below_a_half(means: float, is_worth_it: bool) -> None:
    life = learnt_life([], profile=at_random(HOUR_S))
    assert judge(pure(means * HOUR_S), life, age_s=500, has_saved=True).is_worth_it == is_worth_it


def test_a_lag_of_hours_is_no_doom_while_the_chance_is_a_half() -> None:
    # What is kept is little beside what is lost, and yet more sessions save it than not.
    life = learnt_life([], profile=at_random(HOUR_S))
    assert judge(a_unit(60, lag_s=0.66 * HOUR_S), life, age_s=0, has_saved=True).is_worth_it
    assert not judge(a_unit(60, lag_s=0.72 * HOUR_S), life, age_s=0, has_saved=True).is_worth_it


@given(units, st.floats(min_value=0, max_value=1e6), st.booleans())
def test_a_machine_without_limits_always_goes_on(unit: Unit, age_s: float, has_saved: bool) -> None:
    verdict = judge(unit, learnt_life([], profile=None), age_s=age_s, has_saved=has_saved)
    assert verdict.is_worth_it
    assert verdict.chance == 1


@given(units, lives(), st.floats(min_value=0, max_value=60_000), st.booleans())
def test_what_is_likely_to_be_saved_is_always_worth_it(unit: Unit, life: Life, age_s: float, has_saved: bool) -> None:
    verdict = judge(unit, life, age_s=age_s, has_saved=has_saved)
    assert verdict.is_worth_it or verdict.chance < 0.5
    assert verdict.chance == life.chance(age_s, unit.safe_in_s)


@given(lives(), st.floats(min_value=0, max_value=300), st.lists(units, min_size=1, max_size=20), st.integers(0, 2**31))
def test_every_session_that_lives_long_enough_saves_something(
    life: Life, start_s: float, work: list[Unit], seed: int
) -> None:
    # The adversary ends the session just after its first save could be safe, or wherever else its law allows.
    first_s = start_s + work[0].safe_in_s
    assume(math.isfinite(life.hazard(first_s)))
    for lived_s in (first_s, max(first_s, life.draw(seeded(seed), first_s))):
        assert saves_of(life, start_s, work, lived_s=lived_s) >= 1, seed


def saves_of(life: Life, start_s: float, work: list[Unit], *, lived_s: float) -> int:
    """Return how many units a session makes safe that obeys every verdict and is taken away at lived_s."""
    age_s, saves = start_s, 0
    for unit in work:
        if not judge(unit, life, age_s=age_s, has_saved=saves > 0).is_worth_it:
            break
        age_s += unit.safe_in_s
        if age_s > lived_s:
            break
        saves += 1
    return saves


def test_many_short_sessions_do_not_teach_the_next_one_to_give_up() -> None:
    # A month of sessions that were taken after a quarter of an hour, before their epoch of half an hour was saved.
    life = learnt_life(taken(*[900.0] * 30), profile=USUAL)
    assert judge(a_unit(1800), life, age_s=90, has_saved=False).is_worth_it
    assert not judge(a_unit(1800), life, age_s=90, has_saved=True).is_worth_it


def test_a_chance_too_small_for_a_number_is_one() -> None:
    life = learnt_life([], profile=at_random(1.0))
    verdict = judge(pure(800), life, age_s=0, has_saved=False)
    assert (verdict.chance, verdict.is_worth_it) == (0, True)


def test_what_is_already_trained_counts_as_kept_by_its_save() -> None:
    life = learnt_life([], profile=at_random(HOUR_S))
    unit = a_unit(60, lag_s=HOUR_S)
    assert not judge(unit, life, age_s=0, has_saved=True).is_worth_it
    assert judge(a_unit(60, lag_s=HOUR_S, unsaved_s=3600), life, age_s=0, has_saved=True).is_worth_it


@pytest.mark.parametrize("train_s", [600.0, 6000.0])
def test_the_gain_is_that_of_many_sessions(train_s: float) -> None:
    life, seed, draws = learnt_life([], profile=USUAL), 4, 40_000
    unit, age_s, rng = pure(train_s), HOUR_S, seeded(seed)
    left_s = [life.draw(rng, age_s) for _ in range(draws)]
    kept_s = sum(unit.worth_s for it in left_s if it >= train_s) / draws
    lost_s = sum(it for it in left_s if it < train_s) / draws
    chance = life.chance(age_s, train_s)
    assert chance * unit.worth_s == pytest.approx(kept_s, rel=0.03), seed
    assert life.lived_s(age_s, train_s) - chance * train_s == pytest.approx(lost_s, rel=0.03), seed


def test_the_reason_is_one_sentence_with_the_numbers_and_whose_they_are() -> None:
    soon_over = learnt_life([], profile=USUAL).promised(7050)
    assert judge(a_unit(), soon_over, age_s=7000, has_saved=True).reason == (
        "It is not worth going on: the next save is safe in 1 min 08 s, and 1 h 57 min old a session lives that long "
        "in 0 % of cases (you said); to be expected are 0 s of training kept against 49.8 s lost."
    )
    young = judge(a_unit(), learnt_life([], profile=USUAL), age_s=60, has_saved=False)
    assert young.reason.startswith("It is worth going on: the next save is safe in 1 min 08 s, and 1 min 00 s old ")
    assert "> 99 % of cases (profile)" in young.reason
    first = judge(a_unit(20_000), learnt_life([], profile=USUAL), age_s=90, has_saved=False)
    assert first.reason.startswith("It goes on because nothing of it is saved yet: ")


def test_a_unit_that_runs_back_in_time_cannot_be_made() -> None:
    with pytest.raises(AssertionError):
        a_unit(-1)
