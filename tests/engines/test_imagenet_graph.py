"""Models that are another graph with ImageNet weights: whoever trains, resumes, fetches or copies code has that one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcqueue.catalog.models import MODELS
from tests.docs.test_pages import script
from tests.engines.worlds import a_spec

SCALE = (2.0, 3.0, 4.0)
IMAGES = np.full((2, 8, 8, 3), 100, np.float32)


@pytest.fixture
def base() -> Any:
    """The beginning of an EfficientNet."""
    import keras

    images = keras.Input((8, 8, 3))
    normalized = keras.layers.Normalization(name="mine")(keras.layers.Rescaling(0.5)(images))
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(3, 1)(normalized)))


def graph_of(base: Any) -> Any:
    """Return the base as a graph that is traced already."""
    import tensorflow as tf

    graph = tf.function(base, autograph=False, jit_compile=False)
    graph(IMAGES)
    return graph


@pytest.mark.tensorflow
def test_a_state_that_is_restored_reaches_a_graph_that_was_traced_before(base: Any) -> None:
    from qcqueue.engines.keras_tf.models import _restorable

    kept, restorable = graph_of(base), _restorable(base, scale=())
    ours = graph_of(restorable)
    before = kept(IMAGES).numpy()
    assert ours(IMAGES).numpy().tobytes() == before.tobytes()
    for variable in (*base.variables, *restorable.variables):
        if variable.path.endswith("mean"):
            variable.assign([7.0, 8.0, 9.0])
    assert kept(IMAGES).numpy().tobytes() == before.tobytes(), "or Keras's own would do"
    base.get_layer("mine").finalize_state()
    assert ours(IMAGES).numpy().tobytes() == graph_of(base)(IMAGES).numpy().tobytes() != before.tobytes()


@pytest.mark.tensorflow
@pytest.mark.parametrize("scale", [(), SCALE])
def test_only_what_imagenet_weights_ask_for_is_put_in_and_variables_keep_their_order(
    base: Any, scale: tuple[float, ...]
) -> None:
    from qcqueue.engines.keras_tf.models import _restorable

    values = [np.full(variable.shape, at + 1, variable.dtype) for at, variable in enumerate(base.variables)]
    for variable, value in zip(base.variables, values, strict=True):
        variable.assign(value)
    ours = _restorable(base, scale=scale)
    assert [it.numpy().tobytes() for it in ours.variables] == [it.tobytes() for it in values]
    kinds = ["InputLayer", "Rescaling", "Normalization", *(["Rescaling"] if scale else []), "Conv2D"]
    assert [type(it).__name__ for it in ours.layers][: len(kinds)] == kinds
    if scale:
        assert tuple(ours.layers[3].scale) == scale


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "model",
    [
        pytest.param(name, marks=() if name == "EfficientNetB0" else pytest.mark.long)
        for name, facts in MODELS.items()
        if facts.imagenet_scale
    ],
)
@pytest.mark.parametrize("weights", ["none", "imagenet"])
def test_a_job_that_goes_on_is_the_graph_that_keras_builds_for_its_weights(model: str, weights: str) -> None:
    from qcqueue.engines.keras_tf.models import build_model

    side_px, table = MODELS[model].minimum_side_px, script("model_table")
    theirs = table.with_imagenet(model, side_px).base if weights == "imagenet" else table.built(model, side_px)
    with table.zeros():
        spec = a_spec(model=model, weights=weights, dropout=0.0)
        *_, ours, _ = build_model(spec, classes=3, weights_path=None, fresh=False).layers
    assert looks(ours) == looks(theirs)


def looks(base: Any) -> list[Any]:
    """Return what a model computes, layer by layer, and with which variables."""
    shapes = [[(tuple(it.shape), it.dtype) for it in layer.variables] for layer in base.layers]
    scales = [np.ravel(getattr(layer, "scale", ())).tolist() for layer in base.layers]
    return list(zip([type(layer).__name__ for layer in base.layers], scales, shapes, strict=True))


IN_EVERY_WAY = """
import json, sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from tests.engines.families import spec_of, with_made_up_weights
from tests.engines.worlds import a_dataset

MODEL, folder = "EfficientNetB0", Path(sys.argv[1])
spec = spec_of(MODEL, dropout=0.0)
with_made_up_weights(MODEL, folder)
import keras
import numpy as np
import tensorflow as tf
from qcqueue.engines.keras_tf import device
from qcqueue.engines.keras_tf.models import build_model
from qcqueue.engines.keras_tf.program import KerasProgram
from qcqueue.engines.keras_tf.trained import TrainedModel, write_h5
from qcqueue.engines.metrics import weights_sha256
from qcqueue.exports.weights import snippet

classes, images = ("a", "b", "c"), a_dataset().images[:2]
device.settle(spec, threads=2)
head = np.random.RandomState(1).normal(scale=1e4, size=(1280, 3)).astype(np.float32)
answers = {}

def program(spec, *, fresh):
    return KerasProgram(build_model(spec, classes=3, weights_path=None, fresh=fresh), spec, threads=2)

def said_by(program):
    return program.predict(images, batch_size=2).softmax

def said_by_keras(model):
    pixels = tf.constant(images, tf.float32)
    return tf.function(lambda it: model(it, training=False), autograph=False, jit_compile=False)(pixels).numpy()

begun = program(spec, fresh=True)
begun.model.layers[-1].set_weights([head, np.zeros(3, np.float32)])
answers["fresh"] = said_by(begun)
state = begun.tensors()
for name, other in (("resumed", spec), ("another graph", replace(spec, weights="none"))):
    going_on = program(other, fresh=False)
    said_by(going_on)  # its graph is traced before its state comes
    going_on.restore(state)
    answers[name] = said_by(going_on)

file = folder / "fetched.weights.h5"
write_h5(file, begun.model, {})
fetched = TrainedModel(spec, classes, file)
assert fetched.weights_sha256() == weights_sha256(begun.model_tensors())
answers["fetched for Keras"] = fetched.probabilities(images)
answers["fetched"] = TrainedModel(spec, classes, begun.model_tensors()).probabilities(images)

base = keras.applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=(32, 32, 3), pooling="avg")
plain = keras.Sequential([base, keras.layers.Dense(3, activation="softmax")])
plain.layers[-1].set_weights([head, np.zeros(3, np.float32)])
answers["plain Keras"] = said_by_keras(plain)

names = {}
*lines, _ = snippet(SimpleNamespace(spec=spec, classes=classes), str(file))
exec("\\n".join(lines), names)
answers["snippet"] = said_by_keras(names["model"])
print(json.dumps({name: it.tolist() for name, it in answers.items()}))
"""


@pytest.mark.long
@pytest.mark.tensorflow(in_a_child=True)
def test_efficientnet_with_imagenet_weights_answers_the_same_fresh_resumed_and_fetched(tmp_path: Path) -> None:
    asked = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IN_EVERY_WAY, str(tmp_path)],
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr[-4000:]
    answers = json.loads(asked.stdout.splitlines()[-1])
    fresh, other = answers.pop("fresh"), answers.pop("another graph")
    assert answers == dict.fromkeys(answers, fresh)
    assert np.abs(np.array(fresh) - np.array(other)).max() > 1e-3, "the graph matters"
    assert len({json.dumps(it) for it in fresh}) == 2, "the images matter"
