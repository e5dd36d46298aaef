"""Jobs whose saves are real states of a few numbers, stored and committed as sessions do it, without TensorFlow."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from qcqueue.app.context import QueueContext
from qcqueue.checkpoints.format import files_of, write_state
from qcqueue.core.evaluation import Appraisal, ClassScore, Evaluation, Result
from qcqueue.core.records import EpochMetrics, PartialEpoch, Snapshot, Tensors, TrainingRecord, history_sha256
from qcqueue.engines.metrics import weights_sha256
from qcqueue.queue import attempts
from qcqueue.queue.values import Claim, StateBlobs
from qcqueue.stores.base import Blob
from tests.app.saved import committed
from tests.cli.queues import TIMING, take
from tests.engines.worlds import a_record

PATHS = {
    "m/00000": "block1_conv1/kernel",
    "m/00001": "block1_conv1/bias",
    "m/00002": "dense/kernel",
    "m/00003": "dense/kernel",
    "o/00000": "adam/iteration",
}


def tensors_after(epoch: int) -> Tensors:
    """Return a model and an optimizer of every type of number; two variables have one path."""
    return {
        "m/00000": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
        "m/00001": np.array([epoch, 2**32 - 1], np.uint32),
        "m/00002": np.full((3, 2), epoch / 3, np.float32),
        "m/00003": np.full((2,), -epoch / 3, np.float64),
        "o/00000": np.array(epoch * 69, np.int64),
    }


def model_of(tensors: Tensors) -> Tensors:
    return {key: value for key, value in tensors.items() if key.startswith("m/")}


@dataclass(slots=True)
class Run:
    """One session at work on one job. losses decide which epoch is the best."""

    place: QueueContext
    held: Claim
    record: TrainingRecord = field(default_factory=a_record)
    states: dict[int, Mapping[str, Blob]] = field(default_factory=dict)
    """What each epoch was stored as: name of the file, blob."""

    @classmethod
    def of(cls, place: QueueContext, job: str) -> "Run":
        return cls(place, take(place, job))

    def epoch(self, *, loss: float = 1.0) -> "Run":
        """Train and save one epoch."""
        number = self.record.epochs_done + 1
        metrics = EpochMetrics(
            epoch=number, loss=loss, accuracy=0.5, val_loss=loss, val_accuracy=0.75, learning_rate=1e-4
        )
        self.record = self.record.with_epoch(metrics, patience=0)
        self._commit(self.record, number, timing=True)
        return self

    def some_steps(self) -> "Run":
        """Save in the middle of the next epoch."""
        self._commit(replace(self.record, partial=PartialEpoch(steps_done=2, seen=8)), self.record.epochs_done)
        return self

    def finish(self) -> None:
        last, best = self.record.epochs_done, self.record.best_epoch
        assert best is not None
        result = Result(
            last=_appraisal(last),
            best=_appraisal(best),
            history_sha256=history_sha256(self.record.history),
            parameters=17,
            trainable_parameters=17,
        )
        predictions = self._put(b"predictions")
        now_s = self.place.clock.now_s()
        self.place.transact(lambda tx: attempts.finish(tx, self.held, result, predictions, now_s=now_s))

    def _commit(self, record: TrainingRecord, number: int, *, timing: bool = False) -> None:
        state = Snapshot(tensors=tensors_after(number), record=record, paths=PATHS, fixed=frozenset({"m/00000"}))
        stored = self._stored(state)
        if timing:
            self.states[number] = stored
        best = self.states.get(record.best_epoch or 0, {})
        item = attempts.CommitItem(
            state=StateBlobs(head=stored["head"], packs=tuple(blob for name, blob in stored.items() if name != "head")),
            best=tuple(blob for name, blob in best.items() if name[0] in "fm"),
            record=record,
            timing=TIMING if timing else None,
        )
        done = committed(self.place, self.held, item)
        for blob in done.retired:
            self.place.store.delete(blob)

    def _stored(self, state: Snapshot) -> dict[str, Blob]:
        known = {blob.sha256: blob for it in self.states.values() for blob in it.values()}
        with tempfile.TemporaryDirectory() as folder:
            write_state(Path(folder), state)
            put = {path.stem: self.place.store.put(path) for path in files_of(Path(folder))}
        return {name: known.get(blob.sha256, blob) for name, blob in put.items()}

    def _put(self, content: bytes) -> Blob:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "source"
            path.write_bytes(content)
            return self.place.store.put(path)


def _appraisal(epoch: int) -> Appraisal:
    score = ClassScore(precision=0.75, recall=0.5, f1=0.6, support=1)
    evaluation = Evaluation(
        loss=0.5,
        accuracy=2 / 3,
        per_class=dict.fromkeys(("good", "fair", "reject"), score),
        confusion_matrix=((1, 0, 0), (0, 1, 0), (1, 0, 0)),
    )
    return Appraisal(
        epoch=epoch,
        weights_sha256=weights_sha256(tensors_after(epoch)),
        predictions_sha256="b" * 64,
        validation=evaluation,
        test=evaluation,
    )
