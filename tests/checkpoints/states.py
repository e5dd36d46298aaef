"""Small states with every kind of tensor and number a run can hold."""

import numpy as np

from qcqueue.core.records import EpochMetrics, Identity, PartialEpoch, Snapshot, Tensors, TrainingRecord

IDENTITY = Identity(
    processor="a processor",
    instruction_set="AVX2",
    threads=2,
    deterministic=True,
    python="3.11.7",
    framework="tensorflow",
    framework_version="2.20.0",
    library="keras",
    library_version="3.13.2",
    numpy="2.2.0",
)

AWKWARD = (0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, 1e-7)
"""Numbers that a careless round trip through text would change."""


def record(epochs_done: int = 2, *, steps_done: int = 3) -> TrainingRecord:
    history = tuple(
        EpochMetrics(
            epoch=epoch, loss=AWKWARD[0], accuracy=AWKWARD[1], val_loss=1 / epoch, val_accuracy=0.5, learning_rate=1e-4
        )
        for epoch in range(1, epochs_done + 1)
    )
    return TrainingRecord(
        spec_sha256="5" * 64,
        epochs_done=epochs_done,
        partial=PartialEpoch(
            steps_done=steps_done,
            loss_sum=AWKWARD[0],
            correct=7,
            seen=12,
            train_s=1.5,
            first_steps_s=(2.25,),
            step_times_s=AWKWARD,
        ),
        history=history,
        identity=IDENTITY,
        lineage=1,
    )


def snapshot(epochs_done: int = 2) -> Snapshot:
    return Snapshot(
        tensors={
            "m/00000": np.arange(12, dtype=np.float32).reshape(3, 4) / 7,
            "m/00001": np.array([[1, 2], [3, 4]], dtype=np.int64).T,
            "m/00002": np.array([0, 2**32 - 1], dtype=np.uint32),
            "m/00003": np.zeros((0, 3), dtype=np.float16),
            "m/00004": np.array([True, False]),
            "o/00000": np.array(epochs_done, dtype=np.int64),
            "o/00001": np.array(0.1, dtype=np.float64),
        },
        record=record(epochs_done),
        paths={"m/00000": "dense/kernel", "o/00000": "adam/iteration"},
    )


SMALL_PACK_BYTES = 64
"""Packs of this size make several files of `frozen_snapshot`."""


def frozen_snapshot(epochs_done: int = 2) -> Snapshot:
    """Return the state of a run that trains the head on a frozen base; in small packs, several files of every kind."""
    base = np.arange(1, 25, dtype=np.float32) / 7
    head = np.arange(12, dtype=np.float32).reshape(4, 3) / 11 + epochs_done
    tensors: Tensors = {
        "m/00000": base[:12].reshape(3, 4),
        "m/00001": np.array([3, 5 + epochs_done], dtype=np.uint32),
        "m/00002": base[12:].reshape(4, 3).T,
        "m/00003": np.array([True, False, True]),
        "m/00004": head,
        "m/00005": np.linspace(-1, 1, 3, dtype=np.float32) * (epochs_done + 1),
        "o/00000": np.array(epochs_done * 69, dtype=np.int64),
        "o/00001": np.array(0.1, dtype=np.float32),
        "o/00002": head / 3,
        "o/00003": head * head,
    }
    return Snapshot(
        tensors=tensors,
        record=record(epochs_done),
        paths={key: f"variable/{key}" for key in tensors},
        fixed=frozenset({"m/00000", "m/00002"}),
    )


def assert_same(found: Snapshot, expected: Snapshot) -> None:
    """The same tensors to the bit, the same record and the same paths."""
    assert list(found.tensors) == list(expected.tensors)
    for key, tensor in expected.tensors.items():
        assert found.tensors[key].dtype == tensor.dtype
        assert found.tensors[key].shape == tensor.shape
        assert found.tensors[key].tobytes() == tensor.tobytes()
    assert found.record == expected.record
    assert found.paths == expected.paths
