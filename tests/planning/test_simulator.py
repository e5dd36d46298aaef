"""A campaign on paper loses what a real session would lose, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.planning.laws import seen_as
from qcqueue.planning.sim_run import ONE_JOB, OURS, Costs, Strategy, Work
from qcqueue.planning.simulator import MOST_SESSIONS
from qcqueue.text.humanize import DAY_S, HOUR_S
from tests.planning.plays import (
    COSTS,
    TWO_HOURS_S,
    always,
    assert_books_balance,
    daily,
    interval_s,
    lives_s,
    one,
    played,
    six_models,
    some_costs,
    some_works,
)

NO_COSTS = Costs(start_s=0, switch_s=0, stall_s=0, lag_s=0)


def test_a_session_without_costs_trains_all_the_time() -> None:
    found = played(always(HOUR_S), one(3, 1200.0), costs=NO_COSTS)
    assert (found.sessions, found.held_s, found.done_s) == (1, HOUR_S, {"one": HOUR_S})


def test_every_cost_is_paid_where_it_falls_due() -> None:
    # Two jobs of one epoch, each saved once: start, train, stall, lag, switch, train, stall, lag.
    works = [Work(name="a", epochs=1, epoch_s=50.0), Work(name="b", epochs=1, epoch_s=60.0)]
    found = played(always(TWO_HOURS_S), *works, costs=Costs(start_s=90, switch_s=20, stall_s=0.25, lag_s=8))
    assert found.done_s == {"a": pytest.approx(148.25), "b": pytest.approx(236.5)}
    assert found.held_s == pytest.approx(236.5)
    assert (found.saved_s, found.switches) == (110.0, 1)


def test_what_had_not_arrived_in_the_store_is_lost_and_trained_again() -> None:
    # Saves after 50, 100, ... seconds arrive 8.2 s later; this session ends just before the second one is there.
    ends_s = 90 + 2 * 50.2 + 8 - 0.1
    found = played(daily([ends_s, TWO_HOURS_S]), one(4, 50.0))
    assert found.lost_s == pytest.approx(50.2 + 8 - 0.1)
    assert found.lost_epochs == pytest.approx(found.lost_s / 50)
    assert found.done_s["one"] == pytest.approx(DAY_S + 90 + 3 * 50.2 + 8)


def test_the_last_save_before_a_known_end_arrives_wherever_in_an_epoch_that_is() -> None:
    found = played(daily([500.0, TWO_HOURS_S], promised=True), one(1, 1000.0))
    assert found.lost_s == 0
    # 500 - 90 - 0.2 - 8 seconds of the first day count, less what the saves within the epoch cost.
    assert found.done_s["one"] - DAY_S < 90 + 1000 - (500 - 90 - 8.2) + 20 * 0.2 + 8


def test_a_session_that_was_promised_too_much_loses_no_more_than_one_without_a_promise() -> None:
    lengths_s = [1000.0, 777.0, 1234.0, 90_000.0]
    broken = (replace(window, promised_s=TWO_HOURS_S) for window in daily(lengths_s))
    assert played(broken, one(40, 60.0)).lost_s == played(daily(lengths_s), one(40, 60.0)).lost_s


def test_six_models_in_sessions_of_two_hours_take_the_fewest_sessions_there_can_be() -> None:
    found = played(always(TWO_HOURS_S, promised=True), *six_models())
    assert (found.is_done, found.sessions, found.lost_epochs) == (True, 3, 0)


def test_with_one_job_a_session_each_is_given_back_as_soon_as_its_job_is_done() -> None:
    found = played(always(TWO_HOURS_S), *six_models(), strategy=ONE_JOB)
    assert (found.sessions, found.switches) == (6, 0)
    assert found.held_s < 1.05 * found.saved_s
    assert list(found.done_s) == sorted(found.done_s, key=lambda name: found.done_s[name])


def test_what_is_expected_of_sessions_keeps_a_hopeless_job_from_being_taken_up() -> None:
    """Sessions are known to end at two hours, and what is left of one is too short for a first save."""
    life = seen_as([TWO_HOURS_S] * 50)
    works = [Work(name="a", epochs=1, epoch_s=TWO_HOURS_S - 200), Work(name="b", epochs=1, epoch_s=100_000.0)]
    careful = played(daily([TWO_HOURS_S]), *works, life=life)
    assert careful.switches == 0
    assert careful.held_s < TWO_HOURS_S
    assert played(daily([TWO_HOURS_S]), *works).switches == 1


# What must always be true.


@given(some_works, lives_s, some_costs, st.sampled_from([OURS, ONE_JOB]), st.booleans())
def test_the_books_balance_whatever_happens(
    works: list[Work], lengths_s: list[int], costs: Costs, strategy: Strategy, promised: bool
) -> None:
    found = played(daily(map(float, lengths_s), promised=promised), *works, strategy=strategy, costs=costs)
    assert_books_balance(found, works, lengths_s)


@given(some_works, lives_s, some_costs)
def test_a_session_that_is_taken_away_costs_no_more_than_an_interval_a_stall_and_the_lag(
    works: list[Work], lengths_s: list[int], costs: Costs
) -> None:
    found = played(daily(map(float, lengths_s)), *works, costs=costs)
    longest_s = max(interval_s(work, costs) for work in works)
    # Where a last, short piece follows the save before it closely, it waits for the store to be free.
    assert found.lost_s <= found.sessions * (longest_s + 2 * (costs.stall_s + costs.lag_s)) + 1e-6


@given(st.integers(1, 12), st.integers(1, 3000), some_costs, st.booleans(), st.booleans())
def test_any_session_longer_than_start_interval_stall_and_lag_makes_progress_that_lasts(
    epochs: int, epoch_s: int, costs: Costs, expected: bool, promised: bool
) -> None:
    """The adversary: every session is killed as soon as its first save is safe."""
    work = one(epochs, float(epoch_s))
    unit_s = interval_s(work, costs)
    shortest_s = costs.start_s + unit_s + costs.stall_s + costs.lag_s + 0.001
    life = seen_as([shortest_s] * 20) if expected else None
    sessions = 0

    def windows() -> Iterator[float]:
        nonlocal sessions
        while True:
            sessions += 1
            yield shortest_s

    found = played(daily(windows(), promised=promised), work, costs=costs, life=life)
    pieces = -(-work.left_s // unit_s) + 1  # and one more where sums of seconds fall short of the last
    assert found.sessions <= pieces or sessions == MOST_SESSIONS
    assert found.saved_s >= min(work.left_s, found.sessions * unit_s * (1 - 1e-9) - unit_s)
    assert found.saved_s > 0


def test_a_session_that_is_shorter_than_that_never_does() -> None:
    work = one(100, 50.0)
    shortest_s = COSTS.start_s + interval_s(work, COSTS) + COSTS.stall_s + COSTS.lag_s
    assert played(always(shortest_s - 1), work).saved_s == 0
    assert played(always(shortest_s + 1), work).is_done


@given(some_works, lives_s, some_costs)
def test_the_same_windows_give_the_same_campaign(works: list[Work], lengths_s: list[int], costs: Costs) -> None:
    lives = [float(length_s) for length_s in lengths_s]
    assert played(daily(lives), *works, costs=costs) == played(daily(lives), *works, costs=costs)


def test_jobs_without_epochs_are_none() -> None:
    found = played(always(HOUR_S), one(0, 10.0), one(0, 0.0))
    assert (found.is_done, found.sessions, found.held_s) == (True, 0, 0)


def test_a_job_that_was_moved_is_where_it_was_put_and_one_that_would_be_late_goes_first() -> None:
    long, short = Work(name="long", epochs=10, epoch_s=100.0), Work(name="short", epochs=1, epoch_s=50.0)
    assert [*played(always(TWO_HOURS_S), long, short).done_s] == ["short", "long"]
    assert [*played(always(TWO_HOURS_S), replace(long, pinned=True), short).done_s] == ["long", "short"]
    # At two hours of training a day, 1,050 s take half a day.
    due = replace(long, deadline_s=0.14 * DAY_S)
    assert [*played(always(TWO_HOURS_S), due, short).done_s] == ["long", "short"]
