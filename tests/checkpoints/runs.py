"""A made-up run whose every state and model says of which epoch it is, so that a swapped file is seen."""

from dataclasses import replace

import numpy as np

from qcqueue.core.records import MODEL, Snapshot, Tensors, TrainingRecord
from qcqueue.spool.files import EpochEntry, WorkOrder
from qcqueue.spool.reader import Spool
from tests.checkpoints.states import assert_same, record
from tests.queue.desk import TIMING, metrics, spec

STEPS = 10


def an_order(folder: Spool, **changes: object) -> WorkOrder:
    plain = WorkOrder(
        spec=spec("a", learning_rate=0.1 + 0.2),
        attempt=3,
        dataset_path=folder.folder / "data",
        weights_path=None,
        threads=2,
        max_epochs=None,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def a_record(epochs_done: int, best: int | None, *, steps_done: int = 0) -> TrainingRecord:
    """Return the record of a run whose best epoch is `best`; of the others it remembers nothing, to be short."""
    history = () if best is None else (metrics(best, 0.1),)
    return replace(record(0, steps_done=steps_done), epochs_done=epochs_done, history=history)


def tensors_after(epoch: int) -> Tensors:
    """Return all tensors as they are at the end of an epoch; the first is frozen."""
    return {
        "m/00000": np.arange(8, dtype=np.float32),
        "m/00001": np.full(16, epoch, np.float32),
        "m/00002": np.full(16, -epoch, np.float32),
        "o/00000": np.full(16, epoch, np.float32),
        "o/00001": np.array(epoch, np.int64),
    }


def model_after(epoch: int) -> Tensors:
    return {key: value for key, value in tensors_after(epoch).items() if key.startswith(MODEL)}


def a_state(epoch: int, best: int | None) -> Snapshot:
    """Return the state after the last step of an epoch, before its validation."""
    return Snapshot(
        tensors=tensors_after(epoch),
        record=a_record(epoch - 1, best, steps_done=STEPS),
        paths={},
        fixed=frozenset({"m/00000"}),
    )


def an_epoch(epoch: int, best: int, *, state_entry: int | None) -> EpochEntry:
    return EpochEntry(record=a_record(epoch, best), timing=TIMING, state_entry=state_entry)


def assert_is_state(found: Snapshot) -> int:
    """Check that a state is one of the run, to the bit; return the epoch at whose end it was taken."""
    epoch = found.record.epochs_done + 1
    assert_same(found, a_state(epoch, found.record.best_epoch))
    return epoch


def assert_is_model(found: Tensors, epoch: int) -> None:
    wanted = model_after(epoch)
    assert {key: value.tobytes() for key, value in found.items()} == {k: v.tobytes() for k, v in wanted.items()}
