"""What many campaigns come to, and how sure that is."""

import math

from qcqueue.clock import seeded
from qcqueue.planning.laws import LAWS
from qcqueue.planning.monte_carlo import StrategyResult, estimate, ratio, simulate
from qcqueue.planning.sim_run import ONE_JOB, OURS
from tests.planning.plays import COSTS, six_models


def simulated(*, law: str = "exponential", seed: int = 1, seeds: int = 5) -> tuple[StrategyResult, ...]:
    return simulate(six_models(), LAWS[law], (ONE_JOB, OURS), costs=COSTS, seed=seed, seeds=seeds)


def test_the_same_seed_gives_the_same_results_and_another_seed_others() -> None:
    assert simulated() == simulated()
    assert simulated() != simulated(seed=6)


def test_one_job_a_session_takes_a_session_for_each_job_at_least() -> None:
    one_job, ours = simulated(law="fixed")
    assert (one_job.strategy, ours.strategy) == (ONE_JOB, OURS)
    assert (one_job.sessions.mean, ours.sessions.mean) == (6, 3)
    assert one_job.days.all_s.mean > ours.days.all_s.mean


def test_nineteen_of_twenty_margins_hold_the_mean() -> None:
    holds = 0
    for seed in range(400):
        rng = seeded(f"margins/{seed}")
        found = estimate([rng.expovariate(1 / 10) for _ in range(100)])
        holds += abs(found.mean - 10) <= found.margin
    assert 0.91 <= holds / 400 <= 0.98


def test_one_value_alone_says_nothing_of_how_sure_it_is() -> None:
    assert estimate([3.0]).margin == math.inf


def test_the_margin_of_a_ratio_is_that_of_the_ratio_over_many_samples() -> None:
    def drawn(seed: int) -> tuple[list[float], list[float]]:
        rng = seeded(f"ratio/{seed}")
        wholes = [rng.uniform(50, 150) for _ in range(100)]
        return [whole * rng.uniform(0.8, 1.0) for whole in wholes], wholes

    found = [ratio(*drawn(seed)) for seed in range(300)]
    holds = sum(abs(it.mean - 0.9) <= it.margin for it in found)
    assert 0.91 <= holds / 300 <= 0.98
