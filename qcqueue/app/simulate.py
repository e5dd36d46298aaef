"""`simulate`: what would become of a study, or of what is left of the queue, under a law of sessions. Changes nothing.

Jobs, costs and laws are put together here from files, from the queue and from estimates; what becomes of them is for
`planning.monte_carlo`. Always true: every figure that was not measured by this queue's own sessions is said to be an
estimate, and without a queue all of them are.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qcqueue.app.context import QueueContext, context_in
from qcqueue.app.profile import profile_here
from qcqueue.app.settings import Settings
from qcqueue.app.studies import read_specs
from qcqueue.clock import SystemClock
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import State
from qcqueue.errors import UnknownName, UserError
from qcqueue.planning.estimates import ESTIMATED_ON, ESTIMATED_SAMPLES, EpochCost, Known, Overhead, Processor
from qcqueue.planning.laws import LAWS, Law, of_life, of_profile
from qcqueue.planning.queue_stats import QueueStats, look
from qcqueue.planning.sim_run import ONE_JOB, OURS, Costs, Strategy, Work
from qcqueue.planning.survival import Lifetime, learnt_life
from qcqueue.providers.base import Profile
from qcqueue.queue.datasets import list_datasets
from qcqueue.queue.pending import PendingJob
from qcqueue.queue.sessions import session_lines
from qcqueue.text.humanize import count, duration
from qcqueue.text.suggest import clipped, nearest

HISTORY = "history"

# The limits of a provider are a law's business here.
ANY_PROFILE = Profile(name="simulated", title="Simulated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """One job to simulate, and how long its epochs are thought to take."""

    work: Work
    cost: EpochCost


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is simulated: jobs in the order of the queue, what is not training, and in words where that comes from.

    strategies: how sessions of qcqueue would work on them, by the policy of the queue.
    """

    jobs: tuple[Ahead, ...]
    costs: Costs
    strategies: tuple[Strategy, ...]
    says: tuple[str, ...]

    @property
    def works(self) -> tuple[Work, ...]:
        return tuple(job.work for job in self.jobs)


def scene_of_files(files: Sequence[Path], *, overrides: Sequence[str], context: QueueContext | None) -> Scene:
    """Return the jobs of study files as if none had begun. context: a queue that may know how long epochs take.

    Raises: SpecInvalid, UserError: as when they are enqueued. UnknownName: a model of which nothing is known.
    """
    # In rehearsal nothing is stored, so any place will do, and this one is never made.
    found = read_specs(context or context_in(Path(), cache=Path()), files, overrides=overrides, dry_run=True)
    images: dict[str, int] = {}
    if context:
        with context.read() as tx:
            images = {line.name: line.summary.train for line in list_datasets(tx)}
    jobs = [_fresh(spec, images.get(spec.dataset, ESTIMATED_SAMPLES)) for spec in found.specs]
    return _scene(jobs, _stats(context))


def scene_of_queue(context: QueueContext) -> Scene:
    """Return what is left of the queue: its queued and running jobs with the epochs they still have."""
    stats = _stats(context)
    return _scene([job for job in stats.ahead if job.epochs_left], stats)


def law_for(name: str, context: QueueContext | None) -> Law:
    """Return the law of this name, or that of one's own history.

    Raises: UnknownName: there is none of that name. UserError: there is no history.
    """
    if name == HISTORY:
        return _law_of_history(context)
    if name in LAWS:
        return LAWS[name]
    known = (*LAWS, HISTORY)
    close = nearest(name, known)
    raise UnknownName(
        f"there is no law {clipped(name)!r}; it can be {', '.join(known)}"
        + (f"; did you mean {close}?" if close else ""),
        hint="qcqueue simulate --law exponential",
    )


def law_of_profile(name: str, settings: Settings) -> Law:
    """Return the law of a provider's sessions. Raises: as `profile_here`."""
    try:
        return of_profile(profile_here(replace(settings, profile=name)))
    except UnknownName as exc:
        raise UnknownName(str(exc), hint="qcqueue simulate --profile colab-free") from exc


def _stats(context: QueueContext | None) -> QueueStats:
    """Return what a queue knows, which without one is nothing."""
    if context is None:
        return QueueStats(profile=ANY_PROFILE, ahead=(), epochs=(), sessions=(), now_s=SystemClock().now_s())
    with context.read() as tx:
        return look(tx, ANY_PROFILE, now_s=context.clock.now_s())


def _fresh(spec: JobSpec, images: int) -> PendingJob:
    """Return a job of a file, as it is when it has just been enqueued."""
    return PendingJob(
        name=spec.full_name,
        spec=spec,
        state=State.QUEUED,
        epochs_done=0,
        train_images=images,
        processor=None,
        was_moved=False,
        sessions_waited=0,
    )


def _scene(jobs: Sequence[PendingJob], stats: QueueStats) -> Scene:
    """Return the scene of a campaign that begins now, as deadlines count."""
    gpus = [line.processor for line in stats.sessions if line.has_gpu]
    gpu = Processor(name=gpus[-1] if gpus else ESTIMATED_ON, is_gpu=True)
    found = tuple(_ahead(job, stats, gpu) for job in jobs)
    costs = Costs()
    if stats.start.basis is Known.MEASURED:
        costs = replace(costs, start_s=stats.start.seconds)
    if stats.lag.basis is Known.MEASURED:
        costs = replace(costs, lag_s=stats.lag.seconds)
    says = (_epochs_said(found, gpu), *_costs_said(costs, stats.start, stats.lag))
    strategies = tuple(map(stats.by_policy, (ONE_JOB, OURS)))
    return Scene(jobs=found, costs=costs, strategies=strategies, says=says)


def _ahead(job: PendingJob, stats: QueueStats, gpu: Processor) -> Ahead:
    processor = gpu if job.spec.device != "cpu" else Processor(name="a CPU", is_gpu=False)
    cost = stats.cost(job, processor)
    if cost is None:
        raise UnknownName(
            f"{job.name}: nothing is known of how long an epoch of {job.spec.model} takes", hint="qcqueue work"
        )
    deadline_s = job.spec.deadline_s
    work = Work(
        name=job.name,
        epochs=job.epochs_left,
        epoch_s=cost.seconds,
        begun=job.epochs_done > 0,
        pinned=job.was_moved,
        deadline_s=None if deadline_s is None else deadline_s - stats.now_s,
        owner=job.owner,
    )
    return Ahead(work=work, cost=cost)


def _epochs_said(jobs: Sequence[Ahead], gpu: Processor) -> str:
    by_basis = Counter(job.cost.basis for job in jobs)
    measured = by_basis[Known.MEASURED]
    if jobs and measured == len(jobs):
        return f"Seconds of an epoch are measured on {gpu.name}."
    some = f" of {count(len(jobs) - measured, 'job')} of {len(jobs)}" if measured else ""
    return f"Seconds of an epoch{some} are ESTIMATES for {gpu.name}, until a session has measured them."


def _costs_said(costs: Costs, start: Overhead, lag: Overhead) -> tuple[str, str]:
    return (
        f"A session starts in {duration(costs.start_s)} ({start.basis}), its next job in {duration(costs.switch_s)} "
        f"({Known.ESTIMATED}).",
        f"A save stops training for {duration(costs.stall_s)} ({Known.ESTIMATED}) and is in the store "
        f"{duration(costs.lag_s)} later ({lag.basis}).",
    )


def _law_of_history(context: QueueContext | None) -> Law:
    """Return the law of the sessions of a queue, without those that are known to have had no GPU."""
    lives: list[Lifetime] = []
    if context:
        with context.read() as tx:
            over = [line for line in session_lines(tx) if line.is_over and line.has_gpu is not False]
        lives = [Lifetime(held_s=line.held_s, was_taken=line.ended_at_s is None) for line in over]
    if not any(life.was_taken and life.held_s for life in lives):
        raise UserError(
            "no session of this queue has been seen to be taken away yet, so there is no history to go by",
            hint="qcqueue simulate --law exponential",
        )
    says = f"sessions as the {count(len(lives), 'session')} of this queue were, one a day"
    return of_life(learnt_life(lives, profile=None), name=HISTORY, says=says)
