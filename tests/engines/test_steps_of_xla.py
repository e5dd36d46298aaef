"""The step that XLA compiles, forced on a CPU: exact over processes and cuts, and refused where it cannot be."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcqueue.core.records import Snapshot
from qcqueue.engines.batches import splitmix64
from tests.engines.test_exact_resume import assert_same_end
from tests.engines.worlds import Memory, a_spec, an_assignment, run

pytestmark = [pytest.mark.tensorflow]


def pooling_base(name: str, image_size: tuple[int, int], *, imagenet: bool) -> Any:
    """A network with the windows of max pooling that overlap, with and without a border, and batch statistics."""
    import keras

    images = keras.Input((*image_size, 3))
    features = keras.layers.BatchNormalization(momentum=0.9)(keras.layers.Conv2D(4, 3)(images))
    features = keras.layers.MaxPooling2D(3, 2)(keras.layers.ReLU()(features))
    features = keras.layers.MaxPooling2D(3, 2, padding="same")(features)
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(features))


@pytest.fixture(autouse=True)
def pooling_models(monkeypatch: pytest.MonkeyPatch) -> None:
    from qcqueue.engines.keras_tf import models

    monkeypatch.setattr(models, "build_base", pooling_base)


def ran(dataset_path: Path, sink: Memory, *, resume_from: Snapshot | None = None, **changes: Any) -> Memory:
    spec = a_spec(step="xla", epochs=2, **changes)
    return run(replace(an_assignment(dataset_path, spec=spec, resume_from=resume_from), step="xla"), sink)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("window", "stride"), [(3, 2), (2, 2), (3, 1), ((2, 3), (3, 2))])
def test_pooling_by_slices_is_that_of_keras(window: Any, stride: Any, padding: str) -> None:
    """Forward with ties as without; backward where there are none."""
    import keras
    import tensorflow as tf

    from qcqueue.engines.keras_tf.pooling import pool_by_slices

    layer = keras.layers.MaxPooling2D(window, stride, padding=padding)
    sliced = keras.layers.MaxPooling2D(window, stride, padding=padding)
    pool_by_slices(sliced)
    assert type(sliced) is not type(layer)
    drawn = splitmix64(np.arange(2 * 11 * 8 * 3, dtype=np.uint64))
    apart = np.argsort(np.argsort(drawn)).reshape(2, 11, 8, 3).astype(np.float32) - 264
    for images in (apart, np.zeros_like(apart), np.floor(apart / 100)):
        assert layer(images).numpy().tobytes() == sliced(images).numpy().tobytes()
    gradients = []
    for pooled in (layer, sliced):
        given = tf.constant(apart)
        with tf.GradientTape() as tape:
            tape.watch(given)
            value = tf.reduce_sum(pooled(given) * tf.sin(pooled(given)))
        gradients.append(tape.gradient(value, given).numpy())
    plain, by_slices = gradients
    assert np.allclose(plain, by_slices, rtol=1e-5, atol=1e-5)


def test_of_several_maxima_the_first_takes_the_gradient() -> None:
    import keras
    import tensorflow as tf

    from qcqueue.engines.keras_tf.pooling import pool_by_slices

    layer = keras.layers.MaxPooling2D(2, 2)
    pool_by_slices(layer)
    given = tf.constant([[[[1.0], [7.0]], [[7.0], [7.0]]]])
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = tf.reduce_sum(layer(given))
    assert tape.gradient(value, given).numpy().ravel().tolist() == [0, 1, 0, 0]


@pytest.mark.long
def test_a_run_that_was_cut_goes_on_to_the_same_end(dataset_path: Path) -> None:
    uncut = ran(dataset_path, Memory(when=lambda epoch, step, steps: True))
    assert uncut.records[-1].identity.step == "xla"
    assert uncut.records[-1].identity.step_fingerprint
    for steps in (2, 3, 4):  # within an epoch, at its end with a batch of another size, and with the first step
        snapshot = uncut.snapshots[steps - 1]
        best = {epoch: it for epoch, it in uncut.best.items() if epoch <= snapshot.record.epochs_done}
        resumed = ran(dataset_path, Memory(best=best), resume_from=snapshot)
        assert_same_end(resumed, uncut)
        assert resumed.records[-1].lineage == 1


ENDS = """
import hashlib, json, os, sys
from pathlib import Path
from qcqueue.engines.keras_tf import models
from tests.engines.test_steps_of_xla import pooling_base, ran
from tests.engines.worlds import Memory
models.build_base = pooling_base
run = ran(Path(sys.argv[1]), Memory())
state = b"".join(it.tobytes() for it in run.snapshots[-1].tensors.values())
print(json.dumps([run.records[-1].identity.step_fingerprint, hashlib.sha256(state).hexdigest()]))
"""


def in_a_process(dataset_path: Path, **environment: str) -> tuple[str, str]:
    """Return the fingerprint of a run, and the digest of the state it ends with."""
    done = subprocess.run(
        [sys.executable, "-c", ENDS, str(dataset_path)],
        cwd=Path(__file__).parents[2],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    fingerprint, state = json.loads(done.stdout.splitlines()[-1])
    return fingerprint, state


@pytest.mark.long
def test_two_processes_end_in_the_same_bits_and_one_with_another_flag_is_known_by_its_fingerprint(
    dataset_path: Path,
) -> None:
    one, other = in_a_process(dataset_path), in_a_process(dataset_path)
    assert one == other
    flagged = in_a_process(dataset_path, XLA_FLAGS="--xla_cpu_enable_fast_math=true")
    assert flagged[0] != one[0]
