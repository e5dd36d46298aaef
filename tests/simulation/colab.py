"""A queue, and one session after another on machines of one's choice, with a trainer on paper and its own clock."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from qcqueue.clock import seeded
from qcqueue.conformance.clocks import WorldTime
from qcqueue.providers.base import Profile
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.job_lines import JobLine, job_lines
from qcqueue.queue.values import JobDetail
from qcqueue.stores.base import LeaseRules
from qcqueue.worker.budget import Limits
from tests.support.chance import Fault, Faults
from tests.support.ledger import Ledger
from tests.support.options import JobPlan, MachinePlan
from tests.support.sim_machines import make_place, make_queue, make_spec
from tests.support.sim_session import Life, Surroundings

JOB = "world/job-1"
NO_LIMITS = Profile(name="local", title="no limits")


class Colab:
    """A queue with some jobs. A step of training takes a second, half as long or half as long again."""

    def __init__(self, root: Path, jobs: Sequence[JobPlan]) -> None:
        root.mkdir()
        self.said: list[str] = []
        self.time = WorldTime()
        self._root = root
        self.database, self._store = make_queue(root / "store", self.time)
        self._sessions = 0
        specs = [make_spec(number, plan) for number, plan in enumerate(jobs, 1)]
        self.database.transact(lambda tx: enqueue(tx, specs, attached={}, who="person", now_s=self.time.now_s))

    def session(
        self,
        processor: str = "Tesla T4",
        *,
        has_gpu: bool = True,
        tensorflow: str = "2.20",
        profile: Profile = NO_LIMITS,
        limits: Limits | None = None,
        rates: Mapping[Fault, float] = {},
        taken_after_s: float | None = None,
        machine: int | None = None,
        before_step: Callable[[Life, int], None] = lambda life, number: None,
    ) -> Life:
        """Let a session live to its end, or until the machine is taken away.

        machine: the number of the one it is on, which it may share with sessions of before; None for a fresh one.
        before_step is told of it and how many steps it has done, before each.
        """
        self._sessions += 1
        plan = MachinePlan(
            processor=processor, threads=2, has_gpu=has_gpu, seats=1, offset_s=0.0, rate=1.0, tensorflow=tensorflow
        )
        place = make_place(plan, self._sessions if machine is None else machine, self.time, self._root)
        ledger = Ledger(self._store.root, self.time, LeaseRules())
        around = Surroundings(
            database=self.database,
            store=self._store,
            ledger=ledger,
            faults=Faults(seeded(1), rates, lambda _: None),
            chance=seeded(1),
            step_s=1.0,
            profile=profile,
            on_trainer_start=lambda *_: None,
            on_take_up=lambda *_: None,
            pause=lambda _: None,
            tell=lambda _, what: self.said.append(what),
        )
        life = Life(f"s{self._sessions}", place, limits or Limits(jobs=None), around)
        ends_s = self.time.now_s + (math.inf if taken_after_s is None else taken_after_s)
        trainer_due_s = self.time.now_s
        for number in itertools.count():
            before_step(life, number)
            if self.time.now_s >= ends_s or (delay_s := life.step()) is None:
                break
            next_s = self.time.now_s + delay_s
            while trainer_due_s <= next_s and (wait_s := life.trainer.advance()) is not None:
                trainer_due_s = max(trainer_due_s, self.time.now_s) + wait_s
            self.time.now_s = next_s
        life.end(ledger)
        return life

    def lines(self) -> dict[str, JobLine]:
        with self.database.read() as tx:
            return {line.name.removeprefix("world/"): line for line in job_lines(tx)}

    def of(self, job: str) -> JobDetail:
        with self.database.read() as tx:
            return job_detail(tx, job)

    @property
    def detail(self) -> JobDetail:
        return self.of(JOB)

    @property
    def outcomes(self) -> list[str]:
        return [str(attempt.outcome) for attempt in self.detail.attempts]

    @property
    def lineages(self) -> list[int]:
        return [epoch.lineage for epoch in self.detail.official_epochs()]
