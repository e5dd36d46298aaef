"""One life: a session's process with everything that dies with it.

The session, its trainer, the lock the kernel holds for it, and its view of the store and the database, which may
be cut at any call. The world decides when it runs, freezes and dies; a life that is over is never stepped again.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

from qcqueue.core.outcomes import Cause
from qcqueue.database.local import LocalDatabase
from qcqueue.providers.base import Profile
from qcqueue.spool.weights import FoundWeights
from qcqueue.spool.writer import TrainerSpool
from qcqueue.stores.folder import FolderStore
from qcqueue.worker.budget import Limits
from qcqueue.worker.session import Session
from qcqueue.worker.session_deps import SessionDeps
from qcqueue.worker.session_locks import SESSIONS, SessionLocks
from tests.support.chance import Chance, Faults
from tests.support.databases import FaultyDatabase
from tests.support.ledger import Ledger
from tests.support.sim_machines import Place
from tests.support.stores import FaultyStore
from tests.support.trainer import FakeTrainer

STEPS_TO_HEED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all lives of a world share."""

    database: LocalDatabase
    store: FolderStore
    ledger: Ledger
    faults: Faults
    chance: Chance
    step_s: float
    profile: Profile
    on_trainer_start: Callable[["Life", TrainerSpool], None]
    on_take_up: Callable[["Life", TrainerSpool], None]
    pause: Callable[["Life"], None]
    tell: Callable[[str, str], None]


class Life:
    """A running session on a place."""

    def __init__(self, session_id: str, place: Place, limits: Limits, around: Surroundings) -> None:
        self.id = session_id
        self.place = place
        self.over = False
        self.spool: TrainerSpool | None = None
        self._steps_since_asked: int | None = None
        self.frozen_until_s = 0.0
        self.trainer_frozen_until_s = 0.0
        self.locks = MortalLocks(place.cache / SESSIONS)
        self.trainer = FakeTrainer(
            processor=place.plan.processor,
            tensorflow=place.plan.tensorflow,
            step_s=around.step_s,
            chance=around.chance,
            faults=around.faults,
            is_broken=lambda: place.is_broken,
            is_full=lambda: place.is_full,
            on_end=lambda job, cause: self._note_end(around.ledger, job, cause),
            on_start=lambda spool: around.on_trainer_start(self, spool),
            on_take_up=lambda spool: around.on_take_up(self, spool),
        )
        deps = self._deps(place, around)
        around.ledger.machine_of[session_id] = deps.machine.id
        self.session = Session(session_id, deps, limits)

    def _deps(self, place: Place, around: Surroundings) -> SessionDeps:
        def pause() -> None:
            around.pause(self)

        return SessionDeps(
            database=FaultyDatabase(around.database, around.ledger, around.faults, pause),
            store=FaultyStore(around.store, around.ledger, around.faults, pause, is_full=lambda: place.is_full),
            trainer=self.trainer,
            clock=place.clock,
            locks=self.locks,
            machine=place.machine(),
            cache=place.cache,
            lease=around.ledger.lease,
            profile=around.profile,
            check_weights=lambda wanted: FoundWeights(path=place.cache / wanted.file.name),
            memory_kills=lambda: self.trainer.memory_kills,
            narrate=lambda text: around.tell(self.id, text),
        )

    def _note_end(self, ledger: Ledger, job: str, cause: Cause | None) -> None:
        if cause is None:
            ledger.vanished[job, self.id] += 1
        elif cause is Cause.CODE_ERROR:
            ledger.unexplained[job].add(self.id)
        else:
            ledger.excuses.add((job, str(cause)))

    def step(self) -> float | None:
        if self._steps_since_asked is not None:
            self._steps_since_asked += 1
        return self.session.step()

    def ask_to_stop(self) -> None:
        """Ctrl-C, at any instant, within a step too."""
        self.session.ask_to_stop()
        self._steps_since_asked = 0

    def heeds_the_stop(self) -> bool:
        """Return whether a running trainer was told in time that its session was asked to stop."""
        late = self._steps_since_asked is not None and self._steps_since_asked >= STEPS_TO_HEED
        return not (late and self.trainer.exit_code() is None and self.spool and not self.spool.should_stop())

    def end(self, ledger: Ledger) -> None:
        """The process is over: the kernel drops its lock, and its trainer goes with it."""
        self.over = True
        self.trainer.kill()
        self.locks.die()
        ledger.gone.add(self.id)


class MortalLocks(SessionLocks):
    """The real lock files, held by one simulated process."""

    def die(self) -> None:
        """Close the descriptors as the kernel would; the lock files stay, as proof that someone was here."""
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()
