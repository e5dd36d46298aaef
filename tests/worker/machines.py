"""Sessions with a scripted trainer, a store that may refuse and a database that may lose answers, in virtual time."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from qcqueue.app.context import QueueContext, context_in
from qcqueue.conformance.clocks import MachineClock, WorldTime
from qcqueue.core.outcomes import Cause, Trouble
from qcqueue.core.phases import Phase
from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.core.records import Snapshot
from qcqueue.database.local import LocalDatabase
from qcqueue.errors import OutcomeUnknown
from qcqueue.providers.base import Profile
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.job_lines import job_lines
from qcqueue.queue.values import AttemptLine, JobDetail
from qcqueue.spool.files import FAILED, EpochEntry, Failure, TrainerProgress
from qcqueue.spool.writer import SpoolWriter, TrainerSpool
from qcqueue.worker.budget import Limits
from qcqueue.worker.session import Session
from qcqueue.worker.session_deps import SessionDeps
from tests.cli.queues import EPOCHS, TIMING, House, a_job, put
from tests.engines.worlds import a_record
from tests.support.null_trainer import PaperTrainer, a_session
from tests.support.runs import first_state, identity_of, predictions_of, result_of, tensors_of, trained, validated

T = TypeVar("T")
Script = Callable[[TrainerSpool], Iterator[int | None]]
"""What a trainer does: it is asked on at every look, and may return its exit status."""

ONE_S = Quantiles(p10_s=1e6, p50_s=1e6, p90_s=1e6, basis=Basis.PROFILE)
LENT = Profile(name="lent", title="lends GPUs", session=ONE_S, cool_off=ONE_S)
OWN = Profile(name="own", title="no limits")


def fails(cause: Cause | Trouble, message: str = "it is broken", *, phase: Any = "building") -> Script:
    """Give up with a word, in a phase."""

    def script(spool: TrainerSpool) -> Iterator[int | None]:
        yield from _waits_to_begin(spool)
        spool.progress.write(TrainerProgress(phase=Phase(phase)))
        spool.failure.write(Failure(cause=cause, message=message))
        yield FAILED

    return script


def exits(code: int, *, phase: Any = "starting", after_epochs: int = 0) -> Script:
    """End without a word; phase: where it was last, None for one that never came so far as to say so."""

    def script(spool: TrainerSpool) -> Iterator[int | None]:
        yield from _waits_to_begin(spool)
        spool.log_path.write_text("Traceback\nKeyError: 'kernel'\n")
        if phase:
            spool.progress.write(TrainerProgress(phase=Phase(phase)))
        if after_epochs:
            yield from _epochs(spool, after_epochs)
        yield code

    return script


def trains(epochs: int | None = None) -> Script:
    """Train so many epochs, or as long as it may; then end well."""

    def script(spool: TrainerSpool) -> Iterator[int | None]:
        yield from _epochs(spool, epochs)
        yield 0

    return script


def idles_after(epochs: int) -> Script:
    """Train so many epochs, and be busy for ever with the next."""

    def script(spool: TrainerSpool) -> Iterator[int | None]:
        yield from _epochs(spool, epochs)
        while True:
            yield None

    return script


def lingers(phase: Phase, *, after_epochs: int) -> Script:
    """Train so many epochs, be in a phase for some minutes, and leave before that is over."""

    def script(spool: TrainerSpool) -> Iterator[int | None]:
        yield from _epochs(spool, after_epochs)
        spool.progress.write(TrainerProgress(phase=phase, epoch=after_epochs, epochs=EPOCHS))
        for _ in range(1000):
            yield None
        yield 0

    return script


def _waits_to_begin(spool: TrainerSpool) -> Iterator[None]:
    while not spool.is_ready():
        yield None


def finishes() -> Script:
    """Train to the end, and evaluate."""

    def script(spool: TrainerSpool) -> Iterator[int | None]:
        yield from _epochs(spool, EPOCHS, evaluates=True)
        yield 0

    return script


def _epochs(spool: TrainerSpool, epochs: int | None, *, evaluates: bool = False) -> Iterator[None]:
    yield from _waits_to_begin(spool)
    order, writer = spool.order.read(), SpoolWriter(spool)
    assert order is not None
    resumed = spool.resumed()
    identity = identity_of("paper", order.threads, "none")
    record = resumed.record if resumed else replace(a_record(), spec_sha256=order.spec.digest, identity=identity)
    state = best = first_state(order.spec)
    for _ in range(epochs) if epochs is not None else itertools.count():
        if spool.should_stop():
            return
        epoch = record.epochs_done + 1
        told = TrainerProgress(phase=Phase.TRAINING, epoch=epoch, epochs=order.spec.epochs, step=1, steps=1)
        spool.progress.write(told)
        state, partial = trained(state, record.partial, epoch, identity)
        record = replace(record, partial=partial)
        number = writer.state(Snapshot(tensors=tensors_of(state), record=record, paths={}))
        metrics = validated(state, partial, epoch, order.spec)
        record = record.with_epoch(metrics, patience=0)
        is_best = record.best_epoch == epoch
        writer.epoch(EpochEntry(record=record, timing=TIMING, state_entry=number), is_best=is_best)
        if is_best:
            best = state
        yield None
    if evaluates:
        writer.result(result_of(record.history, state, best), predictions_of(state, best))


class ScriptedTrainer(PaperTrainer):
    """Plays one script after the other, the last one again and again."""

    def __init__(self, *scripts: Script) -> None:
        super().__init__(epochs=0, state_bytes=4, together=True)
        self.starts = 0
        self.readied: list[int | None] = []
        """At each call for a trainer to get ready, the exit status of the one at work; None where that runs."""
        self._scripts = [*scripts]
        self._playing: Iterator[int | None] = iter(())
        self._code: int | None = 0

    def get_ready(self, engine: str) -> None:
        self.readied.append(self._code)

    def start(self, folder: Path) -> None:
        self.starts += 1
        self._code = None
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        self._playing = script(TrainerSpool(folder))

    def exit_code(self) -> int | None:
        if self._code is None:
            self._code = next(self._playing, 0)
        return self._code

    def end(self) -> None:
        self.kill()

    def kill(self) -> None:
        if self._code is None:
            self._code = -9


class Moody:
    """A store or a database that raises its mood wherever it is asked to; `for_what` names the calls, "" all."""

    def __init__(self, real: Any) -> None:
        self.mood: Exception | None = None
        self.for_what: tuple[str, ...] = ("put", "beat", "fetch", "transact", "list_blobs", "delete")
        self.loses_answers = 0
        self._real = real

    def transact(self, action: Callable[..., T]) -> T:
        self._ask("transact")
        answer: T = self._real.transact(action)
        if self.loses_answers:
            self.loses_answers -= 1
            raise OutcomeUnknown("the answer was lost")
        return answer

    def _ask(self, what: str) -> None:
        if self.mood and what in self.for_what:
            raise self.mood

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name not in ("put", "beat", "fetch", "list_blobs", "delete"):
            return real

        def asked(*arguments: Any, **others: Any) -> Any:
            self._ask(name)
            return real(*arguments, **others)

        return asked


@dataclass(kw_only=True)
class Machine:
    """A machine with a cache of its own, at work on the queue of a house."""

    house: House
    name: str
    time: WorldTime = field(default_factory=WorldTime)
    said: list[str] = field(default_factory=list)
    memory_kills: int = 0
    sessions: int = 0
    step_s: float = 0.0

    @property
    def place(self) -> QueueContext:
        return context_in(self.house.store, cache=self.house.folder / f"cache-{self.name}")

    def session(self, *scripts: Script, limits: Limits | None = None, profile: Profile = OWN) -> Session:
        self.sessions += 1
        clock = MachineClock(self.time)
        limits = limits or Limits(jobs=None)
        session = a_session(f"{self.name}s{self.sessions}", self.place, ScriptedTrainer(*scripts), limits, clock)
        deps: SessionDeps = session.deps
        changed = replace(
            deps,
            store=Moody(deps.store),
            database=Moody(LocalDatabase(self.house.database, durable=False)),
            machine=replace(deps.machine, id=self.name, host=self.name),
            profile=profile,
            memory_kills=lambda: self.memory_kills,
            narrate=self.said.append,
        )
        return Session(session.id, changed, limits)

    def run(
        self, session: Session, *, meddle: Callable[[Session, int], None] = lambda session, number: None
    ) -> Session:
        """Let a session live to its end; meddle is called before each step."""
        for number in range(60_000):
            meddle(session, number)
            delay_s = session.step()
            if delay_s is None:
                return session
            self.time.now_s += max(delay_s, self.step_s) if delay_s else 0.0
        raise AssertionError(f"it did not end: {self.said[-3:]}")

    def works(self, *scripts: Script, **others: Any) -> Session:
        return self.run(self.session(*scripts, **others))


def moods(session: Session) -> tuple[Moody, Moody]:
    """Return the store and the database of a session."""
    store: Any = session.deps.store
    database: Any = session.deps.database
    return store, database


def detail(house: House, name: str) -> JobDetail:
    with house.queue.read() as tx:
        return job_detail(tx, f"tiny/{name}")


def states(house: House) -> dict[str, str]:
    with house.queue.read() as tx:
        return {line.name.removeprefix("tiny/"): str(line.state) for line in job_lines(tx)}


def last(house: House, name: str) -> AttemptLine:
    return detail(house, name).attempts[-1]


def enqueue(house: House, *names: str, **changes: Any) -> None:
    put(house.queue, *(a_job(name, seed=number, **changes) for number, name in enumerate(names, 1)))
