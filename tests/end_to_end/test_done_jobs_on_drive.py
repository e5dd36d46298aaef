"""What six jobs of full size, trained by Adam and done, take on Drive: the figure that the documentation gives."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qcqueue.app.gc import clean_up, plan_clean_up
from qcqueue.clock import SystemClock
from qcqueue.core.outcomes import SessionEnd
from qcqueue.core.records import EpochMetrics, PartialEpoch, Snapshot, TrainingRecord
from qcqueue.queue.enqueue import enqueue
from qcqueue.spool.files import EpochEntry
from qcqueue.spool.writer import SpoolWriter, TrainerSpool
from qcqueue.worker.budget import Limits
from tests.queue.desk import result
from tests.support.drive.emulator import DriveEmulator
from tests.support.null_trainer import IDENTITY, STEPS, TIMING, PaperTrainer, a_queue, a_session
from tests.support.specs import a_spec

EPOCHS, JOBS = 3, 6
MODEL_BYTES = 1_000_000
MOST = 0.40


class PaperAdam(PaperTrainer):
    """Trains a model, with two numbers of the optimizer for each of its own, to the end.

    The first epoch is the best, so that a third model has to be kept while it trains, and a second one afterwards.
    """

    def __init__(self) -> None:
        super().__init__(epochs=EPOCHS, state_bytes=MODEL_BYTES, together=True)

    def _train(self, spool: TrainerSpool) -> Iterator[None]:
        while not spool.is_ready():
            yield
        order, writer = spool.order.read(), SpoolWriter(spool)
        assert order is not None, "what is ready was ordered"
        history: tuple[EpochMetrics, ...] = ()
        for epoch in range(1, EPOCHS + 1):
            # No two jobs or epochs share a file.
            values = np.full(MODEL_BYTES // 4, int(order.spec.digest[:6], 16) + epoch, np.float32)
            tensors = {"m/00000": values, "o/00000": values, "o/00001": values}
            partial = PartialEpoch(steps_done=STEPS, loss_sum=7 / 3, correct=9, seen=20, step_times_s=(0.6,) * STEPS)
            trained = TrainingRecord(
                spec_sha256=order.spec.digest,
                epochs_done=epoch - 1,
                partial=partial,
                history=history,
                identity=IDENTITY,
                lineage=1,
            )
            number = writer.state(Snapshot(tensors=tensors, record=trained, paths={"m/00000": "dense/kernel"}))
            finished = trained.with_epoch(_metrics(epoch), patience=0)
            history = finished.history
            entry = EpochEntry(record=finished, timing=TIMING, state_entry=number)
            writer.epoch(entry, is_best=finished.best_epoch == epoch)
            yield
        writer.result(result(), {"last/test": np.zeros((2, 3), np.float32)})


def test_six_done_jobs_take_less_than_two_fifths_of_what_they_took(tmp_path: Path) -> None:
    (before, cleaned), (after, _) = (
        bytes_on_drive(tmp_path / f"{keeps}", keeps_state=keeps) for keeps in (True, False)
    )
    models = JOBS * MODEL_BYTES
    assert before >= 7 * models, "two states of three such models each, and the best one"
    for left in (after, cleaned):
        assert left >= 2 * models, "the best model and the last one"
        assert left <= MOST * before, f"{left / before:.1%}"


def bytes_on_drive(folder: Path, *, keeps_state: bool) -> tuple[int, int]:
    """Train six jobs to their end; return how much of the quota all of the queue takes then, and after a clean-up.

    keeps_state: as jobs did that were done before.
    """
    folder.mkdir()
    with DriveEmulator(SystemClock()) as emulator:
        ada = emulator.user("ada@example.com")
        place = a_queue(emulator, ada, folder, epochs=EPOCHS)
        others = [a_spec(study="paper", dataset="paper", epochs=EPOCHS, name=f"job-{at}") for at in range(2, JOBS + 1)]
        place.transact(lambda tx: enqueue(tx, others, attached={}, who="paper", now_s=0.0))
        if keeps_state:
            place.transact(lambda tx: tx.exec_driver_sql("UPDATE jobs SET keep_state = 1"))
        session = a_session("paper", place, PaperAdam(), Limits(jobs=JOBS))
        while session.step() is not None:
            pass
        assert session.ending is SessionEnd.FINISHED, session.ending
        before = sum(file.size for file in emulator.owner(ada).files())
        place.transact(lambda tx: tx.exec_driver_sql("UPDATE jobs SET keep_state = 0"))
        clean_up(place, plan_clean_up(place))
        return before, sum(file.size for file in emulator.owner(ada).files())


def _metrics(epoch: int) -> EpochMetrics:
    return EpochMetrics(
        epoch=epoch, loss=1 / epoch, accuracy=0.5, val_loss=1.0 + epoch, val_accuracy=0.5, learning_rate=1e-4
    )
