"""What was used, what is left and when a GPU returns: from one's own sessions, and never more sure than they are."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.planning.gpu_usage import GpuUse, look_back
from qcqueue.planning.quota import Quota, reckon_quota
from qcqueue.providers.base import Allowance, LiveQuota, Profile
from qcqueue.providers.registry import names, profile

HOUR_S = 3600.0
NOW_S = 1_795_000_000.0

FREE, PAID, KAGGLE, STUDIO, LOCAL = map(profile, ("colab-free", "colab-paid", "kaggle", "studio-lab", "local"))


def gpu(from_h: float, until_h: float = 0.0, *, taken: bool = False) -> GpuUse:
    """Make a session with a GPU that began and ended so many hours ago."""
    return GpuUse(
        started_at_s=NOW_S - from_h * HOUR_S,
        ended_at_s=NOW_S - until_h * HOUR_S,
        processor_is_gpu=True,
        was_taken=taken,
    )


def cpu(from_h: float, *, refused: bool) -> GpuUse:
    """Make a session of a quarter of an hour without a GPU."""
    started_at_s = NOW_S - from_h * HOUR_S
    return GpuUse(started_at_s=started_at_s, ended_at_s=started_at_s + 900, processor_is_gpu=False, gpu_refused=refused)


def quota(one: Profile, *sessions: GpuUse, running_h: float | None = None, later_h: float = 0.0) -> Quota:
    """Reckon the quota some hours after NOW_S, with a session at work that began running_h before NOW_S."""
    running_since_s = None if running_h is None else NOW_S - running_h * HOUR_S
    return reckon_quota(one, sessions, now_s=NOW_S + later_h * HOUR_S, running_since_s=running_since_s)


def left_h(found: Quota) -> tuple[float, float, float] | None:
    return None if found.left_s is None else in_hours(found.left_s)


def returns_h(found: Quota) -> tuple[float, float, float] | None:
    """Return in how many hours from NOW_S the GPU returns."""
    return None if found.returns_at_s is None else in_hours(found.returns_at_s, NOW_S)


def in_hours(spread: Quantiles, from_s: float = 0.0) -> tuple[float, float, float]:
    low_h, likely_h, high_h = (round((it - from_s) / HOUR_S, 2) for it in (spread.p10_s, spread.p50_s, spread.p90_s))
    return low_h, likely_h, high_h


# Used.


def test_only_the_time_with_a_gpu_within_the_period_is_used() -> None:
    found = quota(KAGGLE, gpu(170, 166), gpu(5, 4), cpu(3, refused=False), cpu(2, refused=True))
    assert found.used_s == 3 * HOUR_S
    assert found.period_s == 168 * HOUR_S
    assert found.used_because.basis is Basis.HISTORY
    assert found.used_because.said == (
        "Sessions of this queue held a GPU for 3 h 00 min of the last 168 h: the period of the quota."
    )


def test_where_no_period_is_known_a_day_is_counted_and_that_is_said() -> None:
    found = quota(FREE, gpu(30, 23), gpu(2, 1))
    assert found.used_s == 2 * HOUR_S
    assert found.used_because.said == (
        "Sessions of this queue held a GPU for 2 h 00 min of the last 24 h: "
        "a day, because no period of the quota is known."
    )


@pytest.mark.parametrize(("from_h", "until_h", "used_h"), [(26, 24, 0), (26, 23.5, 0.5), (24, 23, 1), (24, 24, 0)])
def test_a_session_leaves_the_window_second_by_second(from_h: float, until_h: float, used_h: float) -> None:
    assert quota(STUDIO, gpu(from_h, until_h)).used_s == used_h * HOUR_S


def test_the_session_at_work_is_used_up_to_now() -> None:
    assert quota(STUDIO, gpu(9, 8), running_h=1.5).used_s == 2.5 * HOUR_S
    assert quota(STUDIO, running_h=30).used_s == 24 * HOUR_S


def test_two_gpus_at_once_are_used_twice() -> None:
    assert quota(KAGGLE, gpu(5, 3), gpu(4, 2)).used_s == 4 * HOUR_S


def test_what_other_clocks_put_into_the_future_or_backwards_is_not_used() -> None:
    assert quota(FREE, gpu(1, -3), gpu(-5, -6), gpu(2, 4)).used_s == HOUR_S


# Left.


def test_of_a_window_is_left_what_was_not_used() -> None:
    found = quota(KAGGLE, gpu(20, 12), running_h=2)
    assert left_h(found) == (20, 20, 20)
    assert found.left_s is not None
    assert found.left_s.basis is found.left_because.basis is Basis.PROFILE
    assert found.left_because.said == (
        "30 h of GPU in any 168 h are allowed by the profile kaggle (reported, checked 2026-11-23), "
        "less what this queue used; what else the account used is not seen."
    )


def test_of_a_window_nothing_is_left_below_nothing() -> None:
    assert left_h(quota(STUDIO, gpu(9, 4))) == (0, 0, 0)


def test_where_no_window_is_published_a_session_less_what_was_used_is_left() -> None:
    found = quota(FREE, gpu(4, 3))
    assert left_h(found) == (0, 1, 4)
    assert found.left_because.basis is Basis.PROFILE
    assert found.left_because.said == (
        "The quota is not known. A session lives 1 h 00 min to 5 h 00 min, likely 2 h 00 min, going by the profile "
        "colab-free (reported, checked 2026-11-23); 1 h 00 min were used in the last 24 h."
    )


def test_what_was_used_before_the_gpu_came_back_is_not_taken_off() -> None:
    found = quota(FREE, gpu(22, 20, taken=True), gpu(3, 2))
    assert left_h(found) == (0, 1, 4)
    assert found.left_because.said.endswith("1 h 00 min were used since the GPU came back.")


def test_where_it_is_likely_to_be_back_a_whole_session_is_left() -> None:
    assert left_h(quota(FREE, gpu(24, 21.5, taken=True))) == (0, 0, 2.5)
    assert left_h(quota(FREE, gpu(24, 22, taken=True))) == (1, 2, 5)


def test_where_a_gpu_was_refused_nothing_is_left_until_it_is_likely_to_be_back() -> None:
    found = quota(FREE, gpu(9, 8), cpu(7, refused=True))
    assert left_h(found) == (0, 0, 0)
    assert found.left_because.basis is Basis.HISTORY
    assert found.left_because.said == "The GPU was given back 8 h 00 min ago and was still refused 1 h 00 min later."
    assert left_h(quota(FREE, gpu(9, 8), cpu(7, refused=True), later_h=48)) == (1, 2, 5)


@pytest.mark.parametrize("one", [LOCAL, PAID, profile("slurm")])
def test_nothing_limits_where_one_session_may_follow_upon_another(one: Profile) -> None:
    found = quota(one, gpu(20, 1))
    assert found.left_s is None
    assert found.left_because.said == f"The profile {one.name} knows of no limit of GPU time."


def test_who_corrects_a_figure_is_the_basis_of_what_comes_of_it() -> None:
    own = "[colab-free.session]\nlow_hours = 3\nlikely_hours = 3\nhigh_hours = 3\n"
    found = quota(profile("colab-free", own), gpu(2, 1))
    assert left_h(found) == (2, 2, 2)
    assert found.left_because.basis is Basis.SAID
    assert "A session lives 3 h 00 min, going by your own profile colab-free;" in found.left_because.said


# When it returns: windows.


def test_a_gpu_is_there_as_long_as_nothing_shows_that_it_is_not() -> None:
    for one in map(profile, names()):
        assert quota(one).returns_at_s is None
        assert quota(one, gpu(3, 2), cpu(1, refused=False)).returns_at_s is None
    assert quota(FREE).returns_because.said == (
        "Nothing shows that the GPU is away, because no session has held one yet."
    )


def test_a_window_that_is_used_up_opens_when_its_first_second_is_a_period_ago() -> None:
    only_window = replace(STUDIO, cool_off=None)
    found = quota(only_window, gpu(10, 8), gpu(5, 3))
    assert returns_h(found) == (14, 14, 14)
    assert found.returns_because.basis is Basis.PROFILE
    assert found.returns_because.said == (
        "4 h of GPU in any 24 h are allowed by the profile studio-lab (reported, checked 2026-11-23), "
        "and they are used up."
    )
    assert returns_h(quota(only_window, gpu(10, 8), gpu(5, 3), later_h=13.9)) == (14, 14, 14)
    assert quota(only_window, gpu(10, 8), gpu(5, 3), later_h=14.1).returns_at_s is None


def test_a_window_that_is_more_than_used_up_opens_when_less_than_allowed_is_left_in_it() -> None:
    only_window = replace(STUDIO, cool_off=None)
    assert returns_h(quota(only_window, gpu(10, 7), gpu(5, 2))) == (16, 16, 16)
    # Two at once from 9 to 7 hours ago: since 7.5 hours ago they used two of the four hours.
    assert returns_h(quota(only_window, gpu(10, 6), gpu(9, 7), gpu(5, 3))) == (16.5, 16.5, 16.5)


def test_a_window_with_a_little_left_is_open() -> None:
    assert quota(KAGGLE, *(gpu(20 * day + 9, 20 * day) for day in range(3))).returns_at_s is None


# When it returns: cool-offs.


def test_after_a_session_was_taken_away_the_cool_off_of_the_profile_runs() -> None:
    found = quota(FREE, gpu(5, 3, taken=True))
    assert returns_h(found) == (9, 19, 45)
    assert found.returns_because.basis is Basis.PROFILE
    assert found.returns_because.said == (
        "The GPU was taken away 3 h 00 min ago; a cool-off takes 12 h 00 min to 2 days, likely 22 h 00 min, "
        "going by the profile colab-free (reported, checked 2026-11-23)."
    )


def test_what_of_the_return_has_passed_is_now_and_in_the_end_all_of_it() -> None:
    sessions = [gpu(5, 3, taken=True)]
    assert returns_h(quota(FREE, *sessions, later_h=10)) == (10, 19, 45)
    assert returns_h(quota(FREE, *sessions, later_h=30)) == (30, 30, 45)
    over = quota(FREE, *sessions, later_h=46)
    assert over.returns_at_s is None
    assert over.returns_because.said.endswith("that is over by now.")


def test_a_session_that_left_by_itself_begins_no_cool_off_unless_a_gpu_is_refused_after_it() -> None:
    assert quota(FREE, gpu(5, 3)).returns_at_s is None
    assert returns_h(quota(FREE, gpu(5, 3), cpu(2, refused=True))) == (9, 19, 45)


def test_a_late_refusal_moves_the_return_on() -> None:
    sessions = [gpu(32, 30, taken=True)]
    early = quota(FREE, *sessions)
    late = quota(FREE, *sessions, cpu(29, refused=True), cpu(1, refused=True))
    assert early.returns_at_s is not None
    assert late.returns_at_s is not None
    assert late.returns_at_s.p50_s > early.returns_at_s.p50_s
    assert "taken away 1 day 6 h ago and was still refused 1 day 5 h later;" in late.returns_because.said


def test_who_was_never_given_a_gpu_counts_from_the_first_refusal() -> None:
    found = quota(FREE, cpu(3, refused=True), cpu(2, refused=True))
    assert returns_h(found) == (9, 19, 45)
    assert found.returns_because.said.startswith("A GPU was refused 3 h 00 min ago, and no session has held one yet;")


def test_a_gpu_that_is_held_is_not_away() -> None:
    found = quota(FREE, gpu(5, 3, taken=True), cpu(2, refused=True), running_h=1)
    assert found.returns_at_s is None
    assert found.returns_because.said == "A GPU is held now."


def test_a_gpu_that_another_session_went_on_to_hold_was_not_away() -> None:
    assert quota(FREE, gpu(5, 3, taken=True), gpu(4, 2)).returns_at_s is None
    assert returns_h(quota(FREE, gpu(5, 2, taken=True), gpu(4, 3))) == (10, 20, 46)


def test_window_and_cool_off_must_both_be_over() -> None:
    used_up = quota(STUDIO, gpu(5, 1, taken=True))
    assert returns_h(used_up) == (19, 23, 25)
    assert used_up.returns_because.said.startswith("The GPU was taken away")
    again = quota(
        replace(STUDIO, window=Allowance(allowed_s=4 * HOUR_S, period_s=72 * HOUR_S, basis=Basis.SAID)), gpu(5, 1)
    )
    assert returns_h(again) == (67, 67, 67)
    assert again.returns_because.basis is Basis.SAID


def test_a_session_that_was_taken_with_most_of_a_window_left_was_not_taken_for_it() -> None:
    assert quota(STUDIO, gpu(5, 3, taken=True)).returns_at_s is None
    # Nearly all of it: the machine was held before its session could begin to count.
    assert returns_h(quota(STUDIO, gpu(4.9, 1.1, taken=True))) == (18.9, 22.9, 24.9)
    assert returns_h(quota(STUDIO, gpu(5, 3, taken=True), cpu(2, refused=True))) == (17, 21, 23)


def test_for_how_long_a_gpu_is_refused_is_not_known_where_the_profile_does_not_know() -> None:
    found = quota(KAGGLE, gpu(5, 3), cpu(2, refused=True))
    assert found.returns_at_s is None
    assert found.returns_because.said == (
        "The GPU was given back 3 h 00 min ago and was still refused 1 h 00 min later, and for how long is not known."
    )
    assert quota(LOCAL, gpu(5, 3, taken=True)).returns_because.said == "Nothing shows that the GPU is away."


# Learning the cool-off.


def days(*waits_h: tuple[float, float]) -> list[GpuUse]:
    """Make sessions of two hours that were taken: each one is followed by a refusal and, later, by the next."""
    sessions, ago_h = [gpu(2, 0, taken=True)], 2.0
    for refused_h, back_h in waits_h:
        ago_h += back_h
        sessions += [gpu(ago_h + 2, ago_h, taken=True), cpu(ago_h - refused_h, refused=True)]
        ago_h += 2
    return sessions


def test_few_returns_of_ones_own_move_what_the_profile_says() -> None:
    found = quota(FREE, *days((14, 16), (14, 16)))
    assert found.cool_off is not None
    assert 12 * HOUR_S < found.cool_off.p10_s < found.cool_off.p50_s < 22 * HOUR_S
    assert found.cool_off_because.basis is Basis.PROFILE
    assert found.cool_off_because.said.endswith(
        "going by the profile colab-free (reported, checked 2026-11-23) and 2 waits of your own."
    )


def test_enough_returns_of_ones_own_are_believed_alone() -> None:
    found = quota(FREE, *days(*[(14, 16)] * 5))
    low_h, likely_h, high_h = returns_h(found) or (0, 0, 0)
    assert 14 <= low_h <= likely_h <= high_h <= 16
    assert found.returns_because.basis is found.cool_off_because.basis is Basis.HISTORY
    assert found.returns_because.said.endswith("going by 5 waits of your own.")


def test_the_wait_that_goes_on_is_not_learnt_from() -> None:
    over = days((14, 16))
    assert quota(FREE, *over, later_h=300).cool_off == quota(FREE, *over).cool_off


def test_a_gap_after_a_session_that_left_by_itself_is_no_wait() -> None:
    assert quota(FREE, gpu(40, 38), gpu(20, 18), gpu(2, 1)).cool_off_because.said.endswith("checked 2026-11-23).")


def test_a_refusal_before_the_first_gpu_is_no_wait_because_its_beginning_was_not_seen() -> None:
    past = look_back([cpu(40, refused=True), gpu(20, 18)], now_s=NOW_S)
    assert past.waits == ()


def test_a_wait_is_from_the_last_refusal_to_the_first_gpu() -> None:
    sessions = [
        gpu(42, 40, taken=True),
        cpu(35, refused=True),
        cpu(30, refused=True),
        cpu(28, refused=False),
        gpu(22, 20),
    ]
    (wait,) = look_back(sessions, now_s=NOW_S).waits
    assert (wait.at_least_s, wait.at_most_s) == (10 * HOUR_S, 18 * HOUR_S)


def test_the_session_at_work_ends_a_wait() -> None:
    (wait,) = look_back([gpu(42, 40, taken=True)], now_s=NOW_S, running_since_s=NOW_S - HOUR_S).waits
    assert (wait.at_least_s, wait.at_most_s) == (0, 39 * HOUR_S)


def test_where_the_profile_knows_of_no_cool_off_none_is_learnt() -> None:
    found = quota(PAID, *days(*[(14, 16)] * 5))
    assert found.cool_off is None
    assert found.cool_off_because.said == "The profile colab-paid knows of no cool-off."


# Whatever has happened.

histories = st.lists(
    st.builds(
        GpuUse,
        started_at_s=st.floats(NOW_S - 300 * HOUR_S, NOW_S + HOUR_S),
        ended_at_s=st.floats(NOW_S - 300 * HOUR_S, NOW_S + HOUR_S),
        processor_is_gpu=st.booleans(),
        gpu_refused=st.booleans(),
        was_taken=st.booleans(),
    ),
    max_size=12,
)
profiles = st.sampled_from(names()).map(profile)
running = st.none() | st.floats(NOW_S - 30 * HOUR_S, NOW_S + HOUR_S)


@given(profiles, histories, running)
def test_no_past_leads_to_a_return_before_now_or_to_less_than_nothing(
    one: Profile, sessions: list[GpuUse], since_s: float | None
) -> None:
    found = reckon_quota(one, sessions, now_s=NOW_S, running_since_s=since_s)
    assert found.used_s >= 0
    if found.returns_at_s:
        assert since_s is None
        assert found.returns_at_s.p10_s >= NOW_S
        assert found.returns_at_s.p90_s > NOW_S
    if one.window and found.left_s:
        assert found.left_s.p50_s == max(0.0, one.window.allowed_s - found.used_s)
    reasons = (found.used_because, found.left_because, found.returns_because, found.cool_off_because)
    assert all(reason.said.endswith(".") and reason.said.isprintable() for reason in reasons)


@given(profiles, histories, running)
def test_the_order_in_which_sessions_are_told_is_nothing(
    one: Profile, sessions: list[GpuUse], since_s: float | None
) -> None:
    told = reckon_quota(one, sessions, now_s=NOW_S, running_since_s=since_s)
    again = reckon_quota(one, sessions[::-1], now_s=NOW_S, running_since_s=since_s)
    assert again.used_s == pytest.approx(told.used_s)
    assert (again.returns_at_s is None) == (told.returns_at_s is None)


@given(histories, st.floats(0, 400))
def test_where_nobody_works_a_window_only_empties(sessions: list[GpuUse], later_h: float) -> None:
    before = reckon_quota(KAGGLE, sessions, now_s=NOW_S + HOUR_S)
    after = reckon_quota(KAGGLE, sessions, now_s=NOW_S + HOUR_S + later_h * HOUR_S)
    assert after.used_s <= before.used_s + 1e-6


@given(histories)
def test_a_window_is_used_up_until_the_moment_it_is_said_to_open(sessions: list[GpuUse]) -> None:
    small = replace(KAGGLE, window=Allowance(allowed_s=HOUR_S, period_s=100 * HOUR_S, basis=Basis.PROFILE))
    # A second later than all of them, and nothing is in the future.
    now_s = NOW_S + HOUR_S + 1
    found = reckon_quota(small, sessions, now_s=now_s)
    if found.returns_at_s and found.used_s >= HOUR_S:
        at_s = found.returns_at_s.p50_s
        assert reckon_quota(small, sessions, now_s=at_s - 1e-3).used_s >= HOUR_S - 1e-3
        assert reckon_quota(small, sessions, now_s=at_s + 1).used_s < HOUR_S


# What the provider itself says.

LIVE = LiveQuota(
    source="kaggle quota",
    used_s=21.4 * HOUR_S,
    left_s=8.6 * HOUR_S,
    allowed_s=30 * HOUR_S,
    refreshes_at_s=NOW_S + 50 * HOUR_S,
)


def live_quota(live: LiveQuota, *sessions: GpuUse, running_h: float | None = None) -> Quota:
    running_since_s = None if running_h is None else NOW_S - running_h * HOUR_S
    return reckon_quota(KAGGLE, sessions, now_s=NOW_S, running_since_s=running_since_s, live=live)


def test_what_the_provider_says_counts_and_not_what_was_reckoned() -> None:
    found = live_quota(LIVE, gpu(5, 3))
    assert (found.used_s, left_h(found), found.returns_at_s) == (21.4 * HOUR_S, (8.6, 8.6, 8.6), None)
    assert {it.basis for it in (found.used_because, found.left_because, found.returns_because)} == {Basis.LIVE}
    told = "kaggle quota says that 8.6 of 30 h are left, and that all of it is there again on "
    assert found.left_because.said.startswith(told)


def test_where_it_says_that_nothing_is_left_a_gpu_comes_with_the_refresh() -> None:
    spent = replace(LIVE, left_s=30.0)
    found = live_quota(spent)
    assert returns_h(found) == (50, 50, 50)
    assert found.returns_because.basis is Basis.LIVE
    assert live_quota(spent, running_h=2).returns_at_s is None
    assert live_quota(replace(spent, refreshes_at_s=NOW_S - 1)).returns_at_s is None
    assert not live_quota(replace(spent, refreshes_at_s=NOW_S - 1)).is_spent


@pytest.mark.parametrize("left_s", [0.0, 30.0])
def test_where_it_says_that_nothing_is_left_and_not_when_more_comes_no_gpu_can_be_had_now(left_s: float) -> None:
    spent = replace(LIVE, left_s=left_s, refreshes_at_s=None)
    found = live_quota(spent)
    assert (found.is_spent, found.returns_at_s) == (True, None)
    assert found.returns_because.said == (
        "Nothing of the GPU time of this week is left, and when more comes is not known."
    )
    assert not live_quota(spent, running_h=2).is_spent
    assert not live_quota(replace(spent, left_s=HOUR_S)).is_spent


def test_two_sessions_on_one_machine_are_used_once() -> None:
    one, other = replace(gpu(5, 3), machine="k7"), replace(gpu(4, 2), machine="k7")
    assert quota(KAGGLE, one, other).used_s == quota(KAGGLE, other, one).used_s == 3 * HOUR_S
    assert quota(KAGGLE, one, replace(other, machine="k8")).used_s == 4 * HOUR_S
    found = reckon_quota(KAGGLE, [one], now_s=NOW_S, running_since_s=NOW_S - 4 * HOUR_S, running_on="k7")
    assert found.used_s == 5 * HOUR_S
