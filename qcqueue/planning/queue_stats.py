"""What is known when a job is chosen or a date is asked for: the queue and its past, weighed by `planning`.

One look at the database gives everything; what it says about sessions, epochs and jobs is the same for a session that
chooses, for `plan` and for `status`, because all of them ask here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from qcqueue.clock import Rng
from qcqueue.core.goodput import add
from qcqueue.core.lineage import is_same_kind
from qcqueue.core.outcomes import SessionEnd
from qcqueue.core.quantiles import Basis
from qcqueue.core.rules import Policy, QueueRules
from qcqueue.core.states import State
from qcqueue.planning.estimates import (
    ESTIMATED_ON,
    UNSURE,
    UNSURE_START,
    EpochCost,
    EpochSeen,
    Known,
    Measurements,
    Overhead,
    Processor,
    Task,
    lag_cost,
    start_cost,
)
from qcqueue.planning.forecast import WORLDS, Forecast, forecast
from qcqueue.planning.gpu_usage import GpuUse, held_once
from qcqueue.planning.line import FairLine
from qcqueue.planning.policies import POLICIES, Choice, ChoiceContext, Job
from qcqueue.planning.quota import Quota, reckon_quota
from qcqueue.planning.sim_run import OURS, Costs, Strategy, Work
from qcqueue.planning.survival import Life, Lifetime, learnt_life
from qcqueue.planning.windows import Account, returning_at, share_of
from qcqueue.providers.base import Allowance, LiveQuota, Profile
from qcqueue.queue.pending import EpochsSeen, PendingJob, epochs_seen, jobs_ahead
from qcqueue.queue.rules import read_rules, turns_of_owners
from qcqueue.queue.sessions import SessionLine, session_lines
from qcqueue.text.humanize import DAY_S

if TYPE_CHECKING:
    from sqlalchemy import Connection

# A session that was seen so lately may only be between two jobs.
BETWEEN_JOBS_S = 600.0

# What a save stops training for, until one was measured: a copy of the largest state in memory.
ASSUMED_STALL_S = 0.3

# The period of a quota that a provider speaks of, and its profile does not.
WEEK_S = 7 * DAY_S

A_CPU = Processor(name="a CPU", is_gpu=False)


@dataclass(frozen=True, kw_only=True)
class QueueStats:
    """The queue and its past, as of one moment, under one profile.

    live: what its provider itself has said of the quota, where it was asked and does. rules: what is settled for the
    queue; turns: when each owner had one last, where they count.
    """

    profile: Profile
    ahead: tuple[PendingJob, ...]
    epochs: tuple[EpochsSeen, ...]
    sessions: tuple[SessionLine, ...]
    now_s: float
    live: LiveQuota | None = None
    rules: QueueRules = QueueRules()  # noqa: RUF009 (a frozen value)
    turns: Mapping[str | None, int] = field(default_factory=dict)

    def with_queue_of(self, tx: "Connection", *, now_s: float) -> "QueueStats":
        """Return the same past with the jobs of now, for whoever has looked a moment ago."""
        return replace(self, ahead=tuple(jobs_ahead(tx)), now_s=now_s, **_settled(tx))

    # Sessions.

    def life(self, *, has_gpu: bool) -> Life:
        """Return how long a session of this provider lives, by those of its kind that are over."""
        if has_gpu not in self._known_lives:
            lives = [
                Lifetime(held_s=line.held_s, was_taken=self._was_taken(line))
                for line in self._of_this_kind(has_gpu=has_gpu)
                if self._is_over(line)
            ]
            profile = self.profile
            self._known_lives[has_gpu] = learnt_life(lives, profile=profile.session, ceiling_s=profile.ceiling_s)
        return self._known_lives[has_gpu]

    @cached_property
    def quota(self) -> Quota:
        """What was used of the GPU time of this account, what is left, and when more comes."""
        over = [
            GpuUse(
                started_at_s=line.started_at_s,
                ended_at_s=line.started_at_s + line.held_s,
                processor_is_gpu=bool(line.has_gpu),
                # Who came for its CPU has trained on it.
                gpu_refused=line.has_gpu is False and self.lends_gpus and not line.attempts,
                was_taken=self._was_taken(line),
                machine=line.host,
            )
            for line in self._of_this_profile()
            if self._is_over(line)
        ]
        return reckon_quota(
            self.profile,
            over,
            now_s=self.now_s,
            running_since_s=self.running_since_s,
            running_on=self.at_work.host if self.at_work else "",
            live=self.live,
        )

    @property
    def lends_gpus(self) -> bool:
        """Whether the provider gives GPUs for a time, so that a session may come that is refused one."""
        return self.profile.cool_off is not None or self.profile.window is not None

    @cached_property
    def at_work(self) -> SessionLine | None:
        """The session with a GPU that is at work now, of several the one that came first."""
        found = (line for line in self._of_this_profile() if line.has_gpu and _is_at_work(line))
        return next(found, None)

    @property
    def running_since_s(self) -> float | None:
        """When the session with a GPU began that is at work now, None where there is none."""
        return self.at_work.started_at_s if self.at_work else None

    @property
    def left(self) -> Life | None:
        """How long the session at work lives, by what was seen, its provider allows and somebody has promised."""
        if self.at_work is None:
            return None
        life, until_s = self.life(has_gpu=True), self.at_work.promised_until_s
        return life if until_s is None else life.promised(max(0.0, until_s - self.at_work.started_at_s))

    def account(self) -> Account:
        """Return what is known of the windows to come, for forecasts."""
        returns = self.quota.returns_at_s
        allowance, used = self._counted()
        return Account(
            life=self.life(has_gpu=True),
            age_s=None if self.running_since_s is None else self.now_s - self.running_since_s,
            next_in_s=None if returns is None else returns.since(self.now_s),
            cool_off=self.quota.cool_off,
            allowance=allowance,
            used=used,
        )

    def _counted(self) -> tuple[Allowance | None, tuple[tuple[float, float], ...]]:
        """Return what is allowed, and what it counts of the past, in seconds from now."""
        window, live = self.profile.window, self.live
        if live:
            period_s = max(window.period_s if window else WEEK_S, live.allowed_s)
            in_s = period_s if live.refreshes_at_s is None else live.refreshes_at_s - self.now_s
            counted_s = live.allowed_s - live.left_s if in_s > 0 else 0.0
            allowance = Allowance(allowed_s=live.allowed_s, period_s=period_s, basis=Basis.LIVE)
            return allowance, returning_at(counted_s, min(in_s, period_s), period_s)
        since_s = self.now_s - (window.period_s if window else 0.0)
        return window, held_once(
            (line.host, line.started_at_s - self.now_s, line.started_at_s + line.held_s - self.now_s)
            for line in self._of_this_profile()
            if line.has_gpu and line.started_at_s + line.held_s > since_s
        )

    @cached_property
    def processor(self) -> Processor:
        """What the next session is likely to compute on: the newest GPU where the provider lends some, else as it was.

        Where no session has been seen yet, it is the GPU that estimates are made for, or a CPU where none is lent.
        """
        ours = self._of_this_profile()
        if self.lends_gpus:
            gpus = [line.processor for line in ours if line.has_gpu]
            return Processor(name=gpus[-1] if gpus else ESTIMATED_ON, is_gpu=True)
        return Processor(name=ours[-1].processor, is_gpu=bool(ours[-1].has_gpu)) if ours else A_CPU

    @cached_property
    def cpu(self) -> Processor:
        """What a session without a GPU is likely to compute on: the CPU on which an epoch was measured last, if any."""
        seen = [it.processor for it in self._seen if not it.processor.is_gpu]
        return seen[-1] if seen else A_CPU

    # Jobs.

    def cost(self, job: PendingJob, processor: Processor) -> EpochCost | None:
        """Return what an epoch of a job takes on a processor, None where nothing at all is known of it."""
        return self._measured.epoch_cost(_task(job), processor)

    def job(self, job: PendingJob, processor: Processor) -> Job:
        """Return a job as a policy sees it on a processor."""
        cost = self.cost(job, processor)
        first_s = self.start.seconds + self.lag.seconds
        return Job(
            name=job.name,
            left_s=cost.seconds * job.epochs_left if cost else None,
            first_save_s=first_s + (cost.seconds if cost else 0.0),
            begun=job.has_begun,
            epochs_done=job.epochs_done,
            same_bits=job.processor is None or is_same_kind(job.processor, processor.name),
            pinned=job.was_moved,
            waits=job.sessions_waited,
            deadline_s=job.spec.deadline_s,
            owner=job.owner,
        )

    def ranked(self, jobs: Sequence[Job], *, left_s: float | None = None, is_first: bool = True) -> tuple[Choice, ...]:
        """Rank jobs by the policy of the queue; left_s, is_first: as in a `ChoiceContext`."""
        context = ChoiceContext(now_s=self.now_s, left_s=left_s, is_first=is_first, share=self.share, turns=self.turns)
        return POLICIES[self.rules.policy](jobs, context)

    def by_policy(self, strategy: Strategy) -> Strategy:
        """Return a strategy of ours by which jobs are chosen as in this queue."""
        is_fair = self.rules.policy is Policy.FAIR
        return replace(strategy, line=partial(FairLine, turns=self.turns)) if is_fair else strategy

    def on(self, job: PendingJob, processor: Processor) -> Processor:
        """Return what a job is computed on in a session on a processor."""
        return self.cpu if job.spec.device == "cpu" and processor.is_gpu else processor

    def _waits_for_a_gpu(self, job: PendingJob, processor: Processor) -> bool:
        """Say whether a job has to be on a GPU, and sessions on this processor, which have come, have none."""
        return job.spec.device == "gpu" and not processor.is_gpu and bool(self._of_this_profile())

    def works(self, processor: Processor) -> list[Work]:
        """Return all that is ahead as campaigns take it. A job of unknown length is left out, and one for a GPU where
        sessions come without."""
        found = []
        for job in self.ahead:
            if self._waits_for_a_gpu(job, processor):
                continue
            if cost := self.cost(job, self.on(job, processor)):
                deadline_s = job.spec.deadline_s
                found.append(
                    Work(
                        name=job.name,
                        # Where every epoch is trained the final evaluation is left, and it takes no longer than one.
                        epochs=max(1, job.epochs_left),
                        epoch_s=cost.seconds,
                        unsure=UNSURE[cost.basis],
                        begun=job.has_begun or job.state is State.RUNNING,
                        pinned=job.was_moved,
                        deadline_s=None if deadline_s is None else deadline_s - self.now_s,
                        owner=job.owner,
                    )
                )
        return found

    def forecast(
        self,
        processor: Processor,
        *,
        jobs: int | None,
        rng: Rng,
        worlds: int = WORLDS,
        account: Account | None = None,
    ) -> Forecast:
        """Say when all that is ahead will be done, by sessions on a processor that each end after so many jobs.

        jobs: None for as many as a session lives for. account: what is known of the windows to come, where somebody
        knows more than the queue. Nothing is said of a study, an owner, or all, where a job is left out of `works`.
        """
        works, strategy = self.works(processor), self.by_policy(replace(OURS, jobs=jobs))
        known = account or self.account()
        found = forecast(works, known, strategy, self.costs(), share=self.share, rng=rng, worlds=worlds)
        known_names = {work.name for work in works}
        left_out = [job for job in self.ahead if job.name not in known_names]
        if not left_out:
            return found
        studies, owners = {job.spec.study for job in left_out}, {job.owner for job in left_out}
        return replace(
            found,
            all=None,
            studies={study: it for study, it in found.studies.items() if study not in studies},
            owners={owner: it for owner, it in found.owners.items() if owner not in owners},
        )

    def is_mostly_assumed(self, study: str, processor: Processor) -> bool:
        """Say whether what is left of a study is more of starts and saves that nobody has measured than of training."""
        works = [work for work in self.works(processor) if work.name.partition("/")[0] == study]
        assumed_s = sum(it.seconds for it in (self.start, self.lag) if it.basis is Known.ESTIMATED)
        return assumed_s * len(works) > sum(work.left_s for work in works)

    def costs(self) -> Costs:
        """Return what is not training, as far as it was measured."""
        stalls = sorted(stall_s for pace in self._paces if (stall_s := pace.get("stall_s")))
        stall_s = stalls[len(stalls) // 2] if stalls else ASSUMED_STALL_S
        return Costs(
            start_s=self.start.seconds,
            switch_s=self.start.seconds,
            stall_s=stall_s,
            lag_s=self.lag.seconds,
            unsure=UNSURE_START,
        )

    @cached_property
    def start(self) -> Overhead:
        """What lies before the first step of a session."""
        return start_cost([add(line.seconds, line.attempts[0].seconds) for line in self.sessions if line.attempts])

    @cached_property
    def lag(self) -> Overhead:
        """What lies between a save and its safety in the store."""
        return lag_cost([lag_s for pace in self._paces if (lag_s := pace.get("lag_s")) is not None])

    @cached_property
    def share(self) -> float:
        """Which part of the calendar becomes training, on average."""
        return share_of(self.profile)

    @cached_property
    def _measured(self) -> Measurements:
        return Measurements(self._seen)

    @cached_property
    def _seen(self) -> tuple[EpochSeen, ...]:
        gpus = {line.processor for line in self.sessions if line.has_gpu}
        return tuple(
            EpochSeen(
                task=Task(
                    job=it.job_name,
                    model=it.model,
                    train_samples=it.train_images,
                    image_pixels=it.pixels,
                    trainable=it.trainable,
                ),
                processor=Processor(
                    name=it.processor, is_gpu=it.on_gpu or any(is_same_kind(it.processor, gpu) for gpu in gpus)
                ),
                seconds=it.mean_s,
            )
            for it in self.epochs
            if it.mean_s > 0
        )

    @cached_property
    def _paces(self) -> list[dict[str, float]]:
        return [dict(attempt.pace) for line in self.sessions for attempt in line.attempts if attempt.pace]

    def _of_this_profile(self) -> list[SessionLine]:
        return [line for line in self.sessions if line.profile in ("", self.profile.name)]

    def _is_over(self, line: SessionLine) -> bool:
        """Say whether a session has ended; of one between two jobs that is not written, but it was seen just now."""
        was_seen_s = line.seen_at_s or line.started_at_s
        return line.is_over and (line.ended_at_s is not None or was_seen_s < self.now_s - BETWEEN_JOBS_S)

    def _was_taken(self, line: SessionLine) -> bool:
        """Say whether the provider took the machine away: it was not seen again, or its promised time was up."""
        if line.ended_at_s is not None:
            return line.promised_until_s is not None and line.ended_how == SessionEnd.LIMIT
        return not line.machine or self._last_on[line.machine] == line.id

    @cached_property
    def _known_lives(self) -> dict[bool, Life]:
        """How long sessions with and without a GPU live, once that was asked: hundreds of them take a while."""
        return {}

    @cached_property
    def _last_on(self) -> dict[str, str]:
        """The last session of each machine: it had outlived whatever ended those before."""
        return {line.machine: line.id for line in self.sessions}

    def _of_this_kind(self, *, has_gpu: bool) -> list[SessionLine]:
        return [line for line in self._of_this_profile() if line.has_gpu in (None, has_gpu)]


def look(tx: "Connection", profile: Profile, *, now_s: float, live: LiveQuota | None = None) -> QueueStats:
    """Read everything that forecasts and policies rest on. live: what the provider says of the quota."""
    return QueueStats(
        profile=profile,
        ahead=tuple(jobs_ahead(tx)),
        epochs=tuple(epochs_seen(tx)),
        sessions=session_lines(tx),
        now_s=now_s,
        live=live,
        **_settled(tx),
    )


def _settled(tx: "Connection") -> dict[str, Any]:
    """Return what is settled for the queue, and where it matters whose turn it is."""
    rules = read_rules(tx)
    return {"rules": rules, "turns": turns_of_owners(tx) if rules.policy is Policy.FAIR else {}}


def _task(job: PendingJob) -> Task:
    height, width = job.spec.image_size
    return Task(
        job=job.name,
        model=job.spec.model,
        train_samples=job.train_images,
        image_pixels=height * width,
        trainable=job.spec.trainable,
    )


def _is_at_work(line: SessionLine) -> bool:
    return line.ended_at_s is None and any(attempt.ended_at_s is None for attempt in line.attempts)
