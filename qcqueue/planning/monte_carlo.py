"""What a strategy comes to under a law of sessions: many campaigns, each on the luck of its seed, and their means.

A margin is half of a 95 % confidence interval, by the normal approximation over seeds. Always true: every strategy
meets the same windows, seed by seed, and a campaign that was never done counts in every figure, with the time it was
given up as the least its days can be.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from qcqueue.clock import seeded
from qcqueue.planning.laws import Law
from qcqueue.planning.sim_run import Costs, Strategy, Work
from qcqueue.planning.simulator import Campaign, Prepared
from qcqueue.planning.windows import Window

# The normal quantile of a 95 % interval.
NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanWithError:
    """A mean over seeds, and how far the true one can be from it in nineteen of twenty cases."""

    mean: float
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Seconds since the campaign began: until the first job is done, until all are, and the mean of all jobs."""

    first_s: MeanWithError
    mean_s: MeanWithError
    all_s: MeanWithError


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyResult:
    """What a strategy came to over all seeds.

    goodput: saved over held seconds of all campaigns together. unfinished: campaigns that were given up; where there
    are any, days and sessions are at least what is said.
    """

    strategy: Strategy
    goodput: MeanWithError
    sessions: MeanWithError
    days: Days
    lost_epochs: MeanWithError
    switches: MeanWithError
    unfinished: int


def simulate(
    works: Sequence[Work], law: Law, strategies: Sequence[Strategy], *, costs: Costs, seed: int, seeds: int
) -> tuple[StrategyResult, ...]:
    """Simulate `seeds` campaigns with each strategy, beginning with that of `seed`, and sum each up."""
    jobs = sum(work.epochs > 0 for work in works)
    return tuple(
        result_of(strategy, campaigns_of(works, law, strategy, costs=costs, seed=seed, seeds=seeds), jobs=jobs)
        for strategy in strategies
    )


def windows_by_seed(law: Law, *, seed: int, seeds: int) -> Iterator[Iterator[Window]]:
    """Yield the windows of each seed from `seed` on; those of one where the law knows no chance: it stands for all."""
    for number in range(seed, seed + (1 if law.is_certain else seeds)):
        yield law.windows(seeded(f"{law.name}/{number}"))


def campaigns_of(
    works: Sequence[Work], law: Law, strategy: Strategy, *, costs: Costs, seed: int, seeds: int
) -> list[Campaign]:
    """Simulate `seeds` campaigns, beginning with that of `seed`."""
    prepared = Prepared(works, strategy, costs, mean_session_s=law.mean_s, life=law.life, share=law.share)
    found = [
        prepared.play(windows, comes_back=law.comes_back) for windows in windows_by_seed(law, seed=seed, seeds=seeds)
    ]
    return found * (seeds if law.is_certain else 1)


def result_of(strategy: Strategy, campaigns: Sequence[Campaign], *, jobs: int) -> StrategyResult:
    """Sum campaigns up. jobs: how many each had to do."""
    return StrategyResult(
        strategy=strategy,
        goodput=ratio([campaign.saved_s for campaign in campaigns], [campaign.held_s for campaign in campaigns]),
        sessions=estimate([campaign.sessions for campaign in campaigns]),
        days=days_of(
            [tuple(campaign.done_s.values()) for campaign in campaigns],
            [campaign.ended_s for campaign in campaigns],
            jobs,
        ),
        lost_epochs=estimate([campaign.lost_epochs for campaign in campaigns]),
        switches=estimate([campaign.switches for campaign in campaigns]),
        unfinished=sum(not campaign.is_done for campaign in campaigns),
    )


def days_of(done_s: Sequence[Sequence[float]], ended_s: Sequence[float], jobs: int) -> Days:
    """Return when results came; a job that was never done counts as done when its campaign ended."""
    filled = [(*done, *[ended] * (jobs - len(done))) for done, ended in zip(done_s, ended_s, strict=True)]
    return Days(
        first_s=estimate([min(done, default=0.0) for done in filled]),
        mean_s=estimate([fmean(done) if done else 0.0 for done in filled]),
        all_s=estimate([max(done, default=0.0) for done in filled]),
    )


def estimate(values: Sequence[float]) -> MeanWithError:
    """Return the mean of independent values; of one alone nobody knows how sure it is, and its margin is infinite."""
    mean = fmean(values)
    if len(values) < 2:
        return MeanWithError(mean=mean, margin=math.inf)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return MeanWithError(mean=mean, margin=NORMAL_95 * math.sqrt(variance / len(values)))


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> MeanWithError:
    """Return the ratio of two sums over the same seeds, its margin by the delta method."""
    whole = fmean(wholes)
    if not whole:
        return MeanWithError(mean=0.0, margin=math.inf)
    found = fmean(parts) / whole
    rest = estimate([part - found * one for part, one in zip(parts, wholes, strict=True)])
    return MeanWithError(mean=found, margin=rest.margin / whole)
