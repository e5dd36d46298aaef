"""Everything about a world that its seed decides, as one value that can be printed.

Worlds are small and unlike each other: each draws which faults it knows at all and one that it knows well, so that
some worlds see few kinds often and others see many kinds at once.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from qcqueue.clock import seeded
from qcqueue.core.rules import Policy, QueueRules
from qcqueue.core.spec import Lineage
from qcqueue.stores.base import LeaseRules
from tests.support.chance import Chance, Fault

# How often each kind strikes each time it could, before a world draws its own share of it.
USUAL_RATES: Mapping[Fault, float] = {
    Fault.KILL_BETWEEN_STEPS: 0.01,
    Fault.KILL_BEFORE_COMMIT: 0.03,
    Fault.KILL_IN_COMMIT: 0.03,
    Fault.KILL_AFTER_COMMIT: 0.03,
    Fault.KILL_BEFORE_PUT: 0.08,
    Fault.CUT_PUT: 0.1,
    Fault.KILL_AFTER_PUT: 0.1,
    Fault.CUT_FETCH: 0.05,
    Fault.KILL_BEFORE_DELETE: 0.3,
    Fault.KILL_AFTER_DELETE: 0.3,
    Fault.KILL_AT_BEAT: 0.01,
    Fault.STORE_BUSY: 0.04,
    Fault.DATABASE_BUSY: 0.06,
    Fault.COMMIT_UNANSWERED: 0.05,
    Fault.STORE_AWAY: 0.1,
    Fault.RACE: 0.15,
    Fault.FROZEN_CALL: 0.02,
    Fault.FROZEN: 0.01,
    Fault.SUSPENDED: 0.5,
    Fault.SESSION_FROZEN: 0.5,
    Fault.CLOCK_JUMP: 0.2,
    Fault.BIT_FLIP: 0.2,
    Fault.TRUNCATION: 0.1,
    Fault.LOSS: 0.1,
    Fault.DATASET_DAMAGE: 0.03,
    Fault.CACHE_FLIP: 0.05,
    Fault.CACHE_DELETED: 0.2,
    Fault.LATE_LISTING: 0.5,
    Fault.TRAINER_VANISHED: 0.08,
    Fault.TRAINER_OUT_OF_MEMORY: 0.01,
    Fault.TRAINER_FAILED: 0.01,
    Fault.TRAINER_BROKE: 0.01,
    Fault.ASKED_TO_STOP: 0.2,
    Fault.HOLD: 0.15,
    Fault.RELEASE: 0.4,
    Fault.CANCEL: 0.06,
    Fault.RETRY: 0.4,
    Fault.MOVE: 0.2,
    Fault.ENQUEUE: 0.1,
}

# Machines go bad in some worlds only, and there more often than not: a machine that breaks stays broken.
BAD_MACHINES: Mapping[Fault, float] = {
    Fault.MACHINE_BROKE: 0.3,
    Fault.DISK_FILLED: 0.1,
    Fault.MACHINE_MENDED: 0.05,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """A job to enqueue. step_count is the number of steps an epoch has."""

    epochs: int
    step_count: int
    early_stopping: int
    needs_gpu: bool
    lineage: Lineage = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePlan:
    """A machine. offset_s, rate and jump_s make its clock wrong; seats is how many sessions it runs at once.

    tensorflow is the version it has, which changes no bits here and is a change all the same.
    """

    processor: str
    threads: int
    has_gpu: bool
    seats: int
    offset_s: float
    rate: float
    tensorflow: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The whole world. Seconds are virtual. owners: of the jobs in turn; rules: what is settled for the queue."""

    seed: int
    jobs: tuple[JobPlan, ...]
    machines: tuple[MachinePlan, ...]
    lease: LeaseRules
    step_s: float
    poll_s: float
    troubled_s: float
    rates: Mapping[Fault, float]
    owners: tuple[str | None, ...] = (None,)
    rules: QueueRules = QueueRules()  # noqa: RUF009 (a frozen value)

    def describe(self) -> str:
        """Return every option on lines of its own."""
        told = {name: value for name, value in asdict(self).items() if name != "rates"}
        rates = [f"    {kind}: {rate:.4f}" for kind, rate in self.rates.items()]
        return "\n".join([*(f"  {name}: {value}" for name, value in told.items()), "  rates:", *rates])


def draw_options(seed: int) -> Options:
    """Return the world of this seed."""
    chance, lineages = seeded(f"world {seed}"), seeded(f"lineages {seed}")
    beat_every_s = chance.uniform(0.3, 1.2)
    return Options(
        seed=seed,
        jobs=tuple(draw_job(chance, lineages) for _ in range(chance.randint(1, 3))),
        machines=tuple(_machine(chance, lineages, first=index == 0) for index in range(chance.randint(1, 3))),
        lease=LeaseRules(beat_every_s=beat_every_s, ttl_s=beat_every_s * chance.uniform(3, 8)),
        step_s=chance.uniform(0.1, 0.5),
        poll_s=chance.uniform(0.2, 0.6),
        troubled_s=chance.uniform(15, 60),
        rates=_rates(chance) | _machine_rates(seeded(f"bad machines {seed}")),
    )


def draw_lab(seed: int) -> Options:
    """Return the world of this seed with more jobs, of several people who have settled how they share it."""
    chance, lineages, plain = seeded(f"lab {seed}"), seeded(f"lineages of lab {seed}"), draw_options(seed)
    return replace(
        plain,
        jobs=tuple(draw_job(chance, lineages) for _ in range(chance.randint(3, 5))),
        owners=chance.choice((("ada", "bob"), ("ada", "ada", "bob"), ("ada", None), (None, "ada", "bob"))),
        rules=QueueRules(policy=chance.choice((*Policy,)), max_running=chance.choice((1, 1, 2))),
    )


def _machine_rates(chance: Chance) -> dict[Fault, float]:
    return dict(BAD_MACHINES) if chance.random() < 0.3 else {}


def _rates(chance: Chance) -> dict[Fault, float]:
    unkindness, well_known = chance.choice((0.3, 1.0, 1.0, 2.0)), chance.choice(list(USUAL_RATES))
    rates = {kind: rate * unkindness for kind, rate in USUAL_RATES.items() if chance.random() < 0.6}
    return rates | {well_known: min(0.5, USUAL_RATES[well_known] * 6)}


def draw_job(chance: Chance, lineages: Chance) -> JobPlan:
    return JobPlan(
        epochs=chance.randint(1, 6),
        step_count=chance.randint(1, 3),
        early_stopping=chance.choice((0, 0, 0, 1, 2)),
        needs_gpu=chance.random() < 0.2,
        lineage=lineages.choice(("any", "any", "same", "refuse")),
    )


def _machine(chance: Chance, lineages: Chance, *, first: bool) -> MachinePlan:
    return MachinePlan(
        processor="A100" if first else chance.choice(("A100", "A100", "T4")),
        threads=chance.choice((1, 2, 8)),
        has_gpu=first or chance.random() < 0.6,
        seats=chance.choice((1, 1, 1, 2)),
        offset_s=chance.choice((0.0, chance.uniform(-30, 30), chance.uniform(-86_400 * 365, 86_400 * 365))),
        rate=chance.choice((1.0, 1.0, chance.uniform(0.9, 1.1))),
        tensorflow=lineages.choice(("2.20", "2.20", "2.21")),
    )
