"""How long a session will live: the profile at first, its own history later, never beyond a promise."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.clock import seeded
from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.planning.survival import (
    PROFILE_WORTH,
    Ends,
    Life,
    Lifetime,
    ends_by_age,
    learnt_life,
    mean_life_s,
)
from qcqueue.text.humanize import HOUR_S
from tests.planning.curves import (
    CERTAIN,
    TWO_HOURS_S,
    USUAL,
    at_random,
    ceilings_s,
    histories,
    left,
    lengths_s,
    lives,
    profile_of,
    profiles,
    taken,
    worths,
)

ages_s = st.floats(min_value=0, max_value=100_000)
shares = st.floats(min_value=0, max_value=1)


def alive_after(life: Life, age_s: float) -> float:
    """Return the chance to live beyond an age, as the tables of the product-limit estimate have it."""
    return math.exp(-life.hazard_after(age_s))


def susarla_van_ryzin(seen: list[Lifetime], worth: float, mean_s: float, age_s: float) -> float:
    """Return the chance to live beyond an age as their article writes it, with ends at random as the prior."""

    def weighs(at_s: float) -> float:
        return worth * math.exp(-at_s / mean_s)

    value = (weighs(age_s) + sum(it.held_s > age_s for it in seen)) / (worth + len(seen))
    for at_s in {it.held_s for it in seen if not it.was_taken and it.held_s <= age_s}:
        gone = sum(it.held_s == at_s and not it.was_taken for it in seen)
        beyond = weighs(at_s) + sum(it.held_s > at_s for it in seen)
        value *= (beyond + gone) / beyond
    return value


def test_it_is_the_estimate_of_kaplan_and_meier_where_the_profile_is_worth_nothing() -> None:
    # Their own example: 7/8, then 4/5, 3/4 and 1/2 of it.
    seen = [*taken(0.8, 3.1, 5.4, 9.2), *left(1.0, 2.7, 7.0, 12.1)]
    life = learnt_life(seen, profile=USUAL, worth=0)
    found = [alive_after(life, age_s) for age_s in (0.8, 3.1, 5.4, 9.2, 12.1)]
    assert found == pytest.approx([0.875, 0.7, 0.525, 0.2625, 0.2625])


def test_ties_and_those_that_left_at_the_same_age_are_counted_as_the_textbook_does() -> None:
    # Weeks of remission under 6-MP (Freireich and others, 1963): three ends and one departure in week 6, one of each
    # in week 10.
    seen = [*taken(6, 6, 6, 7, 10, 13, 16, 22, 23), *left(6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)]
    life = learnt_life(seen, profile=USUAL, worth=0)
    found = [alive_after(life, week) for week in (6, 7, 10, 13, 16, 22, 23, 35)]
    expected = [18 / 21]
    for alive in (17, 15, 12, 11, 7, 6):
        expected.append(expected[-1] * (alive - 1) / alive)
    assert found == pytest.approx([*expected, expected[-1]])
    assert found[-1] == pytest.approx(0.448, abs=0.0005)


@given(st.permutations([*taken(100, 400, 400, 900), *left(300, 700)]))
def test_the_order_in_which_sessions_came_is_nothing(seen: list[Lifetime]) -> None:
    assert learnt_life(seen, profile=USUAL) == learnt_life(sorted(seen, key=lambda it: it.held_s), profile=USUAL)


@given(histories.filter(len), st.sampled_from((0.5, 4.0, 20.0)), st.floats(min_value=600, max_value=50_000))
def test_blended_it_is_the_estimate_of_susarla_and_van_ryzin_wherever_a_session_was_taken(
    seen: list[Lifetime], worth: float, mean_s: float
) -> None:
    life = learnt_life(seen, profile=at_random(mean_s), worth=worth)
    for age_s in (it.held_s for it in seen if it.was_taken):
        expected = susarla_van_ryzin(seen, worth, mean_s, age_s)
        assert alive_after(life, age_s) == pytest.approx(expected, rel=1e-6)


@given(profiles)
def test_without_a_history_the_profile_is_given_back(profile: Quantiles) -> None:
    life = learnt_life([], profile=profile)
    found = life.spread()
    assert (found.p10_s, found.p50_s, found.p90_s) == pytest.approx((profile.p10_s, profile.p50_s, profile.p90_s))
    assert (life.basis, found.basis, life.seen) == (Basis.PROFILE, Basis.PROFILE, 0)


def test_what_a_person_said_of_their_sessions_stays_what_they_said() -> None:
    said = Quantiles(p10_s=60, p50_s=120, p90_s=180, basis=Basis.SAID)
    assert learnt_life([], profile=said).basis is Basis.SAID


@given(st.floats(min_value=60, max_value=1e6), ages_s, st.floats(min_value=0, max_value=1e5))
def test_the_spread_of_ends_at_random_gives_ends_at_random(mean_s: float, age_s: float, further_s: float) -> None:
    life = learnt_life([], profile=at_random(mean_s))
    assert life.chance(age_s, further_s) == pytest.approx(math.exp(-further_s / mean_s))
    assert life.mean_s == pytest.approx(mean_s)


def test_a_profile_without_width_is_a_certain_end() -> None:
    life = learnt_life([], profile=CERTAIN)
    assert life.chance(0, TWO_HOURS_S) == 1
    assert life.chance(0, TWO_HOURS_S + 0.001) == 0
    assert life.mean_s == TWO_HOURS_S
    assert {life.draw(seeded(1), HOUR_S) for _ in range(10)} == {HOUR_S}


def test_a_narrow_profile_is_nearly_certain() -> None:
    life = learnt_life([], profile=profile_of(1.9, 2, 2.1))
    assert life.chance(0, 1.8 * HOUR_S) == 1
    assert life.chance(0, 2.5 * HOUR_S) < 0.01


def test_half_of_a_profile_may_end_at_one_age() -> None:
    # Nine hours as a rule, and sometimes up to twelve.
    life = learnt_life([], profile=profile_of(9, 9, 12), ceiling_s=12 * HOUR_S)
    assert life.chance(0, 9 * HOUR_S) == 1
    assert life.chance(9 * HOUR_S, 1.0) == pytest.approx(0.5, abs=0.001)
    assert life.quantile(0.3) == 9 * HOUR_S
    assert life.chance(0, 12 * HOUR_S) == pytest.approx(0.1)
    assert life.chance(0, 12 * HOUR_S + 1) == 0


def test_the_profile_gives_way_to_the_history_session_by_session() -> None:
    # The profile says two hours, and the sessions that come live four.
    p50_s = [learnt_life(taken(*[4 * HOUR_S] * seen), profile=USUAL).spread().p50_s for seen in range(21)]
    assert p50_s[0] == pytest.approx(TWO_HOURS_S)
    assert all(before <= after for before, after in pairwise(p50_s))
    assert p50_s[-1] == pytest.approx(4 * HOUR_S)


def test_a_history_is_one_once_as_many_sessions_were_taken_as_the_profile_counts_for() -> None:
    few, enough = taken(*[HOUR_S] * 3), taken(*[HOUR_S] * 4)
    assert len(enough) == PROFILE_WORTH
    assert learnt_life([*few, *left(*[HOUR_S] * 9)], profile=USUAL).basis is Basis.PROFILE
    found = learnt_life([*enough, *left(HOUR_S)], profile=USUAL)
    assert (found.basis, found.seen, found.spread().basis) == (Basis.HISTORY, 5, Basis.HISTORY)


@given(histories, lengths_s, st.one_of(st.none(), profiles), worths, ages_s)
def test_one_more_session_that_left_by_itself_makes_no_age_less_likely(
    seen: list[Lifetime], held_s: float, profile: Quantiles | None, worth: float, age_s: float
) -> None:
    before = learnt_life(seen, profile=profile, worth=worth)
    after = learnt_life([*seen, *left(held_s)], profile=profile, worth=worth)
    assert after.chance(0, age_s) >= before.chance(0, age_s) * (1 - 1e-9)


def test_an_end_that_was_seen_at_some_age_is_no_cliff_there() -> None:
    life = learnt_life(taken(*(HOUR_S * it for it in (0.5, 1, 1.5, 2, 3, 4))), profile=USUAL, worth=0)
    for age_s in (HOUR_S, TWO_HOURS_S, 3 * HOUR_S):
        assert life.chance(age_s - 60, 120) > 0.9


def test_ends_that_always_come_at_one_age_are_a_cliff() -> None:
    life = learnt_life(taken(*[TWO_HOURS_S] * 20), profile=USUAL)
    assert life.chance(0, TWO_HOURS_S - 60) > 0.85
    assert life.chance(TWO_HOURS_S - 60, 120) < 0.15


@given(histories, st.one_of(st.none(), profiles), worths)
def test_no_curve_is_stuck_where_sessions_are_known_to_end(
    seen: list[Lifetime], profile: Quantiles | None, worth: float
) -> None:
    life = learnt_life(seen, profile=profile, worth=worth)
    if profile is None and not any(it.was_taken for it in seen):
        assert life.chance(0, 1e9) == 1
    else:
        assert life.chance(0, 1e9) < 1e-6
        assert math.isfinite(life.mean_s)


def test_beyond_the_last_session_seen_the_profile_goes_on_alone() -> None:
    profile = at_random(TWO_HOURS_S)
    life = learnt_life(taken(600, 1200, 1800), profile=profile)
    assert life.chance(2000, 5000) == pytest.approx(math.exp(-5000 / TWO_HOURS_S))


def test_beyond_all_that_a_profile_knows_ends_come_one_in_each_of_its_likely_lengths() -> None:
    life = learnt_life(left(3 * HOUR_S), profile=CERTAIN)
    assert life.chance(3 * HOUR_S, TWO_HOURS_S) == pytest.approx(math.exp(-1))


@given(histories, profiles, st.floats(min_value=60, max_value=90_000))
def test_nothing_lives_beyond_the_ceiling_unless_a_session_has(
    seen: list[Lifetime], profile: Quantiles, ceiling_s: float
) -> None:
    life = learnt_life(seen, profile=profile, ceiling_s=ceiling_s)
    end_s = max([ceiling_s, *(it.held_s for it in seen)])
    assert life.chance(0, end_s * (1 + 1e-9)) == 0
    assert life.quantile(1) <= end_s
    assert life.draw(seeded(3)) <= end_s


def test_a_ceiling_that_a_session_has_outlived_is_only_as_low_as_that_one() -> None:
    life = learnt_life(left(13 * HOUR_S), profile=USUAL, ceiling_s=12 * HOUR_S)
    assert life.chance(0, 13 * HOUR_S) > 0
    assert life.chance(0, 13 * HOUR_S + 1) == 0


@given(lives(), ages_s, st.floats(min_value=0, max_value=50_000), st.floats(min_value=0, max_value=50_000))
def test_no_chance_rises_with_time_and_chances_multiply(life: Life, age_s: float, one_s: float, two_s: float) -> None:
    first, both = life.chance(age_s, one_s), life.chance(age_s, one_s + two_s)
    assert 0 <= both <= first <= 1
    assert both == pytest.approx(first * life.chance(age_s + one_s, two_s), abs=1e-9)


@given(lives(), ages_s, shares)
def test_a_quantile_is_where_the_chance_falls_below(life: Life, age_s: float, p: float) -> None:
    within_s = life.quantile(p, age_s)
    if math.isfinite(within_s):
        assert life.chance(age_s, within_s * (1 - 1e-6)) >= (1 - p) * (1 - 1e-6)
        assert life.chance(age_s, within_s * (1 + 1e-6) + 1e-3) <= (1 - p) * (1 + 1e-6)


@given(lives(), ages_s, st.floats(min_value=0, max_value=50_000))
def test_the_seconds_lived_are_the_area_below_the_chances(life: Life, age_s: float, within_s: float) -> None:
    steps = 400
    chances = [life.chance(age_s, within_s * step / steps) for step in range(steps + 1)]
    lower, upper = sum(chances[1:]) * within_s / steps, sum(chances[:-1]) * within_s / steps
    assert lower - 1e-6 <= life.lived_s(age_s, within_s) <= upper + 1e-6


@pytest.mark.parametrize("age_s", [0.0, 4000.0])
@pytest.mark.parametrize(
    "life",
    [
        learnt_life([], profile=USUAL, ceiling_s=12 * HOUR_S),
        learnt_life(taken(600, 4000, 7000, 7200, 7200, 7200, 9000), profile=USUAL),
        learnt_life(taken(5000), profile=None),
        learnt_life([*taken(600, 9000), *left(8000)], profile=USUAL).promised(TWO_HOURS_S),
    ],
)
def test_draws_come_as_the_curve_says(life: Life, age_s: float) -> None:
    seed, draws = 20, 20_000
    rng = seeded(seed)
    drawn_s = sorted(life.draw(rng, age_s) for _ in range(draws))
    for p in (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95):
        within_s = life.quantile(p, age_s)
        # Five standard errors: sqrt(1/4 / 20,000) is 0.0035.
        assert sum(it < within_s - 1e-6 for it in drawn_s) / draws <= p + 0.018, seed
        assert sum(it <= within_s + 1e-6 for it in drawn_s) / draws >= p - 0.018, seed
    assert sum(drawn_s) / draws == pytest.approx(life.lived_s(age_s, math.inf), rel=0.05), seed


def test_the_same_seed_draws_the_same_lives() -> None:
    life = learnt_life(taken(4000), profile=USUAL)
    assert [life.draw(seeded(5)) for _ in range(3)] == [life.draw(seeded(5)) for _ in range(3)]


@given(lives(), st.floats(min_value=0, max_value=90_000), ages_s, ages_s)
def test_a_promise_changes_nothing_before_it_and_is_never_outlived(
    life: Life, until_s: float, age_s: float, further_s: float
) -> None:
    promised = life.promised(until_s)
    assert promised.basis is Basis.SAID
    assert promised.seen == life.seen
    if age_s + further_s <= until_s:
        assert promised.chance(age_s, further_s) == life.chance(age_s, further_s)
    elif further_s > 0:
        assert promised.chance(age_s, further_s) == 0
    assert age_s + promised.draw(seeded(8), age_s) <= max(until_s, age_s) + 1e-6


def test_a_machine_without_limits_lives_for_ever_until_a_promise_says_otherwise() -> None:
    life = learnt_life(left(50, 90_000), profile=None)
    assert life.chance(1e6, 1e9) == 1
    assert life.chance(0, math.inf) == 1
    assert life.quantile(0.5, 100) == life.draw(seeded(1)) == life.mean_s == math.inf
    assert life.spread().p10_s == math.inf
    assert (life.basis, life.seen) == (Basis.PROFILE, 2)
    batch = life.promised(HOUR_S)
    assert batch.spread(600).p50_s == batch.lived_s(600, math.inf) == HOUR_S - 600


def test_a_machine_without_limits_that_was_taken_away_is_so_at_the_rate_that_was_seen() -> None:
    life = learnt_life([*taken(HOUR_S), *left(9 * HOUR_S)], profile=None, worth=1000)
    assert life.mean_s == pytest.approx(10 * HOUR_S, rel=0.01)
    assert life.basis is Basis.HISTORY


def test_a_session_that_was_taken_at_once_is_an_end_too() -> None:
    assert learnt_life(taken(0, 0), profile=None).chance(0, HOUR_S) < 0.01
    assert alive_after(learnt_life(taken(0, 3600), profile=USUAL, worth=0), 0) == pytest.approx(0.5)


def test_one_that_outlived_the_last_end_may_end_at_any_instant() -> None:
    life = learnt_life([], profile=CERTAIN)
    late_s = TWO_HOURS_S + 600
    assert life.chance(late_s, 0) == 1
    assert life.chance(late_s, 1e-3) == 0
    assert life.quantile(0.5, late_s) == life.draw(seeded(1), late_s) == life.lived_s(late_s, 60) == 0
    assert life.spread(late_s).p90_s == 0


def test_a_promise_beyond_the_last_end_changes_no_more_than_whose_it_is() -> None:
    life = learnt_life([], profile=CERTAIN)
    promised = life.promised(3 * HOUR_S)
    assert (promised.knots_s, promised.hazards, promised.basis) == (life.knots_s, life.hazards, Basis.SAID)
    assert promised.quantile(1, 2.5 * HOUR_S) == 0


@given(histories, st.one_of(st.none(), profiles), ceilings_s, worths)
def test_a_curve_rises_from_knot_to_knot(
    seen: list[Lifetime], profile: Quantiles | None, ceiling_s: float | None, worth: float
) -> None:
    life = learnt_life(seen, profile=profile, ceiling_s=ceiling_s, worth=worth)
    assert all(one < two for one, two in pairwise(life.knots_s))
    assert all(one <= two for one, two in pairwise(life.hazards))
    assert all(0 <= rate < math.inf for rate in life.rates)


def test_nothing_is_known_until_a_session_was_taken() -> None:
    assert mean_life_s([]) is None
    assert mean_life_s([Lifetime(held_s=7200.0, was_taken=False)]) is None


def test_where_all_were_taken_it_is_their_mean() -> None:
    assert mean_life_s([Lifetime(held_s=3600.0, was_taken=True), Lifetime(held_s=7200.0, was_taken=True)]) == 5400.0


def test_who_left_by_itself_counts_with_its_time_and_not_as_an_end() -> None:
    lives = [Lifetime(held_s=3600.0, was_taken=True), Lifetime(held_s=1800.0, was_taken=False)]
    assert mean_life_s(lives) == 5400.0


def test_at_each_age_it_is_counted_who_reached_it_and_how_they_ended() -> None:
    lives = [
        Lifetime(held_s=60.0, was_taken=True),
        Lifetime(held_s=20.0, was_taken=False),
        Lifetime(held_s=60.0, was_taken=False),
        Lifetime(held_s=60.0, was_taken=True),
        Lifetime(held_s=90.0, was_taken=True),
    ]
    assert ends_by_age(lives) == (
        Ends(age_s=20.0, reached=5, taken=0, left=1),
        Ends(age_s=60.0, reached=4, taken=2, left=1),
        Ends(age_s=90.0, reached=1, taken=1, left=0),
    )
    assert ends_by_age([]) == ()
