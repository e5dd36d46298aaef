"""What a step computes: Keras's own arithmetic, traced once; and what must never be saved."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcqueue.catalog.optimizers import OPTIMIZERS
from qcqueue.datasets.format import Split
from qcqueue.errors import NotFinite
from tests.engines.worlds import Memory, a_dataset, a_spec, an_assignment, run

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("small_models")]


def a_program(**changes: Any) -> tuple[Any, Any]:
    """Return (program, data) of a spec, settled as a trainer does."""
    from qcqueue.engines.batches import TrainingData
    from qcqueue.engines.keras_tf import device
    from qcqueue.engines.keras_tf.models import build_model
    from qcqueue.engines.keras_tf.program import KerasProgram

    spec = a_spec(**changes)
    data = TrainingData(a_dataset(), spec)
    device.settle(spec, threads=2)
    step = spec.step if spec.step != "auto" else "graph"
    model = build_model(spec, classes=3, weights_path=None, fresh=True)
    return KerasProgram(model, spec, data, threads=2, step=step), data


def tensors(model: Any) -> list[bytes]:
    return [variable.numpy().tobytes() for variable in model.variables]


@pytest.mark.parametrize(
    "optimizer", [pytest.param(name, marks=pytest.mark.long if name == "rmsprop" else ()) for name in OPTIMIZERS]
)
def test_the_weights_are_those_of_plain_fit_over_the_same_order(optimizer: str) -> None:
    import keras

    program, data = a_program(optimizer=optimizer)
    for epoch in (1, 2):
        for batch in data.batches(epoch, first_step=0):
            program.train_step(batch.images, batch.labels)

    class Epoch(keras.utils.PyDataset):  # type: ignore[misc]
        def __init__(self, epoch: int) -> None:
            super().__init__()
            self.batches = [*data.batches(epoch, first_step=0)]

        def __len__(self) -> int:
            return len(self.batches)

        def __getitem__(self, index: int) -> Any:
            return self.batches[index].images, self.batches[index].labels

    plain, _ = a_program(optimizer=optimizer)
    plain.model.compile(
        optimizer=plain.optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False
    )
    for epoch in (1, 2):
        plain.model.fit(Epoch(epoch), shuffle=False, verbose=0)
    assert tensors(plain.model) == tensors(program.model)


def test_a_partial_batch_does_not_trace_again() -> None:
    program, data = a_program()
    sizes = set()
    for epoch in (1, 2):
        for batch in data.batches(epoch, first_step=0):
            program.train_step(batch.images, batch.labels)
            sizes.add(len(batch.ids))
        program.predict(data.part(Split.VALIDATION)[0], batch_size=8)
    assert sizes == {8, 6}
    assert program.trace_counts == (1, 1)


def test_validating_alone_does_not_trace_the_training_graph() -> None:
    program, data = a_program()
    predictions = program.predict(data.part(Split.VALIDATION)[0], batch_size=4)

    assert program.trace_counts == (0, 1)
    assert predictions.softmax.dtype == predictions.logits.dtype == np.float32
    assert np.allclose(predictions.softmax.sum(axis=1), 1)


def test_the_logits_are_what_the_softmax_was_taken_of() -> None:
    import keras

    program, data = a_program()
    predictions = program.predict(data.part(Split.VALIDATION)[0], batch_size=4)
    again = keras.ops.convert_to_numpy(keras.ops.softmax(predictions.logits))
    assert np.allclose(again, predictions.softmax, rtol=1e-6)
    assert not np.allclose(predictions.logits.sum(axis=1), 1)


def test_nothing_draws_from_the_global_seed_generator() -> None:
    """Its state is not in `model.variables`, so nothing may depend on it."""
    from keras.src.backend.common import global_state

    global_state.set_global_attribute("global_seed_generator", None)
    program, data = a_program()
    batch = next(iter(data.batches(1, first_step=0)))
    program.train_step(batch.images, batch.labels)
    assert global_state.get_global_attribute("global_seed_generator") is None


def test_training_the_head_leaves_the_base_untouched() -> None:
    program, data = a_program(trainable="head", dropout=0.0)
    before = tensors(program.model)
    for batch in data.batches(1, first_step=0):
        program.train_step(batch.images, batch.labels)
    changed = [one != other for one, other in zip(before, tensors(program.model), strict=True)]

    assert changed == [False] * (len(changed) - 2) + [True, True]
    assert len(program.optimizer.variables) == 2 + 2 * 2  # count, rate, and two moments of kernel and bias


def test_a_loss_that_is_not_a_number_ends_the_run_and_saves_nothing(dataset_path: Path) -> None:
    memory = Memory()
    with pytest.raises(NotFinite) as caught:
        run(an_assignment(dataset_path, spec=a_spec(optimizer="sgd", learning_rate=1e38)), memory)

    assert re.match(r"the loss became \w+ in epoch 1, step [23]; its samples: \d+ \d+\.png, ", str(caught.value))
    assert memory.snapshots == []
    assert memory.records == []
