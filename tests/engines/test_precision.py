"""Mixed precision: exact with the scale of its loss moving, and float32 where that decides what a person reads."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from qcqueue.core.records import Snapshot
from qcqueue.datasets.format import Split
from qcqueue.errors import PrecisionRefused
from tests.engines.test_exact_resume import assert_same_end
from tests.engines.test_program import a_program
from tests.engines.worlds import Memory, a_spec, an_assignment, run

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("small_models", "float32_afterwards")]


@pytest.fixture
def float32_afterwards() -> Iterator[None]:
    import keras

    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def a_scale_that_overflows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scale begins so high that gradients overflow, and grows after every second step that does not."""
    import keras

    made = keras.optimizers.LossScaleOptimizer
    monkeypatch.setattr(
        keras.optimizers,
        "LossScaleOptimizer",
        lambda inner: made(inner, initial_scale=2.0**40, dynamic_growth_steps=2),
    )


def scale_of(snapshot: Snapshot) -> float:
    (key,) = [key for key, path in snapshot.paths.items() if path.endswith("dynamic_scale")]
    return float(snapshot.tensors[key])


@pytest.mark.usefixtures("a_scale_that_overflows")
@pytest.mark.parametrize("step", ["graph", "fused"])
def test_a_run_that_was_cut_goes_on_to_the_same_end_while_the_scale_moves(step: str, dataset_path: Path) -> None:
    spec = a_spec(precision="mixed_float16", epochs=10)

    def ran(sink: Memory, resume_from: Snapshot | None = None) -> Memory:
        return run(replace(an_assignment(dataset_path, spec=spec, resume_from=resume_from), step=step), sink)

    uncut = ran(Memory(when=lambda epoch, step, steps: True))
    scales = [scale_of(it) for it in uncut.snapshots]
    assert scales[0] == 2.0**39, "the first step overflows"
    changes = [later / sooner for sooner, later in pairwise(scales)]
    assert {0.5, 2.0} <= {*changes}, scales
    turning = changes.index(2.0)
    for at in (1, turning, turning + 1):
        best = {epoch: it for epoch, it in uncut.best.items() if epoch <= uncut.snapshots[at].record.epochs_done}
        assert_same_end(ran(Memory(best=best), uncut.snapshots[at]), uncut)


@pytest.mark.usefixtures("a_scale_that_overflows")
def test_a_step_that_overflows_changes_no_weight_and_says_its_loss_unscaled() -> None:
    program, data = a_program(precision="mixed_float16", dropout=0.0)
    batch = next(data.batches(1, first_step=0))
    before = trained(program)
    (first,) = program.train([batch])
    assert trained(program) == before
    assert 0.5 < float(first.loss) < 3
    plain, _ = a_program(dropout=0.0)
    plain.restore({key: it for key, it in program.model_tensors().items()}, model_only=True)
    (same,) = plain.train([batch])
    assert abs(float(same.loss) - float(first.loss)) < 0.02


def trained(program: Any) -> list[bytes]:
    return [it.numpy().tobytes() for it in program.model.trainable_variables]


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_weights_softmax_logits_and_loss_are_float32(precision: str) -> None:
    program, data = a_program(precision=precision)
    (base,) = [layer for layer in program.model.layers if hasattr(layer, "layers")]
    convolution = next(layer for layer in base.layers if layer.name.startswith("conv"))
    assert convolution.compute_dtype == precision.removeprefix("mixed_")
    assert {str(it.dtype) for it in program.model.trainable_variables} == {"float32"}
    loss, _ = program.train_step(*first_of(data))
    assert loss.dtype.name == "float32"
    predictions = program.predict(data.part(Split.VALIDATION)[0], batch_size=4)
    assert predictions.softmax.dtype == predictions.logits.dtype == np.float32
    assert np.allclose(predictions.softmax.sum(axis=1), 1, atol=1e-6), "as float16 it would be off by more"


def first_of(data: Any) -> tuple[Any, Any]:
    batch = next(data.batches(1, first_step=0))
    return batch.images, batch.labels


@pytest.mark.parametrize(("capability", "is_refused"), [((7, 5), True), ((8, 0), False), ((10, 0), False)])
def test_bfloat16_is_refused_where_a_gpu_has_none(
    capability: tuple[int, int], is_refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    from qcqueue.engines.keras_tf import cuda, device

    gpu, limits = SimpleNamespace(name="/physical_device:GPU:0"), list[int]()
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: [gpu])
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda gpu: {"device_name": "Tesla T4", "compute_capability": capability},
    )
    monkeypatch.setattr(
        tf.config,
        "set_logical_device_configuration",
        lambda gpu, limit: limits.append(limit[0].memory_limit),
    )
    monkeypatch.setattr(cuda, "memory_bytes", lambda: 16000 * device.MIB)
    spec = a_spec(precision="mixed_bfloat16", device="any")
    if is_refused:
        with pytest.raises(PrecisionRefused, match=r"^Tesla T4 \(compute capability 7\.5\) cannot compute") as caught:
            device.settle(spec, threads=2)
        assert "mixed_float16" in caught.value.next_step
    else:
        device.settle(spec, threads=2)
        assert limits == [14400]
