"""When a study will be done: the same campaign, simulated in many possible worlds. Decides only.

The policy, the cadence and the survival of sessions are those of real sessions; what is drawn is how long machines
live, when the next can be had, and how wrong our durations are. A date is a share of the worlds: by it, in so many of
them, the work is done.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp
from statistics import median_low
from typing import TypeVar

from qcqueue.clock import Rng, seeded
from qcqueue.planning.sim_run import Costs, Strategy, Work
from qcqueue.planning.simulator import MOST_SESSIONS, Campaign, Prepared
from qcqueue.planning.windows import LONGEST_S, Account

N = TypeVar("N", int, float)

# Enough for a date to move by a few per cent of its range between two seeds; a long queue takes longer to play, and
# its dates vary less.
WORLDS = 200
FEWEST_WORLDS = 20
JOBS_IN_ALL = 1000
# Where jobs have deadlines, each choice of each session weighs all of these against each other.
FEWEST_WITH_DEADLINES = 4
DEADLINES_IN_ALL = 4000
# How far durations are from the truth, in standard deviations, first of epochs and then of starts, which do not go
# together: below them lie 50, 10, 90, 30 and 70 of 100 cases, in an order in which a few worlds lie on both sides.
ERRORS = ((0.0, 0.0), (-1.28, -0.52), (1.28, 0.52), (-0.52, 1.28), (0.52, -1.28))
# What one job takes by itself is drawn, and not simulated.
WORLDS_ALONE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """When something is done, in seconds from now: in 5, 10, 50, 90 and 95 of 100 worlds by then.

    Nine worlds of ten lie from p5_s to p95_s, four of five from p10_s to p90_s.
    """

    p5_s: float
    p10_s: float
    p50_s: float
    p90_s: float
    p95_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """all: of the whole, None where some world did not finish it; jobs, studies and owners: of each that every world
    finished, the likely earliest first; what is anybody's is no owner's.

    sessions: how many it takes, in the middle world; held_s: how long they are held in all, there.
    """

    all: Finish | None
    jobs: dict[str, Finish]
    studies: dict[str, Finish]
    sessions: int
    held_s: float
    worlds: int
    owners: dict[str, Finish] = field(default_factory=dict)


def forecast(
    works: Sequence[Work],
    account: Account,
    strategy: Strategy,
    costs: Costs,
    *,
    share: float,
    rng: Rng,
    worlds: int = WORLDS,
) -> Forecast:
    """Play what is left of some jobs in many worlds; their names begin with those of their studies.

    share: which part of the calendar becomes training, for deadlines. worlds: how many at most; a long queue gets
    fewer, and one of many deadlines fewer still, so that nobody waits for its dates.
    """
    deadlines = sum(work.deadline_s is not None for work in works)
    worlds = min(
        worlds,
        max(FEWEST_WORLDS, JOBS_IN_ALL // max(len(works), 1)),
        max(FEWEST_WITH_DEADLINES, DEADLINES_IN_ALL // max(deadlines, 1)),
    )
    mean_s = min(account.life.mean_s, LONGEST_S)
    prepared = [
        Prepared(wrong, strategy, wrong_costs, mean_session_s=mean_s, life=account.life, share=share)
        for wrong, wrong_costs in _as_it_may_be(works, costs)
    ]
    # Each world has a luck of its own, so that two ways through the same worlds can be compared.
    lucks = [seeded(rng.getrandbits(64)) for _ in range(worlds)]
    played = [
        prepared[number % len(prepared)].play(account.windows(luck), comes_back=True)
        for number, luck in enumerate(lucks)
    ]
    names = [work.name for work in works if all(work.name in campaign.done_s for campaign in played)]
    done = set(names)
    studies: dict[str, list[str]] = {}
    for work in works:
        studies.setdefault(work.name.partition("/")[0], []).append(work.name)
    owners: dict[str, list[str]] = {}
    for work in works:
        if work.owner is not None:
            owners.setdefault(work.owner, []).append(work.name)
    whole = {study: jobs for study, jobs in studies.items() if done.issuperset(jobs)}
    return Forecast(
        all=_of(played, names) if len(names) == len(works) else None,
        jobs=_earliest_first({name: _of(played, [name]) for name in names}),
        studies=_earliest_first({study: _of(played, jobs) for study, jobs in whole.items()}),
        sessions=_middle([campaign.sessions for campaign in played]),
        held_s=_middle([campaign.held_s for campaign in played]),
        worlds=worlds,
        owners=_earliest_first({owner: _of(played, jobs) for owner, jobs in owners.items() if done.issuperset(jobs)}),
    )


def _as_it_may_be(works: Sequence[Work], costs: Costs) -> list[tuple[Sequence[Work], Costs]]:
    """Return what may be true where durations are not sure, one as likely as the other."""
    if not costs.unsure and not any(work.unsure for work in works):
        return [(works, costs)]
    return [
        ([_longer(work, of_epochs) for work in works], _larger(costs, of_starts)) for of_epochs, of_starts in ERRORS
    ]


def _longer(work: Work, error: float) -> Work:
    return replace(work, epoch_s=work.epoch_s * exp(error * work.unsure))


def _larger(costs: Costs, error: float) -> Costs:
    times = exp(error * costs.unsure)
    return replace(costs, start_s=costs.start_s * times, switch_s=costs.switch_s * times, lag_s=costs.lag_s * times)


def sessions_alone(
    left_s: Mapping[str, float], account: Account, *, overhead_s: float, rng: Rng, worlds: int = WORLDS_ALONE
) -> dict[str, int]:
    """Return how many sessions each job takes in the middle world, if it begins in a fresh one and has each to itself.

    left_s: seconds of training by job. overhead_s: what of a session is no training that lasts. A job that takes more
    than MOST_SESSIONS is put at that.
    """
    most_s = max(left_s.values(), default=0.0)
    rows = [_trained_s(account, most_s, overhead_s=overhead_s, rng=rng) for _ in range(worlds)]
    return {job: median_low(1 + bisect_left(row, it) for row in rows) for job, it in left_s.items()}


def for_a_cpu(gpu_s: Mapping[str, float], cpu_s: Mapping[str, float], *, within_s: float) -> str | None:
    """Return the job to give to one CPU while the GPUs train the others, None where none helps.

    All is done by a date exactly where the GPUs have ended by then what the CPU has not. So of the jobs that a CPU
    ends within_s, which is when all would be done without it, it takes the one that spares the GPUs most.
    """
    ended = [job for job, it in cpu_s.items() if it < within_s]
    return max(ended, key=lambda job: gpu_s[job], default=None)


def _of(played: Sequence[Campaign], names: Sequence[str]) -> Finish:
    """Return when the last of these jobs is done."""
    ends_s = sorted(max((campaign.done_s[name] for name in names), default=0.0) for campaign in played)
    p5_s, p10_s, p50_s, p90_s, p95_s = (_quantile(ends_s, share) for share in (0.05, 0.1, 0.5, 0.9, 0.95))
    return Finish(p5_s=p5_s, p10_s=p10_s, p50_s=p50_s, p90_s=p90_s, p95_s=p95_s)


def _earliest_first(found: dict[str, Finish]) -> dict[str, Finish]:
    return dict(sorted(found.items(), key=lambda it: it[1].p50_s))


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _middle(values: Sequence[N]) -> N:
    return sorted(values)[len(values) // 2]


def _trained_s(account: Account, most_s: float, *, overhead_s: float, rng: Rng) -> Sequence[float]:
    """Return the training that lasts after each of a row of sessions that comes to most_s, or to the last but one."""
    longest_s = account.allowance.allowed_s if account.allowance else LONGEST_S
    row: list[float] = []
    trained_s = 0.0
    while len(row) < MOST_SESSIONS - 1:
        trained_s += max(0.0, min(account.life.draw(rng), longest_s) - overhead_s)
        if trained_s >= most_s:
            break
        row.append(trained_s)
    return row
