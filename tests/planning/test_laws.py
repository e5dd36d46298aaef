"""A law is the same luck for the same seed, and its mean is what it says."""

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.clock import seeded
from qcqueue.planning.laws import LAWS, SHARE_OFF, Law, of_life, of_profile, seen_as
from qcqueue.planning.survival import Lifetime, learnt_life
from qcqueue.planning.windows import Window
from qcqueue.providers.registry import names, profile
from qcqueue.text.humanize import DAY_S, HOUR_S

WEEK_S = 7 * DAY_S
SHARES_OFF = {"days-off": SHARE_OFF, "spells-off": SHARE_OFF}


def windows(law: Law, number: int, seed: int = 1) -> list[Window]:
    return list(islice(law.windows(seeded(f"{law.name}/{seed}")), number))


@pytest.mark.parametrize("law", LAWS.values(), ids=list(LAWS))
@given(seed=st.integers(0, 10**6))
def test_windows_come_in_their_order_never_overlap_and_are_the_same_for_the_same_seed(law: Law, seed: int) -> None:
    drawn = windows(law, 50, seed)
    assert drawn == windows(law, 50, seed)
    assert all(this.begins_s + this.held_s <= after.begins_s for this, after in pairwise(drawn))
    assert all(window.held_s >= 0 and window.promised_s in (None, window.held_s) for window in drawn)


@pytest.mark.parametrize("law", LAWS.values(), ids=list(LAWS))
def test_sessions_live_as_long_on_average_as_the_law_says(law: Law) -> None:
    drawn = windows(law, 9000)
    assert sum(window.held_s for window in drawn) / len(drawn) == pytest.approx(law.mean_s, rel=0.04)
    assert drawn[-1].begins_s / (len(drawn) - 1) == pytest.approx(law.every_s, rel=0.03)
    if law.life:  # what somebody knows who has seen a hundred
        assert law.life.mean_s == pytest.approx(law.mean_s, rel=0.35)


@pytest.mark.parametrize("law", LAWS.values(), ids=list(LAWS))
def test_an_end_that_is_announced_is_all_that_is_known_beforehand(law: Law) -> None:
    assert law.is_certain == all(window.promised_s is not None for window in windows(law, 20))
    if law.is_certain:
        assert windows(law, 20, seed=1) == windows(law, 20, seed=2)


@pytest.mark.parametrize(("name", "share"), SHARES_OFF.items())
def test_a_fifth_of_all_days_has_no_gpu(name: str, share: float) -> None:
    last = windows(LAWS[name], 8000)[-1]
    assert 8000 / (last.begins_s / DAY_S + 1) == pytest.approx(1 - share, rel=0.02)


def test_days_off_come_in_spells_only_where_they_should() -> None:
    def spells(name: str) -> float:
        gaps = [after.begins_s - this.begins_s for this, after in pairwise(windows(LAWS[name], 8000))]
        off = [round(gap_s / DAY_S) - 1 for gap_s in gaps if gap_s > DAY_S]
        return sum(off) / len(off)

    assert spells("days-off") == pytest.approx(1.25, rel=0.05)
    assert spells("spells-off") == pytest.approx(2.5, rel=0.05)


def test_kaggle_gives_thirty_hours_a_week() -> None:
    weeks = windows(LAWS["kaggle"], 9)
    for week in range(3):
        these = [window for window in weeks if week * WEEK_S <= window.begins_s < (week + 1) * WEEK_S]
        assert sum(window.held_s for window in these) == 30 * HOUR_S


def test_ones_own_history_is_a_law_as_well() -> None:
    lives = [Lifetime(held_s=hours * HOUR_S, was_taken=True) for hours in (1, 2, 2, 3, 5)]
    law = of_life(learnt_life(lives, profile=None), name="history", says="as they were")
    drawn = windows(law, 4000)
    assert sum(window.held_s for window in drawn) / len(drawn) == pytest.approx(law.mean_s, rel=0.05)
    assert law.mean_s == pytest.approx(2.6 * HOUR_S, rel=0.2)


def test_whoever_has_seen_sessions_end_at_one_age_expects_the_next_to_end_there() -> None:
    assert seen_as([3600.0] * 10).quantile(0.5) == pytest.approx(3600.0, rel=0.01)


@pytest.mark.parametrize("name", names())
def test_every_profile_is_a_law_that_says_what_it_draws(name: str) -> None:
    law = of_profile(profile(name))
    drawn = windows(law, 400)
    assert law.name == name
    assert not law.is_certain
    assert all(this.begins_s + this.held_s <= after.begins_s + 1e-6 for this, after in pairwise(drawn))
    if profile(name).window is None:  # an allowance cuts sessions, which the mean does not know
        assert sum(window.held_s for window in drawn) / len(drawn) == pytest.approx(law.mean_s, rel=0.15)
