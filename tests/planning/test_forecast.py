"""A forecast rests on as many worlds as can be played while somebody waits, and says on how many."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.clock import seeded
from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.planning.forecast import (
    FEWEST_WITH_DEADLINES,
    FEWEST_WORLDS,
    WORLDS,
    Forecast,
    for_a_cpu,
    forecast,
    sessions_alone,
)
from qcqueue.planning.sim_run import ONE_JOB, Costs, Work
from qcqueue.planning.simulator import MOST_SESSIONS
from qcqueue.planning.survival import learnt_life
from qcqueue.planning.windows import Account
from qcqueue.providers.base import Allowance
from qcqueue.text.humanize import DAY_S, HOUR_S

TWO_HOURS = learnt_life([], profile=Quantiles(p10_s=HOUR_S, p50_s=2 * HOUR_S, p90_s=3 * HOUR_S, basis=Basis.PROFILE))
FREE = Account(life=TWO_HOURS, cool_off=Quantiles(p10_s=DAY_S / 2, p50_s=DAY_S, p90_s=2 * DAY_S, basis=Basis.PROFILE))


def foreseen(jobs: int, *, due: int = 0, worlds: int = WORLDS) -> Forecast:
    works = [
        Work(name=f"study/{number}", epochs=10, epoch_s=60.0, deadline_s=9 * DAY_S if number < due else None)
        for number in range(jobs)
    ]
    return forecast(works, FREE, ONE_JOB, Costs(), share=0.1, rng=seeded("luck"), worlds=worlds)


@pytest.mark.parametrize(
    ("jobs", "due", "worlds"),
    [(1, 1, WORLDS), (10, 0, 100), (60, 60, FEWEST_WORLDS), (300, 300, 13), (1200, 1200, FEWEST_WITH_DEADLINES)],
)
def test_the_longer_a_queue_and_the_more_of_it_is_due_the_fewer_worlds_are_played(
    jobs: int, due: int, worlds: int
) -> None:
    assert foreseen(jobs, due=due).worlds == worlds


def test_nobody_gets_more_worlds_than_he_asks_for() -> None:
    assert foreseen(1, worlds=7).worlds == 7


def test_the_same_luck_gives_the_same_dates() -> None:
    assert foreseen(30, due=10) == foreseen(30, due=10)


def test_in_a_queue_of_a_thousand_jobs_the_first_are_foreseen() -> None:
    found = foreseen(1000)
    assert found.all is None
    assert 0 < len(found.jobs) < 1000
    ends_s = [finish.p50_s for finish in found.jobs.values()]
    assert ends_s == sorted(ends_s)


@pytest.mark.parametrize(("unsure_epochs", "unsure_starts"), [(0.2, 0.7), (0.7, 0.7), (0.2, 0.0)])
def test_where_durations_are_as_unsure_as_we_say_four_of_five_forecasts_come_true(
    unsure_epochs: float, unsure_starts: float
) -> None:
    works = [Work(name=f"s/{number}", epochs=10, epoch_s=20.0, unsure=unsure_epochs) for number in range(3)]
    costs = Costs(start_s=75.0, switch_s=75.0, stall_s=0.0, lag_s=8.0, unsure=unsure_starts)
    endless = Account(life=learnt_life([], profile=None))
    found = forecast(works, endless, ONE_JOB, costs, share=1.0, rng=seeded(1)).all
    assert found
    luck, inside = seeded(2), 0
    for _ in range(500):
        epochs_s = 600.0 * math.exp(luck.gauss(0.0, unsure_epochs))
        starts_s = 3 * 83.0 * math.exp(luck.gauss(0.0, unsure_starts))
        inside += found.p10_s <= epochs_s + starts_s <= found.p90_s
    assert 0.65 <= inside / 500 <= 0.95


def test_with_durations_that_are_sure_a_forecast_is_one_moment() -> None:
    endless = Account(life=learnt_life([], profile=None))
    found = forecast([Work(name="s/a", epochs=1, epoch_s=20.0)], endless, ONE_JOB, Costs(), share=1.0, rng=seeded(1))
    assert found.all
    assert found.all.p5_s == found.all.p95_s


# What a job takes apart from the others: sessions of its own, and the job that a CPU can take off the GPUs.

CERTAIN = Account(
    life=learnt_life([], profile=Quantiles(p10_s=2 * HOUR_S, p50_s=2 * HOUR_S, p90_s=2 * HOUR_S, basis=Basis.PROFILE))
)


def alone(account: Account = CERTAIN, **hours: float) -> dict[str, int]:
    left_s = {job: it * HOUR_S for job, it in hours.items()}
    return sessions_alone(left_s, account, overhead_s=HOUR_S / 2, rng=seeded(1))


def test_a_job_takes_as_many_sessions_as_hold_its_training_and_their_own_starts() -> None:
    assert alone(none=0.0, short=0.1, one=1.5, two=1.6, three=4.5) == {
        "none": 1,
        "short": 1,
        "one": 1,
        "two": 2,
        "three": 3,
    }
    assert alone() == {}


def test_an_allowance_ends_a_session_too() -> None:
    hourly = Allowance(allowed_s=HOUR_S, period_s=24 * HOUR_S, basis=Basis.PROFILE)
    assert alone(Account(life=CERTAIN.life, allowance=hourly), job=2.0) == {"job": 4}


def test_where_nothing_ends_a_session_one_is_enough() -> None:
    assert alone(Account(life=learnt_life([], profile=None)), job=5000.0) == {"job": 1}


def test_a_job_without_an_end_stops_being_counted() -> None:
    assert alone(Account(life=CERTAIN.life), job=1e6) == {"job": MOST_SESSIONS}


@given(
    gpu_s=st.dictionaries(st.sampled_from("abcdef"), st.floats(1, 1e6)),
    times=st.floats(1, 50),
    within_s=st.floats(0, 1e7),
)
def test_a_cpu_takes_the_longest_job_that_it_ends_in_time(
    gpu_s: dict[str, float], times: float, within_s: float
) -> None:
    cpu_s = {job: it * times for job, it in gpu_s.items()}
    chosen = for_a_cpu(gpu_s, cpu_s, within_s=within_s)
    in_time = [job for job in gpu_s if cpu_s[job] < within_s]
    if chosen is None:
        assert not in_time
    else:
        assert chosen in in_time
        assert gpu_s[chosen] == max(gpu_s[job] for job in in_time)


@pytest.mark.parametrize(("within_s", "chosen"), [(10.0, None), (25.0, "short"), (1000.0, "long")])
def test_a_cpu_that_is_too_slow_takes_nothing(within_s: float, chosen: str | None) -> None:
    gpu_s, cpu_s = {"short": 2.0, "long": 9.0}, {"short": 20.0, "long": 90.0}
    assert for_a_cpu(gpu_s, cpu_s, within_s=within_s) == chosen
