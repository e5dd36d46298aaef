"""A world in a box: machines, people, a store and a queue, all decided by one seed.

The real session, queue, database, checkpoint and store code runs on a virtual clock; the world owns only time and
trouble. It has two halves. First faults flow and nothing wrong may happen; then faults stop and everything must
finish. Others may run within the step of a session, at any of its calls, so races inside a step are explored.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from qcqueue.clock import seeded
from qcqueue.conformance.clocks import CountedIds, WorldTime
from qcqueue.core.outcomes import SessionEnd
from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.core.rules import RULES, QueueRules
from qcqueue.errors import CorruptionError, StoreError
from qcqueue.providers.base import Profile
from qcqueue.queue.rules import settle
from qcqueue.spool.writer import TrainerSpool
from qcqueue.worker.budget import Limits
from tests.support.chance import Crash, Fault, Faults
from tests.support.databases import FaultyDatabase
from tests.support.inspector import Inspector
from tests.support.ledger import Ledger, Violation
from tests.support.operators import People
from tests.support.options import Options
from tests.support.sim_machines import Place, make_place, make_queue
from tests.support.sim_session import Life, Surroundings
from tests.support.stores import FaultyStore

NESTED_MOST = 3
CALM_S = 600.0
EVENTS_MOST = 30_000


@dataclass(slots=True, kw_only=True)
class Report:
    """What a world was like: its log and its counts."""

    log: list[str] = field(default_factory=list)
    hits: Counter[Fault] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    endings: Counter[str] = field(default_factory=Counter)


PROFILES = (
    Profile(name="local", title="nothing is known of how long a session lives"),
    Profile(
        name="harsh",
        title="most sessions end within some epochs",
        session=Quantiles(p10_s=4.0, p50_s=30.0, p90_s=200.0, basis=Basis.PROFILE),
        ceiling_s=600.0,
    ),
)


class World:
    """One world below `root`, an empty folder. `run` lives it to its end."""

    def __init__(self, options: Options, root: Path) -> None:
        self.report = Report()
        self._options = options
        self._root = root
        self._time = WorldTime()
        self._chance = seeded(f"events {options.seed}")
        self._ids = CountedIds("s")
        self._heap: list[tuple[float, float, int, Callable[[], None]]] = []
        self._events = 0
        self._depth = 0
        self._lives: list[Life] = []
        self._faults = Faults(seeded(f"faults {options.seed}"), options.rates, lambda kind: self._tell("fault", kind))
        self._database, store = make_queue(root / "store", self._time)
        self._ledger = Ledger(store.root, self._time, options.lease)
        self._inspector = Inspector(self._database.path, self._ledger)
        self._ledger.look = self._inspector.look
        self._places = [make_place(plan, at, self._time, root) for at, plan in enumerate(options.machines)]
        self._around = Surroundings(
            database=self._database,
            store=store,
            ledger=self._ledger,
            faults=self._faults,
            chance=self._chance,
            step_s=options.step_s,
            profile=seeded(f"profile {options.seed}").choice(PROFILES),
            on_trainer_start=self._trainer_started,
            on_take_up=lambda life, spool: self._inspector.run_taken_up(life.id, spool),
            pause=self._pause,
            tell=self._tell,
        )
        # What people type is not killed within a call; that it may be refused or shown late is theirs to bear.
        mild = {kind: options.rates.get(kind, 0.0) for kind in (Fault.STORE_BUSY, Fault.LATE_LISTING)}
        self._mild_faults = Faults(seeded(f"mild {options.seed}"), mild, lambda kind: self._tell("fault", kind))
        self._people = People(
            database=FaultyDatabase(self._database, self._ledger, self._mild_faults, lambda: None),
            store=FaultyStore(store, self._ledger, self._mild_faults, lambda: None),
            root=store.root,
            places=self._places,
            owners=options.owners,
            lives=self._lives,
            chance=self._chance,
            faults=self._faults,
            ledger=self._ledger,
            inspector=self._inspector,
            tell=self._tell,
        )

    def run(self) -> Report:
        """Live both halves. Raises: Violation."""
        self._settle(self._options.rules)
        self._ledger.look()
        for plan in self._options.jobs:
            self._people.enqueue(plan)
        for place in self._places:
            for _ in range(place.plan.seats):
                self._begin_later(place)
        self._people_later()
        self._run_until(self._options.troubled_s)
        self._calm_down()
        self.report.hits = self._faults.hits + self._mild_faults.hits
        self.report.checked = self._inspector.checked
        return self.report

    def _settle(self, rules: QueueRules) -> None:
        def settle_all(tx: Connection) -> None:
            for name in RULES:
                settle(tx, name, rules.text_of(name), who="person", now_s=0.0)

        self._database.transact(settle_all)
        self._ledger.max_running = rules.max_running

    def close(self) -> None:
        for life in self._lives:
            life.end(self._ledger)
        self._inspector.close()
        self._database.close()

    def _calm_down(self) -> None:
        """Stop all faults; everything that was not cancelled must be done, and stay done when sleepers wake."""
        self._tell("world", "calm from here")
        self._faults.flowing = self._mild_faults.flowing = False
        self._ledger.store_is_away = False
        until_s = self._time.now_s + CALM_S
        while not self._all_over():
            self._ledger.demand(self._time.now_s < until_s, f"jobs are not done after {CALM_S:.0f} s without faults")
            self._people.make_amends()
            self._run_until(self._time.now_s + self._options.lease.ttl_s)
        self._run_until(max([self._time.now_s, *(life.frozen_until_s for life in self._lives)]) + 1.0)
        self._ledger.demand(self._all_over(), "a job that was done is not done any more")

    def _all_over(self) -> bool:
        return all(job.state in ("done", "cancelled") for job in self._inspector.rows.jobs.values())

    # Time.

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        self._events += 1
        self._ledger.demand(self._events < EVENTS_MOST, f"more than {EVENTS_MOST} events")
        heapq.heappush(self._heap, (self._time.now_s + delay_s, self._chance.random(), self._events, action))

    def _run_until(self, until_s: float) -> None:
        while self._heap and self._heap[0][0] <= until_s:
            due_s, _, _, action = heapq.heappop(self._heap)
            self._time.now_s = max(self._time.now_s, due_s)
            action()
        self._time.now_s = max(self._time.now_s, until_s)

    def _pause(self, life: Life) -> None:
        """Let others run while a session is within a call; now and then for longer than its lease."""
        if self._ledger.transactions_open or self._depth >= NESTED_MOST:
            return
        if self._faults.hit(Fault.FROZEN_CALL):
            for_s = self._ledger.lease.ttl_s * self._chance.uniform(1.2, 3)
            self._suspend(life, for_s)
        elif self._faults.hit(Fault.RACE):
            for_s = self._options.poll_s * self._chance.uniform(0, 4)
        else:
            return
        self._depth += 1
        try:
            self._run_until(self._time.now_s + for_s)
        finally:
            self._depth -= 1

    # Sessions.

    def _begin_later(self, place: Place, *, idle: bool = False) -> None:
        """Begin another session here; sooner than a lease lasts, or later where there was nothing to do."""
        wait_s = self._ledger.lease.ttl_s * (self._chance.uniform(2, 5) if idle else self._chance.uniform(0, 0.8))
        self._later(wait_s, lambda: self._begin(place))

    def _begin(self, place: Place) -> None:
        life = Life(self._ids.new(), place, self._limits(), self._around)
        self._lives.append(life)
        self._tell(life.id, f"begins on {place.name}")
        self._step_later(life, 0.0)

    def _limits(self) -> Limits:
        return Limits(
            max_minutes=self._chance.choice((None, None, self._chance.uniform(0.05, 0.5))),
            max_epochs=self._chance.choice((None, None, 1, 2)),
            jobs=self._chance.choice((1, 1, 3)),
        )

    def _step_later(self, life: Life, delay_s: float) -> None:
        slack_s = self._options.poll_s * self._chance.random() if delay_s else 0.0
        self._later(delay_s + slack_s, lambda: self._step(life))

    def _step(self, life: Life) -> None:
        if life.over or self._is_frozen(life):
            return
        self.report.steps += 1
        self._ledger.step_began_s[life.id] = self._time.now_s
        try:
            self._faults.crash_on(Fault.KILL_BETWEEN_STEPS)
            delay_s = life.step()
        except Crash:
            self._end(life, "is killed")
        except (StoreError, CorruptionError) as exc:
            holds = any(row.session_id == life.id and not row.outcome for row in self._inspector.rows.attempts.values())
            self._ledger.demand(not holds or isinstance(exc, CorruptionError), f"{life.id} dropped its job: {exc}")
            self._end(life, f"gives up: {exc}")
        except Violation:
            raise
        except Exception as exc:
            raise Violation(f"{life.id} raised {type(exc).__name__}: {exc}") from exc
        else:
            self._after_step(life, delay_s)

    def _after_step(self, life: Life, delay_s: float | None) -> None:
        if delay_s is None:
            self._inspector.session_left(life.id, str(life.session.ending))
            self.report.endings[str(life.session.ending)] += 1
            self._end(life, f"leaves: it {life.session.ending}")
        else:
            self._step_later(life, delay_s)

    def _is_frozen(self, life: Life) -> bool:
        """Return whether the life sleeps now, having seen to its awakening."""
        if life.frozen_until_s <= self._time.now_s and self._faults.hit(Fault.FROZEN):
            for_s = self._ledger.lease.ttl_s * self._chance.uniform(1.2, 4)
            life.frozen_until_s = self._time.now_s + for_s
            if not self._faults.hit(Fault.SESSION_FROZEN):
                life.trainer_frozen_until_s = life.frozen_until_s
            self._suspend(life, for_s)
        if life.frozen_until_s > self._time.now_s:
            self._later(life.frozen_until_s - self._time.now_s, lambda: self._step(life))
            return True
        return False

    def _suspend(self, life: Life, for_s: float) -> None:
        if life.place.plan.seats == 1 and self._faults.hit(Fault.SUSPENDED):
            life.place.clock.was_suspended(for_s)

    def _end(self, life: Life, how: str) -> None:
        self._tell(life.id, how)
        life.end(self._ledger)
        self._lives.remove(life)
        self._begin_later(life.place, idle=life.session.ending in (SessionEnd.NOTHING_TO_DO, SessionEnd.CANNOT_START))

    # Trainers.

    def _trainer_started(self, life: Life, spool: TrainerSpool) -> None:
        self._ledger.trainer_began_s[life.id] = self._ledger.step_began_s[life.id]
        life.spool, number = spool, life.trainer.lives
        self._later(0.0, lambda: self._train(life, number))

    def _train(self, life: Life, number: int) -> None:
        if life.over or life.trainer.lives != number:
            return
        if life.trainer_frozen_until_s > self._time.now_s:
            self._later(life.trainer_frozen_until_s - self._time.now_s, lambda: self._train(life, number))
            return
        self._ledger.demand(life.heeds_the_stop(), f"{life.id} was asked to stop and did not tell its trainer")
        delay_s = life.trainer.advance()
        if delay_s is not None:
            self._later(delay_s, lambda: self._train(life, number))

    # The rest.

    def _people_later(self) -> None:
        self._later(self._chance.uniform(0.5, 6.0), self._people_act)

    def _people_act(self) -> None:
        if self._faults.flowing:
            self._people.act()
            self._people_later()

    def _tell(self, who: str, what: str) -> None:
        line = f"{self._time.now_s:9.3f}  {who:<6}  {what}"
        self.report.log.append(line.replace(str(self._root), "WORLD"))
