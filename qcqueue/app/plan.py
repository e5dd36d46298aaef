"""`plan`: what is left of a queue, for how many sessions and until when, and what other ways would save. Decides only.

Always true: a job of which nothing is known stands in it without figures, and what is not worth a word has none.
"""

from dataclasses import dataclass, replace

from qcqueue.app.queue_summary import FEWEST_WORLDS, QueueView, label_of_dates, luck, next_gpu
from qcqueue.core.quantiles import Quantiles
from qcqueue.core.states import State
from qcqueue.planning.calibration import HitRate, calibration
from qcqueue.planning.estimates import EpochCost, Known, Processor
from qcqueue.planning.forecast import Finish, Forecast, for_a_cpu, sessions_alone
from qcqueue.planning.queue_stats import QueueStats
from qcqueue.planning.survival import Life
from qcqueue.queue.job_lines import JobLine
from qcqueue.queue.pending import PendingJob

# How much earlier all must be done in another way to be worth a sentence: so much, and this share of what is left.
LEAST_SAVED_S = 3600.0
LEAST_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """One job that is not done. cost: of an epoch, None where nothing is known of it; then nor are the other figures.

    sessions: how many it takes if each is its own. finish: when it is done, in seconds from the moment of the plan,
    None where some world did not see it.
    """

    job: PendingJob
    cost: EpochCost | None
    sessions: int | None
    finish: Finish | None

    @property
    def left_s(self) -> float | None:
        """Return how many seconds of training and validation are left at most."""
        return self.cost.seconds * self.job.epochs_left if self.cost else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What a machine without a GPU would save if it trained one job, in cpu_s; said: how that is known.

    likely_s: when all is likely done then, in seconds from now, and saved_s how much earlier that is.
    """

    saved_s: float
    likely_s: float
    job: str
    cpu_s: float
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is left of a queue. jobs: how many a session works on, None for as many as it lives for.

    life: of a session on the processor. next_gpu: as in a `QueueSummary`. sessions_of_two: how many it would take if
    each worked on two jobs; beside: what a CPU would save; None where that is not worth a word. label: whom dates come
    from. owner: whose jobs alone the rows are of, None for all; what is said of sessions is of the whole queue.
    """

    seen: QueueView
    processor: Processor
    jobs: int | None
    rows: tuple[JobPlan, ...]
    forecast: Forecast
    life: Life
    next_gpu: Quantiles | None
    past: HitRate
    sessions_of_two: int | None
    beside: Saving | None
    label: str
    owner: str | None = None

    @property
    def lines(self) -> tuple[JobLine, ...]:
        """The jobs this is about, done or not."""
        return tuple(line for line in self.seen.lines if self.owner in (None, line.owner))

    @property
    def finish(self) -> Finish | None:
        """Return when all of it is done, None where some world did not see it."""
        return self.forecast.all if self.owner is None else self.forecast.owners.get(self.owner)

    @property
    def now_s(self) -> float:
        return self.seen.stats.now_s

    @property
    def left_s(self) -> float:
        """Return the seconds of training and validation that are left, of jobs of which that is known."""
        return sum(row.left_s or 0.0 for row in self.rows)

    @property
    def known(self) -> Known:
        """Return the least sure of what these seconds rest on."""
        order = list(Known)
        return max((row.cost.basis for row in self.rows if row.cost), key=order.index, default=Known.ESTIMATED)

    def late(self) -> tuple[tuple[JobPlan, ...], tuple[JobPlan, ...]]:
        """Return the jobs that miss their deadlines in every second world or more, and those in every tenth or more."""
        likely, perhaps = list[JobPlan](), list[JobPlan]()
        for row in self.rows:
            deadline_s = row.job.spec.deadline_s
            if deadline_s is None or row.finish is None:
                continue
            if self.now_s + row.finish.p50_s > deadline_s:
                likely.append(row)
            elif self.now_s + row.finish.p90_s > deadline_s:
                perhaps.append(row)
        return tuple(likely), tuple(perhaps)


def make_plan(seen: QueueView, *, jobs: int | None, owner: str | None = None) -> Plan:
    """Plan what is left; jobs: how many a session works on, None for as many as it lives for. owner: as in a `Plan`."""
    stats = seen.stats
    processor, account = stats.processor, stats.account()
    costs = {job.name: stats.cost(job, stats.on(job, processor)) for job in stats.ahead}
    left_s = {job.name: it.seconds * job.epochs_left for job in stats.ahead if (it := costs[job.name])}
    overhead_s = stats.start.seconds + stats.lag.seconds
    sessions = sessions_alone(left_s, account, overhead_s=overhead_s, rng=luck(stats))
    found, is_whole = stats.forecast(processor, jobs=jobs, rng=luck(stats)), owner is None
    return Plan(
        seen=seen,
        processor=processor,
        jobs=jobs,
        rows=tuple(
            JobPlan(job=job, cost=costs[job.name], sessions=sessions.get(job.name), finish=found.jobs.get(job.name))
            for job in stats.ahead
            if owner in (None, job.owner)
        ),
        forecast=found,
        life=account.life,
        next_gpu=next_gpu(stats),
        past=calibration(seen.past),
        sessions_of_two=_sessions_of_two(stats, found) if is_whole and jobs == 1 and not account.is_endless else None,
        beside=_beside(stats, found, jobs=jobs) if is_whole and processor.is_gpu else None,
        label=label_of_dates(stats),
        owner=owner,
    )


def without_a_plan(plan: Plan) -> dict[State, int]:
    """Return how many jobs are neither done nor to be taken by a session as they stand, by state."""
    states = [line.state for line in plan.lines]
    return {state: number for state in (State.HELD, State.FAILED) if (number := states.count(state))}


def _sessions_of_two(stats: QueueStats, now: Forecast) -> int | None:
    """Return how many sessions it would take if each worked on two jobs, None where that is no fewer.

    It takes about as long: whoever gives a GPU back after one job is assumed to come again at once.
    """
    if now.all is None or len(now.jobs) < 2:
        return None
    worlds = max(FEWEST_WORLDS, now.worlds // 3)
    then = stats.forecast(stats.processor, jobs=2, rng=luck(stats), worlds=worlds)
    return then.sessions if then.all and then.sessions < now.sessions else None


def _beside(stats: QueueStats, now: Forecast, *, jobs: int | None) -> Saving | None:
    """Return what a CPU would save with one job. A run that has begun would begin a new lineage there.

    Both ways go through the same worlds, so what differs is not chance.
    """
    if now.all is None or len(now.jobs) < 2:
        return None
    start_s = stats.start.seconds + stats.lag.seconds
    gpu_s, cpu_s, said = dict[str, float](), dict[str, float](), dict[str, str]()
    for job in stats.ahead:
        on_gpu, on_cpu = stats.cost(job, stats.processor), stats.cost(job, stats.cpu)
        is_fresh = job.state is State.QUEUED and not job.has_begun
        if is_fresh and job.spec.device == "any" and on_gpu and on_cpu:
            gpu_s[job.name] = on_gpu.seconds * job.epochs_left
            cpu_s[job.name] = start_s + on_cpu.seconds * job.epochs_left
            said[job.name] = on_cpu.said
    name = for_a_cpu(gpu_s, cpu_s, within_s=now.all.p50_s)
    work_s = sum(work.left_s for work in stats.works(stats.processor))
    # Dates are shared out as GPU time is: one job of many cannot save much.
    if name is None or gpu_s[name] < LEAST_SHARE * work_s:
        return None
    others = replace(stats, ahead=tuple(job for job in stats.ahead if job.name != name))
    then = others.forecast(stats.processor, jobs=jobs, rng=luck(stats), worlds=now.worlds)
    likely_s = max(then.all.p50_s if then.all else now.all.p50_s, cpu_s[name])
    if not _is_worth_it(likely_s, now.all):
        return None
    saved_s = now.all.p50_s - likely_s
    return Saving(saved_s=saved_s, likely_s=likely_s, job=name, cpu_s=cpu_s[name], said=said[name])


def _is_worth_it(likely_s: float, now: Finish) -> bool:
    return now.p50_s - likely_s >= max(LEAST_SAVED_S, LEAST_SHARE * now.p50_s)
