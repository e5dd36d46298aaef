"""The windows that are likely to come follow what is known of the account, and never overlap."""

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.clock import seeded
from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.planning.survival import Life, learnt_life
from qcqueue.planning.windows import (
    LONGEST_S,
    RETURNS_WITHIN_S,
    SHORTEST_S,
    Account,
    Window,
    drawn,
    returning_at,
)
from qcqueue.providers.base import Allowance
from qcqueue.providers.registry import names, profile
from qcqueue.text.humanize import DAY_S, HOUR_S

TWO_HOURS = learnt_life(
    [], profile=Quantiles(p10_s=2 * HOUR_S, p50_s=2 * HOUR_S, p90_s=2 * HOUR_S, basis=Basis.PROFILE)
)
ENDLESS = learnt_life([], profile=None)
A_DAY = Quantiles(p10_s=0.9 * DAY_S, p50_s=DAY_S, p90_s=1.5 * DAY_S, basis=Basis.PROFILE)


def first(account: Account, number: int = 20, *, seed: int = 1) -> list[Window]:
    return list(islice(account.windows(seeded(seed)), number))


def certain(seconds: float) -> Quantiles:
    return Quantiles(p10_s=seconds, p50_s=seconds, p90_s=seconds, basis=Basis.SAID)


def test_after_a_session_was_taken_the_next_comes_when_the_cool_off_is_over() -> None:
    windows = first(Account(life=TWO_HOURS, cool_off=certain(22 * HOUR_S)))
    assert [window.begins_s for window in windows[:3]] == [0.0, DAY_S, 2 * DAY_S]
    assert {window.held_s for window in windows} == {2 * HOUR_S}


def test_a_session_at_work_lives_what_is_left_of_it() -> None:
    windows = first(Account(life=TWO_HOURS, age_s=1.5 * HOUR_S, cool_off=certain(22 * HOUR_S)))
    assert (windows[0].begins_s, windows[0].held_s) == (0.0, 0.5 * HOUR_S)
    assert (windows[1].begins_s, windows[1].held_s) == (22.5 * HOUR_S, 2 * HOUR_S)


def test_where_the_gpu_is_away_the_first_window_waits_for_it() -> None:
    windows = first(Account(life=TWO_HOURS, next_in_s=certain(5 * HOUR_S), cool_off=A_DAY))
    assert windows[0].begins_s == 5 * HOUR_S


def test_an_allowance_cuts_sessions_and_returns_as_time_goes_by() -> None:
    thirty_hours = Allowance(allowed_s=30 * HOUR_S, period_s=7 * DAY_S, basis=Basis.PROFILE)
    life = learnt_life([], profile=certain(12 * HOUR_S))
    windows = first(Account(life=life, allowance=thirty_hours), 4)
    assert [window.held_s / HOUR_S for window in windows[:3]] == [12, 12, 6]
    assert windows[3].begins_s == pytest.approx(12 * HOUR_S + 7 * DAY_S)


def test_what_was_used_before_counts() -> None:
    four_hours = Allowance(allowed_s=4 * HOUR_S, period_s=DAY_S, basis=Basis.PROFILE)
    spent = Account(life=TWO_HOURS, allowance=four_hours, used=((-10 * HOUR_S, -6 * HOUR_S),))
    assert first(spent, 1)[0].begins_s == 18 * HOUR_S
    half_spent = Account(life=TWO_HOURS, allowance=four_hours, used=((-10 * HOUR_S, -7 * HOUR_S),))
    assert first(half_spent, 1)[0] == Window(begins_s=0.0, held_s=HOUR_S)


def test_sessions_of_seconds_use_up_an_allowance_and_it_returns_all_the_same() -> None:
    life = learnt_life([], profile=Quantiles(p10_s=5.0, p50_s=20.0, p90_s=50.0, basis=Basis.PROFILE))
    an_hour = Allowance(allowed_s=HOUR_S, period_s=DAY_S, basis=Basis.PROFILE)
    used = tuple((-DAY_S + 17.1 * number, -DAY_S + 17.1 * number + 17.0 + 1 / 3) for number in range(240))
    for seed in range(20):
        assert len(first(Account(life=life, allowance=an_hour, used=used), 400, seed=seed)) == 400
    nothing = Allowance(allowed_s=30.0, period_s=DAY_S, basis=Basis.PROFILE)
    assert len(first(Account(life=life, allowance=nothing), 50)) == 50


def test_where_nothing_ends_a_session_the_account_says_so() -> None:
    assert Account(life=ENDLESS).is_endless
    assert not Account(life=TWO_HOURS).is_endless
    assert not Account(life=ENDLESS, cool_off=A_DAY).is_endless
    assert first(Account(life=ENDLESS), 1)[0].held_s == LONGEST_S


@given(seed=st.integers(0, 2**32), name=st.sampled_from(names()))
def test_windows_of_every_profile_come_in_order_and_never_overlap(seed: int, name: str) -> None:
    known = profile(name)
    life: Life = learnt_life([], profile=known.session, ceiling_s=known.ceiling_s)
    account = Account(life=life, cool_off=known.cool_off, allowance=known.window)
    windows = first(account, 12, seed=seed)
    for before, after in pairwise(windows):
        assert before.begins_s + before.held_s <= after.begins_s + 1e-6
    if known.window:
        for at, window in enumerate(windows):
            since_s = window.begins_s + window.held_s - known.window.period_s
            used_s = sum(max(0.0, it.begins_s + it.held_s - max(it.begins_s, since_s)) for it in windows[: at + 1])
            assert used_s <= known.window.allowed_s + SHORTEST_S


def test_what_is_drawn_from_a_spread_has_its_figures() -> None:
    chance = seeded("drawn")
    lengths_s = sorted(drawn(A_DAY, chance) for _ in range(4000))
    for share, figure_s in ((0.1, A_DAY.p10_s), (0.5, A_DAY.p50_s), (0.9, A_DAY.p90_s)):
        assert lengths_s[int(share * 4000)] == pytest.approx(figure_s, rel=0.03)


def test_what_a_provider_gives_back_at_one_moment_is_not_there_before_and_soon_after() -> None:
    week_s, at_s = 168 * HOUR_S, 50 * HOUR_S
    weekly = Allowance(allowed_s=30 * HOUR_S, period_s=week_s, basis=Basis.LIVE)
    spent = Account(life=ENDLESS, allowance=weekly, used=returning_at(30 * HOUR_S, at_s, week_s))
    (back,) = first(spent, 1)
    assert at_s <= back.begins_s <= at_s + RETURNS_WITHIN_S
    some_left = Account(life=ENDLESS, allowance=weekly, used=returning_at(29 * HOUR_S, at_s, week_s))
    now, later = first(some_left, 2)
    assert now.begins_s == 0
    assert now.held_s == pytest.approx(HOUR_S)
    assert at_s <= later.begins_s <= at_s + RETURNS_WITHIN_S


def test_where_nothing_was_used_nothing_is_counted() -> None:
    assert returning_at(0.0, 1.0, 2.0) == ()
