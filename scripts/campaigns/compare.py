"""Strategies side by side: many campaigns each on the same luck, and the clairvoyant beside them.

Every strategy is simulated on the same windows, seed by seed, so what is compared is what it did and not what it met.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.bounds import best_goodput, best_of_campaign, clairvoyant
from qcqueue.planning.laws import Law
from qcqueue.planning.monte_carlo import (
    Days,
    MeanWithError,
    StrategyResult,
    campaigns_of,
    days_of,
    estimate,
    result_of,
    windows_by_seed,
)
from qcqueue.planning.sim_run import Costs, Strategy, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedResult:
    """What a strategy came to, beside what could have been.

    best_of_campaign: what the closed form leaves of goodput for this work. extra_sessions: beyond the clairvoyant's,
    worst_extra the most of any seed.
    """

    result: StrategyResult
    best_of_campaign: float
    extra_sessions: MeanWithError
    worst_extra: int

    @property
    def strategy(self) -> Strategy:
        return self.result.strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All strategies under one law. best_goodput: the optimum of the closed form, for work without end.

    fewest_sessions and earliest are the clairvoyant's.
    """

    law: Law
    seed: int
    seeds: int
    best_goodput: float
    fewest_sessions: MeanWithError
    earliest: Days
    results: tuple[ComparedResult, ...]


def compare(
    works: Sequence[Work], law: Law, strategies: Sequence[Strategy], *, costs: Costs, seed: int, seeds: int
) -> Comparison:
    """Simulate `seeds` campaigns with each strategy, beginning with that of `seed`."""
    bounds = [clairvoyant(works, windows, costs) for windows in windows_by_seed(law, seed=seed, seeds=seeds)]
    bounds *= seeds if law.is_certain else 1
    jobs = sum(work.epochs > 0 for work in works)

    def compared(strategy: Strategy) -> ComparedResult:
        campaigns = campaigns_of(works, law, strategy, costs=costs, seed=seed, seeds=seeds)
        extra = [campaign.sessions - bound.sessions for campaign, bound in zip(campaigns, bounds, strict=True)]
        return ComparedResult(
            result=result_of(strategy, campaigns, jobs=jobs),
            best_of_campaign=best_of_campaign(works, strategy, costs, mean_session_s=law.mean_s),
            extra_sessions=estimate(extra),
            worst_extra=max(extra),
        )

    return Comparison(
        law=law,
        seed=seed,
        seeds=seeds,
        best_goodput=best_goodput(costs, mean_session_s=law.mean_s),
        fewest_sessions=estimate([bound.sessions for bound in bounds]),
        earliest=days_of([bound.done_s for bound in bounds], [bound.ended_s for bound in bounds], jobs),
        results=tuple(map(compared, strategies)),
    )
