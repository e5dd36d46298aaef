"""Which job this session takes, how long it will likely live, and whether the next save is worth waiting for.

What is known is the `QueueStats`'s and what follows from it is `planning`'s; this holds the two against the age of one
session on one machine.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qcqueue.clock import Rng, seeded
from qcqueue.core.goodput import Part
from qcqueue.core.obstacles import Obstacle
from qcqueue.core.phases import Phase
from qcqueue.core.spec import Device
from qcqueue.planning.estimates import Processor
from qcqueue.planning.forecast import Forecast
from qcqueue.planning.policies import Choice, in_sequence
from qcqueue.planning.queue_stats import QueueStats, look
from qcqueue.planning.stopping_rule import StopAdvice, Unit, judge
from qcqueue.planning.survival import Life
from qcqueue.planning.windows import LONGEST_S
from qcqueue.queue.forecasts import ForecastLine
from qcqueue.spool.files import TrainerProgress
from qcqueue.worker.budget import Budget
from qcqueue.worker.checkpoint_tuner import CheckpointTuner
from qcqueue.worker.session_deps import SessionDeps

if TYPE_CHECKING:
    from sqlalchemy import Connection

# A longer queue is not played out when a job is taken: nobody waits for its dates then.
MOST_JOBS = 100

NO_ROOM = Obstacle("a save would not be safe before the likely end of this session")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The jobs that may be taken now, the best first, with what that rests on: one look at the queue."""

    choices: tuple[Choice, ...]
    stats: QueueStats
    life: Life


class Chooser:
    """The choices of one session. ranking: what it was told of the queue last; None before."""

    def __init__(self, deps: SessionDeps, budget: Budget) -> None:
        self.ranking: Ranking | None = None
        self._deps = deps
        self._budget = budget
        known_s = deps.machine_age_s
        self._age_before_s = sum(deps.before.values()) if known_s is None else known_s

    @property
    def age_s(self) -> float:
        """How old the machine is: a provider counts what lay before this session too."""
        return self._age_before_s + self._deps.clock.monotonic_s() - self._budget.started_s

    def rank(self, tx: "Connection", names: Collection[str], *, is_first: bool, seen: Ranking | None = None) -> Ranking:
        """Look at the queue and rank those of these jobs that may be taken now, by whoever this session is of.

        seen: what was looked at a moment ago. The queue is looked at again, and what is long past is not.
        """
        now_s = self._deps.clock.now_s()
        deps = self._deps
        if seen:
            stats, life = seen.stats.with_queue_of(tx, now_s=now_s), seen.life
        else:
            stats = look(tx, deps.profile, now_s=now_s, live=deps.live)
            life = stats.life(has_gpu=deps.machine.has_gpu)
        for_us = [job for job in stats.ahead if not deps.profile.bars(job.owner, whose=deps.owner)]
        jobs = [stats.job(job, self.processor(job.spec.device)) for job in for_us if job.name in names]
        likely_s = self._promised(life).quantile(0.5, self.age_s)
        return Ranking(choices=stats.ranked(jobs, left_s=likely_s, is_first=is_first), stats=stats, life=life)

    def after(self, name: str) -> tuple[str, ...]:
        """Return the jobs that come after this one, as far as the last look knows, the next first."""
        choices = in_sequence(self.ranking.choices) if self.ranking else ()
        return tuple(job for choice in choices if (job := choice.job.name) != name)

    @property
    def is_lent(self) -> bool:
        """Whether the machine is given for a time, and takes its disk along when it goes."""
        return self.ranking is not None and self.ranking.stats.lends_gpus

    def processor(self, device: Device) -> Processor:
        """Return what a job of this device is computed on here."""
        machine = self._deps.machine
        return Processor(name=machine.processors(device)[0], is_gpu=machine.has_gpu and device != "cpu")

    def basis(self, name: str) -> str | None:
        """Return in words how it is known what is left of a job here; None: it is not known."""
        stats = self._known.stats
        job = next((job for job in stats.ahead if job.name == name), None)
        if job is None:
            return None
        processor = self.processor(job.spec.device)
        cost = stats.cost(job, processor)
        if cost is None:
            return None
        return cost.said if processor.is_gpu else f"{cost.said}, and this is {processor.name}"

    def left(self, name: str) -> tuple[float, int]:
        """Return about how long is left of a job here, in seconds, 0 where nobody knows, and in how many sessions."""
        jobs = [choice.job for choice in self._known.choices if choice.job.name == name] if self.ranking else []
        if not jobs or jobs[0].left_s is None:
            return 0.0, 1
        left_s, here_s = jobs[0].left_s, self._promised(self._known.life).quantile(0.5, self.age_s)
        if left_s <= here_s:
            return left_s, 1
        return left_s, 1 + math.ceil((left_s - here_s) / max(1.0, self._known.life.quantile(0.5)))

    def foresee(self, session_id: str) -> list[ForecastLine]:
        """Return what is to be expected from now on: when this session is taken away, and when each study is done.

        It rests on the last look, which is that of the claim.
        """
        stats = self._known.stats
        now_s, own = stats.now_s, self._promised(self._known.life).spread(self.age_s)
        ranges: list[tuple[str | None, float, float, float]] = []
        if own.p90_s < LONGEST_S:
            ranges.append((None, own.p10_s, own.p50_s, own.p90_s))
        if self._deps.worlds and len(stats.ahead) <= MOST_JOBS:
            processor = self._processor_of_others(stats)
            played, begun_s = self._played(stats, processor, seeded(session_id)), self._start_behind_s(stats)
            for study, it in played.studies.items():
                if stats.is_mostly_assumed(study, processor):  # nobody could tell whether it was right for its reasons
                    continue
                low_s, likely_s, high_s = (max(0.0, in_s - begun_s) for in_s in (it.p10_s, it.p50_s, it.p90_s))
                ranges.append((study, low_s, likely_s, high_s))
        return [
            ForecastLine(
                session_id=session_id,
                study=study,
                made_at_s=now_s,
                low_s=now_s + low_s,
                likely_s=now_s + likely_s,
                high_s=now_s + high_s,
            )
            for study, low_s, likely_s, high_s in ranges
        ]

    def _start_behind_s(self, stats: QueueStats) -> float:
        """Return how much of its start this session has behind it, where a forecast counts all of it."""
        before_s = sum(self._deps.before.get(part, 0.0) for part in (Part.BOOT, Part.INSTALL))
        here_s = self._deps.clock.monotonic_s() - self._budget.started_s
        return min(stats.start.seconds, before_s + here_s)

    def _processor_of_others(self, stats: QueueStats) -> Processor:
        """Return what sessions to come compute on: where GPUs are lent, their days are not those of a CPU."""
        return stats.processor if stats.lends_gpus and not self._deps.machine.has_gpu else self.processor("any")

    def _played(self, stats: QueueStats, processor: Processor, rng: Rng) -> Forecast:
        """Play out what is ahead, with what the queue does not know yet: that this session holds its machine."""
        account = stats.account()
        if self._deps.machine.has_gpu:
            account = replace(account, age_s=self.age_s, next_in_s=None)
        return stats.forecast(
            processor, jobs=self._budget.limits.jobs, rng=rng, worlds=self._deps.worlds, account=account
        )

    def verdict(self, tuner: CheckpointTuner, progress: TrainerProgress) -> StopAdvice | None:
        """Judge whether to train up to the next save; None where steps are not trained or not measured.

        What is trained already does not count for going on: whoever leaves now saves it too. Neither does an end that
        is promised: before that there is a last save in time, wherever in an epoch it falls.
        """
        if not self._ends_some_time or progress.phase is not Phase.TRAINING:
            return None
        train_s = tuner.until_save_s(progress)
        if train_s is None or self.ranking is None:
            return None
        lag_s, stall_s = tuner.measured.lag_s, tuner.measured.stall_s or 0.0
        unit = Unit(train_s=train_s, stall_s=stall_s, lag_s=self.ranking.stats.lag.seconds if lag_s is None else lag_s)
        return judge(unit, self.ranking.life, age_s=self.age_s, has_saved=True)

    @property
    def _ends_some_time(self) -> bool:
        """Whether the provider takes machines away: on one's own, to leave keeps nothing."""
        profile = self._deps.profile
        return any(it is not None for it in (profile.session, profile.ceiling_s, profile.window, profile.cool_off))

    @property
    def _known(self) -> Ranking:
        assert self.ranking is not None, "a session looks before it asks"
        return self.ranking

    def _promised(self, life: Life) -> Life:
        """Return how long this session lives, by what was seen, what its provider allows and what was promised."""
        minutes = self._budget.limits.promised_minutes
        return life if minutes is None else life.promised(self._age_before_s + minutes * 60)
