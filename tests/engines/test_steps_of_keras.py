"""The ways to compute a step: each is exact, and those that are no other arithmetic agree to rounding."""

from typing import Any

import numpy as np
import pytest

from qcqueue.engines.batches import splitmix64
from qcqueue.errors import SpecInvalid
from tests.engines.test_program import a_program

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("small_models")]


def updated(step: str, *, optimizer: str, size: float) -> list[Any]:
    """Return the optimizer's tensors and a weight after five updates with gradients of about one size."""
    import keras

    from qcqueue.engines.keras_tf.models import build_optimizer
    from tests.engines.worlds import a_spec

    weight = keras.Variable(np.linspace(-1, 1, 512, dtype=np.float32))
    of_one_weight = type("OfOneWeight", (), {"trainable_variables": [weight]})
    built = build_optimizer(a_spec(optimizer=optimizer, learning_rate=1e-2), of_one_weight, step=step)
    for number in range(5):
        drawn = splitmix64(np.arange(512, dtype=np.uint64) + np.uint64(1000 * number)) >> np.uint64(40)
        gradient = (drawn.astype(np.float32) / 2**23 - 1) * np.float32(size)
        built.apply([keras.ops.convert_to_tensor(gradient)], [weight])
    return [it.numpy() for it in (*built.variables, weight)]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("size", [1.0, 1e-4, 1e-7])
def test_a_fused_update_is_that_of_keras_to_rounding(optimizer: str, size: float) -> None:
    """The smallest gradients are as small as Adam's epsilon, so they tell where that stands.

    TensorFlow's kernel takes 1 - 0.999 in float32, which is 1.3e-5 from what Keras takes.
    """
    plain, fused = (updated(step, optimizer=optimizer, size=size) for step in ("graph", "fused"))
    assert len(plain) == len(fused) > 2
    for one, other in zip(plain, fused, strict=True):
        assert one.dtype == other.dtype
        assert np.abs(one - other).max() <= 2e-5 * np.abs(one).max()


def test_a_fused_step_is_not_had_of_an_optimizer_that_has_no_kernel() -> None:
    with pytest.raises(SpecInvalid, match="rmsprop has no fused kernel") as caught:
        a_program(optimizer="rmsprop", step="fused")
    assert "graph" in caught.value.next_step
