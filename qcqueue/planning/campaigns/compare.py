"""Strategies side by side: many campaigns each on the same luck, the clairvoyant beside them, and how sure a mean is.

Every strategy plays on the same windows, seed by seed, so what is compared is what it did and not what it met. A
margin is half of a 95 % confidence interval, by the normal approximation over seeds. Always true: a campaign that was
never done counts in every figure, with the time it was given up as the least its days can be, and is counted.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from qcqueue.clock import seeded
from qcqueue.planning.campaigns.bounds import Bound, best_goodput, best_of_campaign, clairvoyant
from qcqueue.planning.campaigns.laws import Law, Window
from qcqueue.planning.campaigns.play import Campaign, Costs, Prepared, Work
from qcqueue.planning.campaigns.strategies import Strategy

# The normal quantile of a 95 % interval.
NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over seeds, and how far the true one can be from it in nineteen of twenty cases."""

    mean: float
    margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Seconds since the campaign began: until the first job is done, until all are, and the mean of all jobs."""

    first_s: Estimate
    mean_s: Estimate
    all_s: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a strategy came to over all seeds.

    goodput: saved over held seconds of all campaigns together. best_of_campaign: what the closed form leaves of it for
    this work. extra_sessions: beyond the clairvoyant's, worst_extra the most of any seed. unfinished: campaigns that
    were given up; where there are any, days and sessions are at least what is said.
    """

    strategy: Strategy
    goodput: Estimate
    best_of_campaign: float
    sessions: Estimate
    extra_sessions: Estimate
    worst_extra: int
    days: Days
    lost_epochs: Estimate
    switches: Estimate
    unfinished: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All strategies under one law. best_goodput: the optimum of the closed form, for work without end.

    fewest_sessions and earliest are the clairvoyant's.
    """

    law: Law
    seed: int
    seeds: int
    best_goodput: float
    fewest_sessions: Estimate
    earliest: Days
    outcomes: tuple[Outcome, ...]


def compare(
    works: Sequence[Work], law: Law, strategies: Sequence[Strategy], *, costs: Costs, seed: int, seeds: int
) -> Comparison:
    """Play `seeds` campaigns with each strategy, beginning with that of `seed`."""
    luck = [f"{law.name}/{number}" for number in range(seed, seed + seeds)]

    def windows() -> Iterator[Iterator[Window]]:
        return (law.windows(seeded(one)) for one in luck[: 1 if law.is_certain else None])

    def campaigns(strategy: Strategy) -> list[Campaign]:
        prepared = Prepared(works, strategy, costs, mean_session_s=law.mean_s, life=law.life, share=law.share)
        return [prepared.play(these) for these in windows()]

    # Without chance, one campaign stands for all.
    times = seeds if law.is_certain else 1
    bounds = [clairvoyant(works, these, costs) for these in windows()] * times
    jobs = sum(work.epochs > 0 for work in works)
    return Comparison(
        law=law,
        seed=seed,
        seeds=seeds,
        best_goodput=best_goodput(costs, mean_session_s=law.mean_s),
        fewest_sessions=estimate([bound.sessions for bound in bounds]),
        earliest=_days([bound.done_s for bound in bounds], [bound.ended_s for bound in bounds], jobs),
        outcomes=tuple(
            _outcome(
                strategy,
                campaigns(strategy) * times,
                bounds,
                jobs=jobs,
                best=best_of_campaign(works, strategy, costs, mean_session_s=law.mean_s),
            )
            for strategy in strategies
        ),
    )


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of independent values; of one alone nobody knows how sure it is, and its margin is infinite."""
    mean = fmean(values)
    if len(values) < 2:
        return Estimate(mean=mean, margin=math.inf)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return Estimate(mean=mean, margin=NORMAL_95 * math.sqrt(variance / len(values)))


def ratio(parts: Sequence[float], wholes: Sequence[float]) -> Estimate:
    """Return the ratio of two sums over the same seeds, its margin by the delta method."""
    whole = fmean(wholes)
    if not whole:
        return Estimate(mean=0.0, margin=math.inf)
    found = fmean(parts) / whole
    rest = estimate([part - found * one for part, one in zip(parts, wholes, strict=True)])
    return Estimate(mean=found, margin=rest.margin / whole)


def _outcome(
    strategy: Strategy, campaigns: Sequence[Campaign], bounds: Sequence[Bound], *, jobs: int, best: float
) -> Outcome:
    extra = [campaign.sessions - bound.sessions for campaign, bound in zip(campaigns, bounds, strict=True)]
    return Outcome(
        strategy=strategy,
        goodput=ratio([campaign.saved_s for campaign in campaigns], [campaign.held_s for campaign in campaigns]),
        best_of_campaign=best,
        sessions=estimate([campaign.sessions for campaign in campaigns]),
        extra_sessions=estimate(extra),
        worst_extra=max(extra),
        days=_days(
            [tuple(campaign.done_s.values()) for campaign in campaigns],
            [campaign.ended_s for campaign in campaigns],
            jobs,
        ),
        lost_epochs=estimate([campaign.lost_epochs for campaign in campaigns]),
        switches=estimate([campaign.switches for campaign in campaigns]),
        unfinished=sum(not campaign.is_done for campaign in campaigns),
    )


def _days(done_s: Sequence[Sequence[float]], ended_s: Sequence[float], jobs: int) -> Days:
    """Return when results came; a job that was never done counts as done when its campaign ended."""
    filled = [(*done, *[ended] * (jobs - len(done))) for done, ended in zip(done_s, ended_s, strict=True)]
    return Days(
        first_s=estimate([min(done, default=0.0) for done in filled]),
        mean_s=estimate([fmean(done) if done else 0.0 for done in filled]),
        all_s=estimate([max(done, default=0.0) for done in filled]),
    )
