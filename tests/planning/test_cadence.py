"""Saves come as often as they are worth it: never seldom for no reason, never faster than the store takes them."""

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.core.goodput import best_interval_s, expected_goodput
from qcqueue.planning.cadence import ASSUMED_SESSION_S, Cadence, Measured, choose_cadence, explain_cadence

EVERY_EPOCH = Cadence()
TWO_HOURS_S = 7200.0
TENTH_OF_A_POINT = 0.001

EPOCHS_S = (0.2, 1, 5, 10, 30, 60, 120, 300, 900, 1800, 5400, 18_000)
STALLS_S = (0.0, 0.001, 0.014, 0.05, 0.2, 0.5, 2, 20)
LAGS_S = (0.0, 0.5, 8, 26, 65, 600)
SESSIONS_S = (600, 3600, 7200, 43_200)

epochs_s = st.floats(min_value=0.01, max_value=50_000)
stalls_s = st.floats(min_value=0, max_value=60)
lags_s = st.floats(min_value=0, max_value=1800)
sessions_s = st.floats(min_value=300, max_value=100_000)
known = st.builds(Measured, epoch_s=epochs_s, stall_s=stalls_s, lag_s=lags_s, mean_session_s=sessions_s)


def measured(
    epoch_s: float,
    stall_s: float = 0.2,
    lag_s: float = 8.0,
    mean_session_s: float = TWO_HOURS_S,
    steps: int | None = None,
) -> Measured:
    return Measured(epoch_s=epoch_s, stall_s=stall_s, lag_s=lag_s, mean_session_s=mean_session_s, steps=steps)


def saved_steps(cadence: Cadence, steps: int) -> list[int]:
    return [step for step in range(1, steps + 1) if cadence.is_due_within(step, steps)]


def expected(epoch_s: float, stall_s: float, lag_s: float, session_s: float, cadence: Cadence) -> float:
    """Return the goodput of a cadence by the closed form, where one upload is in flight and the newest state wins.

    Saves that come faster than the store takes them all cost their stall; what arrives is one in every lag, and it has
    waited half an interval for its turn.
    """
    interval_s = epoch_s * cadence.epochs_per_save / cadence.saves_per_epoch
    arriving_s = max(interval_s, lag_s)
    return expected_goodput(
        mean_session_s=session_s,
        interval_s=arriving_s,
        stall_s=stall_s * arriving_s / interval_s,
        lag_s=lag_s + (interval_s / 2 if interval_s < lag_s else 0.0),
        start_s=30,
    )


def test_as_long_as_nothing_is_measured_every_epoch_is_saved() -> None:
    assert choose_cadence(Measured()) == EVERY_EPOCH
    assert choose_cadence(Measured(stall_s=5.0, lag_s=60.0, mean_session_s=600.0)) == EVERY_EPOCH


@pytest.mark.parametrize("epoch_s", [45, 60, 79])
def test_an_epoch_of_about_the_best_interval_is_saved_once(epoch_s: float) -> None:
    # 200 MB at 25 MB/s: the best interval is 54 s.
    assert choose_cadence(measured(epoch_s)) == EVERY_EPOCH


@pytest.mark.parametrize(("epoch_s", "saves"), [(90, 2), (300, 6), (1500, 28)])
def test_a_long_epoch_is_saved_several_times(epoch_s: float, saves: int) -> None:
    assert choose_cadence(measured(epoch_s)) == Cadence(saves_per_epoch=saves)


@pytest.mark.parametrize(("epoch_s", "epochs"), [(30, 2), (10, 5), (1, 54)])
def test_a_short_epoch_shares_its_save(epoch_s: float, epochs: int) -> None:
    assert choose_cadence(measured(epoch_s, lag_s=0.5)) == Cadence(epochs_per_save=epochs)


@pytest.mark.parametrize(("epoch_s", "longest_stall_s"), [(10, 0.014), (30, 0.125), (60, 0.5)])
def test_every_epoch_is_best_up_to_the_stall_that_the_theory_names(epoch_s: float, longest_stall_s: float) -> None:
    assert choose_cadence(measured(epoch_s, 0.95 * longest_stall_s, lag_s=1)).epochs_per_save == 1
    assert choose_cadence(measured(epoch_s, 1.10 * longest_stall_s, lag_s=1)).epochs_per_save == 2


def test_no_save_comes_faster_than_the_store_takes_them() -> None:
    assert choose_cadence(measured(10, stall_s=0.001, lag_s=65)) == Cadence(epochs_per_save=7)
    assert choose_cadence(measured(1800, stall_s=0.001, lag_s=600)) == Cadence(saves_per_epoch=3)


def test_saves_never_cost_more_than_a_hundredth_of_training() -> None:
    assert choose_cadence(measured(1800, stall_s=6)) == Cadence(saves_per_epoch=3)
    assert choose_cadence(measured(1800, stall_s=20)) == EVERY_EPOCH


def test_there_are_no_more_saves_than_steps() -> None:
    assert choose_cadence(measured(1800, steps=4)) == Cadence(saves_per_epoch=4)


def test_saves_that_cost_nothing_come_at_every_step_that_is_known() -> None:
    assert choose_cadence(measured(60, stall_s=0, lag_s=0, steps=40)) == Cadence(saves_per_epoch=40)
    assert choose_cadence(measured(60, stall_s=0, lag_s=0)) == EVERY_EPOCH


def test_an_epoch_longer_than_a_session_is_saved_within_before_any_save_was_measured() -> None:
    # Else it would never come to the end at which its first save is measured.
    assert choose_cadence(Measured(epoch_s=5 * 3600)).saves_per_epoch > 100


def test_to_save_less_often_takes_a_measured_reason() -> None:
    assert choose_cadence(Measured(epoch_s=1.0)) == EVERY_EPOCH
    assert choose_cadence(Measured(epoch_s=1.0, stall_s=0.2)).epochs_per_save == 54
    assert choose_cadence(Measured(epoch_s=1.0, lag_s=8.0)).epochs_per_save == 8


def test_sessions_are_taken_to_live_two_hours_until_one_has_ended() -> None:
    assert ASSUMED_SESSION_S == TWO_HOURS_S
    for epoch_s in EPOCHS_S:
        unseen = Measured(epoch_s=epoch_s, stall_s=0.2, lag_s=8.0)
        assert choose_cadence(unseen) == choose_cadence(measured(epoch_s))


@pytest.mark.parametrize("session_s", SESSIONS_S)
def test_it_is_never_worse_than_saving_every_epoch(session_s: float) -> None:
    for epoch_s, stall_s, lag_s in product(EPOCHS_S, STALLS_S, LAGS_S):
        cadence = choose_cadence(measured(epoch_s, stall_s, lag_s, session_s))
        chosen = expected(epoch_s, stall_s, lag_s, session_s, cadence)
        rival = expected(epoch_s, stall_s, lag_s, session_s, EVERY_EPOCH)
        assert chosen >= rival - TENTH_OF_A_POINT, (epoch_s, stall_s, lag_s, cadence)


def test_it_is_close_to_the_best_there_is_where_the_store_is_fast() -> None:
    for epoch_s, stall_s in product(EPOCHS_S, STALLS_S[1:5]):
        cadence = choose_cadence(measured(epoch_s, stall_s, lag_s=0.5))
        interval_s = max(best_interval_s(TWO_HOURS_S, stall_s), 0.5)
        ideal = expected(interval_s, stall_s, 0.5, TWO_HOURS_S, EVERY_EPOCH)
        assert expected(epoch_s, stall_s, 0.5, TWO_HOURS_S, cadence) >= ideal - TENTH_OF_A_POINT


@given(known, st.floats(min_value=1, max_value=20))
def test_a_longer_epoch_is_saved_no_less_often(one: Measured, factor: float) -> None:
    assert one.epoch_s is not None
    longer = Measured(
        epoch_s=one.epoch_s * factor, stall_s=one.stall_s, lag_s=one.lag_s, mean_session_s=one.mean_session_s
    )
    assert choose_cadence(longer).saves_per_epoch >= choose_cadence(one).saves_per_epoch
    assert choose_cadence(longer).epochs_per_save <= choose_cadence(one).epochs_per_save


@given(known, st.floats(min_value=1, max_value=20), st.floats(min_value=1, max_value=20))
def test_a_dearer_save_is_made_no_more_often(one: Measured, stall: float, lag: float) -> None:
    assert one.stall_s is not None
    assert one.lag_s is not None
    dearer = Measured(
        epoch_s=one.epoch_s, stall_s=one.stall_s * stall, lag_s=one.lag_s * lag, mean_session_s=one.mean_session_s
    )
    assert choose_cadence(dearer).saves_per_epoch <= choose_cadence(one).saves_per_epoch
    assert choose_cadence(dearer).epochs_per_save >= choose_cadence(one).epochs_per_save


@given(known, st.floats(min_value=1, max_value=20))
def test_where_sessions_live_longer_saves_come_no_more_often(one: Measured, factor: float) -> None:
    assert one.mean_session_s is not None
    calmer = Measured(
        epoch_s=one.epoch_s, stall_s=one.stall_s, lag_s=one.lag_s, mean_session_s=one.mean_session_s * factor
    )
    assert choose_cadence(calmer).saves_per_epoch <= choose_cadence(one).saves_per_epoch
    assert choose_cadence(calmer).epochs_per_save >= choose_cadence(one).epochs_per_save


@given(known)
def test_the_pipe_and_the_hundredth_hold_for_every_choice(one: Measured) -> None:
    cadence = choose_cadence(one)
    assert one.epoch_s is not None
    assert one.stall_s is not None
    assert one.lag_s is not None
    interval_s = one.epoch_s * cadence.epochs_per_save / cadence.saves_per_epoch
    assert interval_s >= one.lag_s * (1 - 1e-9)
    if cadence.saves_per_epoch > 1:
        assert one.stall_s * cadence.saves_per_epoch <= 0.01 * one.epoch_s * (1 + 1e-9)


@given(st.integers(1, 40), st.integers(0, 400))
def test_an_epoch_has_one_save_less_within_than_in_all_and_they_are_evenly_spread(saves: int, more: int) -> None:
    steps = saves + more
    found = saved_steps(Cadence(saves_per_epoch=saves), steps)
    assert len(found) == saves - 1
    gaps = [after - before for before, after in pairwise([0, *found, steps])]
    assert max(gaps) - min(gaps) <= 1


def test_an_epoch_of_fewer_steps_than_saves_is_saved_after_each_step_but_the_last() -> None:
    assert saved_steps(Cadence(saves_per_epoch=10), 4) == [1, 2, 3]


def test_an_epoch_that_is_saved_once_is_saved_at_its_end_only() -> None:
    assert saved_steps(EVERY_EPOCH, 100) == []
    assert saved_steps(Cadence(epochs_per_save=3), 100) == []


def test_every_third_epoch_is_counted_from_the_last_that_was_saved() -> None:
    every_third = Cadence(epochs_per_save=3)
    assert [epoch for epoch in range(1, 7) if every_third.is_due_after(epoch, 0)] == [3, 4, 5, 6]
    # Epoch 4 was saved because a session stopped there.
    assert [epoch for epoch in range(5, 9) if every_third.is_due_after(epoch, 4)] == [7, 8]


@pytest.mark.parametrize("cadence", [EVERY_EPOCH, Cadence(saves_per_epoch=5)])
def test_the_end_of_every_epoch_is_saved_where_epochs_do_not_share_a_save(cadence: Cadence) -> None:
    assert all(cadence.is_due_after(epoch, epoch - 1) for epoch in range(1, 10))


@pytest.mark.parametrize(("epochs", "saves"), [(2, 2), (0, 1), (1, 0)])
def test_a_cadence_that_means_nothing_cannot_be_made(epochs: int, saves: int) -> None:
    with pytest.raises(AssertionError):
        Cadence(epochs_per_save=epochs, saves_per_epoch=saves)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (Measured(), "It saves after every epoch, as long as no epoch has been measured."),
        (
            measured(1500, stall_s=0.15, lag_s=500),
            "It saves 3 times an epoch, every 8 min 20 s: an epoch takes 25 min 00 s, a save stops training for 150 ms "
            "and reaches the store 8 min 20 s later, and sessions live about 2 h 00 min.",
        ),
        (
            Measured(epoch_s=10, stall_s=0.2, lag_s=26),
            "It saves after every 5 epochs, every 50.0 s: an epoch takes 10.0 s, a save stops training for 200 ms "
            "and reaches the store 26.0 s later, and sessions are assumed to live about 2 h 00 min.",
        ),
        (
            Measured(epoch_s=60, mean_session_s=3600),
            "It saves after every epoch: an epoch takes 1 min 00 s, what a save costs is not measured yet, "
            "and sessions live about 1 h 00 min.",
        ),
        (
            Measured(epoch_s=60, stall_s=0.2, mean_session_s=3600),
            "It saves after every epoch: an epoch takes 1 min 00 s, a save stops training for 200 ms "
            "and has not reached the store yet, and sessions live about 1 h 00 min.",
        ),
    ],
)
def test_it_says_in_one_sentence_what_it_does_and_why(one: Measured, said: str) -> None:
    assert explain_cadence(choose_cadence(one), one) == said


def test_it_explains_a_cadence_that_somebody_else_chose() -> None:
    said = explain_cadence(Cadence(epochs_per_save=4), Measured())
    assert said == "It saves after every 4 epochs, as long as no epoch has been measured."
