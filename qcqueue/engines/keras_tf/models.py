"""Builds the network and optimizer of a spec: a `keras.applications` base, average pooling, a softmax head.

The network takes uint8 images and does its own preprocessing, so whoever holds it cannot feed it wrongly. A
frozen base is called in inference mode: its batch statistics stay those of its weights. `model.variables`
begins with the base's, in order. Where weights come from is `weights`' affair.
"""

import importlib
from pathlib import Path
from typing import Any

import keras

from qcqueue.catalog.models import MODELS
from qcqueue.catalog.optimizers import OPTIMIZERS
from qcqueue.core.spec import JobSpec
from qcqueue.engines.keras_tf.fused import FUSED
from qcqueue.engines.keras_tf.weights import load_weights, with_imagenet
from qcqueue.errors import SpecInvalid


def build_model(spec: JobSpec, *, classes: int, weights_path: Path | None, weights_title: str = "", fresh: bool) -> Any:
    """Return the network. With fresh=False its values are about to be restored, so no weights are looked for.

    weights_title: what its owner calls the weights file, "" where that is not known.

    Raises: WeightsUnavailable: the weights cannot be had, or are those of another model.
    """
    images = keras.Input((*spec.image_size, 3), dtype="uint8")
    base = build_base(spec.model, spec.image_size, imagenet=fresh and spec.weights == "imagenet")
    if fresh and weights_path is not None:
        load_weights(base, weights_path, model=spec.model, title=weights_title)
    frozen = spec.trainable == "head"
    base.trainable = not frozen
    features = base(_preprocessing(spec.model)(keras.ops.cast(images, "float32")), **_mode(frozen))
    if spec.dropout > 0:
        features = keras.layers.Dropout(spec.dropout, seed=spec.seed)(features)
    return keras.Model(images, keras.layers.Dense(classes, activation="softmax", dtype="float32")(features))


def build_optimizer(spec: JobSpec, model: Any, *, step: str = "graph") -> Any:
    """Return the optimizer with all its variables, so that the first step finds them and is traced once.

    step: the way it is computed. Raises: SpecInvalid: that way has no such optimizer.
    """
    name = OPTIMIZERS[spec.optimizer].keras
    kind = getattr(keras.optimizers, name)
    if step == "fused":
        kind = FUSED.get(name)
        if kind is None:
            raise SpecInvalid([f"{spec.optimizer} has no fused kernel"], hint='write step = "graph" in the study')
    optimizer = kind(learning_rate=spec.learning_rate)
    if spec.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(model.trainable_variables)
    return optimizer


def build_base(name: str, image_size: tuple[int, int], *, imagenet: bool) -> Any:
    def make(weights: str | None) -> Any:
        create = getattr(keras.applications, name)
        return create(include_top=False, weights=weights, input_shape=(*image_size, 3), pooling="avg")

    return with_imagenet(make, name, image_size) if imagenet else make(None)


def _preprocessing(name: str) -> Any:
    return importlib.import_module(f"keras.applications.{MODELS[name].module}").preprocess_input


def _mode(frozen: bool) -> dict[str, bool]:
    return {"training": False} if frozen else {}
