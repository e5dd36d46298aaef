"""A session that trains on paper: everything real but the training, to count what saving costs over a network.

`PaperTrainer` writes states of a given size and the records of epochs that nobody trained; `run_on_drive` lets a real
session save them on an emulated Drive and returns every request that took, and how much of the quota was ever used.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qcqueue.app.context import QueueContext, create_queue, open_context
from qcqueue.app.settings import load_settings
from qcqueue.clock import Clock, SystemClock
from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.outcomes import SessionEnd
from qcqueue.core.records import EpochMetrics, EpochTiming, Identity, PartialEpoch, Snapshot, TrainingRecord
from qcqueue.providers.base import Profile
from qcqueue.queue.datasets import add_dataset
from qcqueue.queue.enqueue import enqueue
from qcqueue.spool.files import EpochEntry
from qcqueue.spool.weights import FoundWeights
from qcqueue.spool.writer import SpoolWriter, TrainerSpool
from qcqueue.stores.base import BlobKind
from qcqueue.worker.budget import Limits
from qcqueue.worker.machine import Machine
from qcqueue.worker.session import Session
from qcqueue.worker.session_deps import SessionDeps
from qcqueue.worker.session_locks import SessionLocks
from tests.support.drive.accounts import App, User
from tests.support.drive.emulator import DriveEmulator
from tests.support.specs import a_spec

STEPS = 69
IDENTITY = Identity(
    processor="paper",
    instruction_set="none",
    threads=1,
    deterministic=True,
    python="3",
    framework="tensorflow",
    framework_version="2",
    library="keras",
    library_version="3",
    numpy="2",
)
TIMING = EpochTiming(
    train_s=41.0, val_s=2.0, checkpoint_s=0.1, first_step_s=None, step_s_p50=0.6, step_s_p95=0.6, step_count=STEPS
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What saving a job took. requests: of its session, by kind; most_bytes: of the quota, at any time."""

    epochs: int
    state_bytes: int
    requests: Counter[str]
    most_bytes: int
    bytes_in_bin: int

    @property
    def chunks(self) -> int:
        return self.requests["upload.chunk"]

    @property
    def of_packs(self) -> int:
        """The requests that begin, send and delete packs: the size of the state decides how many packs there are."""
        return sum(self.requests[kind] for kind in ("upload.start", "upload.chunk", "files.delete"))

    @property
    def requests_an_epoch(self) -> float:
        """Without those of packs."""
        return (sum(self.requests.values()) - self.of_packs) / self.epochs


class PaperTrainer:
    """Hands over an epoch whenever it is looked at. together: its state and its record at once, or one after the other.

    Implements `worker.process.Trainer`. The best epoch is always the first, so that a third state has to be kept.
    """

    def __init__(self, *, epochs: int, state_bytes: int, together: bool) -> None:
        self._epochs = epochs
        self._values = np.zeros(state_bytes // 4, np.float32)
        self._together = together
        self._life: Iterator[None] = iter(())
        self._exit_code: int | None = 0

    def get_ready(self, engine: str) -> None:
        pass

    def start(self, folder: Path) -> None:
        self._exit_code = None
        self._life = self._train(TrainerSpool(folder))

    def exit_code(self) -> int | None:
        if self._exit_code is None and next(self._life, self) is self:
            self._exit_code = 0
        return self._exit_code

    def end(self) -> None:
        self.kill()

    def kill(self) -> None:
        self._exit_code = 0

    def _train(self, spool: TrainerSpool) -> Iterator[None]:
        history: tuple[EpochMetrics, ...] = ()
        while not spool.is_ready():
            yield
        order, writer = spool.order.read(), SpoolWriter(spool)
        assert order is not None, "what is ready was ordered"
        digest = order.spec.digest
        for epoch in range(1, self._epochs + 1):
            self._values[:1000] = epoch
            partial = PartialEpoch(steps_done=STEPS, loss_sum=7 / 3, correct=9, seen=20, step_times_s=(0.6,) * STEPS)
            trained = TrainingRecord(
                spec_sha256=digest,
                epochs_done=epoch - 1,
                partial=partial,
                history=history,
                identity=IDENTITY,
                lineage=1,
            )
            number = writer.state(Snapshot(tensors={"m/00000": self._values}, record=trained, paths={}))
            if not self._together:
                yield
            metrics = EpochMetrics(
                epoch=epoch, loss=1 / epoch, accuracy=0.5, val_loss=1.0 + epoch, val_accuracy=0.5, learning_rate=1e-4
            )
            finished = trained.with_epoch(metrics, patience=0)
            history = finished.history
            writer.epoch(EpochEntry(record=finished, timing=TIMING, state_entry=number), is_best=epoch == 1)
            yield


def run_on_drive(folder: Path, *, epochs: int, state_bytes: int, together: bool) -> Saving:
    """Save so many epochs of a job from a fresh machine below `folder`. Raises: AssertionError: it did not work."""
    with DriveEmulator(SystemClock()) as emulator:
        ada = emulator.user("ada@example.com")
        place = a_queue(emulator, ada, folder, epochs=epochs)
        trainer = PaperTrainer(epochs=epochs, state_bytes=state_bytes, together=together)
        session = a_session("paper", place, trainer, Limits(max_epochs=epochs))
        owner, most_bytes, began = emulator.owner(ada), 0, len(emulator.log)
        while session.step() is not None:
            most_bytes = max(most_bytes, sum(file.size for file in owner.files()))
        assert session.ending is SessionEnd.LIMIT, session.ending
        return Saving(
            epochs=epochs,
            state_bytes=state_bytes,
            requests=Counter(one.operation for one in emulator.log[began:]),
            most_bytes=most_bytes,
            bytes_in_bin=sum(file.size for file in owner.files() if file.trashed),
        )


def a_queue(emulator: DriveEmulator, user: User, folder: Path, *, epochs: int) -> QueueContext:
    """Make a queue on the emulator with one job in it, and open it on a machine whose cache is below `folder`."""
    environment = {
        "QCQUEUE_TOKEN": json.dumps(emulator.sign_in("the machine", user, App(name="qcqueue")).stored(emulator.url)),
        "QCQUEUE_DRIVE_ENDPOINT": emulator.url,
        "QCQUEUE_CACHE": str(folder / "cache"),
    }
    asked = load_settings(store="gdrive:new", folder=folder, environment=environment)
    url = create_queue(asked).url
    place = open_context(load_settings(store=url, folder=folder, environment=environment), persistent=True)
    (folder / "images").write_bytes(b"paper")
    images = place.store.put(folder / "images", title="paper", kind=BlobKind.DATASET)
    summary = DatasetSummary(
        classes=("good", "reject"), image_size=(75, 75), train=2200, validation=550, test=486, source="paper"
    )
    place.transact(lambda tx: add_dataset(tx, "paper", images, summary, who="paper", now_s=0.0))
    place.transact(
        lambda tx: enqueue(
            tx, [a_spec(study="paper", dataset="paper", epochs=epochs)], attached={}, who="paper", now_s=0.0
        )
    )
    return place


def a_session(
    session_id: str, place: QueueContext, trainer: PaperTrainer, limits: Limits, clock: Clock | None = None
) -> Session:
    """Wire a session on this machine; clock: for its waiting, where it is not the machine's."""
    deps = SessionDeps(
        database=place.database,
        store=place.store,
        trainer=trainer,
        clock=clock or place.clock,
        locks=SessionLocks(place.cache / "sessions"),
        machine=Machine(id="paper", host="paper", processor="paper", has_gpu=False, threads=1),
        cache=place.cache,
        lease=place.lease,
        profile=Profile(name="paper", title="no limits"),
        check_weights=lambda wanted: FoundWeights(path=place.cache / wanted.file.name),
        memory_kills=lambda: 0,
        narrate=lambda text: None,
    )
    return Session(session_id, deps, limits)
