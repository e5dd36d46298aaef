"""One model trained by us and by plain Keras, bit by bit: `python -m tests.engines.parity MODEL EPOCHS [small]`.

Plain Keras is written here as a user would write it, and shares nothing with ours but the images and their order. One
thread, no rewriting of graphs: with it, plain `fit` has no bits of its own for some models. A process compares one
model and prints JSON, because threads and rewriting are settled once in its life.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from qcqueue.catalog.models import MODELS
from qcqueue.core.spec import JobSpec
from qcqueue.datasets.format import Split
from tests.engines.worlds import Memory, a_dataset, a_dataset_file, a_spec, an_assignment, run, small_base

SCALES = (1, 30, 100, 1000)
EPOCHS = 5
COMPARED_AFTER = 2
"""Epochs, after which every tensor is compared."""
STEEP = {"VGG16": 0.01, "DenseNet121": 0.01, "ResNet50V2": 0.01, "InceptionResNetV2": 0.003}
STEEP_ELSE = 0.1
STEEP_SMALL = 20.0
"""Learning rates that make a model sure of itself within an epoch, and wrong."""
OFF_MOST = 1e-6
SMALL = 0.1
SURE = 16.12
"""More than the rule of 0.5.1 counted for any mistake."""
LOGITS = 2.0
"""How far apart the logits of an untrained head are made, before they are scaled."""


def main(arguments: Sequence[str]) -> int:
    from qcqueue.engines.keras_tf import models

    model, epochs, *is_small = arguments
    with mock.patch.object(models, "build_base", small_base) if is_small else nullcontext():
        print(json.dumps(compared(model, epochs=int(epochs), is_small=bool(is_small))))
    return 0


def in_a_process(model: str, *, epochs: int = EPOCHS, is_small: bool = False) -> dict[str, Any]:
    """Return what `compared` does, from a process of its own."""
    root = Path(__file__).parents[2]
    asked = [model, str(epochs), *(["small"] if is_small else [])]
    command = [sys.executable, "-m", "tests.engines.parity", *asked]
    child = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr[-4000:]
    found: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    return found


def compared(model: str, *, epochs: int, is_small: bool) -> dict[str, Any]:
    """Return how ours and plain Keras differ. is_small: with a small base in place of the model's.

    tensors, differing: of the whole state after COMPARED_AFTER epochs, how many there are and have other bits. steep:
    the validation losses of the run, which is sure and wrong, and best the best epoch of ours and theirs. heads: by how
    much its head was scaled, our loss. What is called off is the largest relative difference of losses.
    """
    side_px = max(32, MODELS[model].minimum_side_px)
    spec = a_spec(
        model=model,
        image_size=(side_px, side_px),
        augment="none",
        epochs=epochs,
        learning_rate=STEEP_SMALL if is_small else STEEP.get(model, STEEP_ELSE),
    )
    settle(spec)
    with tempfile.TemporaryDirectory() as folder:
        path = a_dataset_file(Path(folder), a_dataset(side_px=side_px))
        return whole(path, spec) | heads(spec, side_px)


def settle(spec: JobSpec) -> None:
    import tensorflow as tf

    from qcqueue.engines.keras_tf import device

    device.settle(spec, threads=1)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def whole(path: Path, spec: JobSpec) -> dict[str, Any]:
    """Both ways from the first step to the last."""
    ours, theirs = ours_of(path, spec), Plain(path, spec)
    losses = list[float]()
    for loss in theirs.epochs():
        losses.append(loss)
        if len(losses) == COMPARED_AFTER:
            other = [*variables(theirs.model), *(variable.numpy() for variable in theirs.model.optimizer.variables)]
    assert ours.result is not None
    mine = [value for _, value in sorted(ours.snapshots[COMPARED_AFTER - 1].tensors.items())]
    history = ours.records[-1].history
    return {
        "tensors": len(mine),
        "differing": sum(one.tobytes() != it.tobytes() for one, it in zip(mine, other, strict=True)),
        "validation off": worst((row.val_loss, it) for row, it in zip(history, losses, strict=True)),
        "accuracies": [row.val_accuracy for row in history] == theirs.accuracies,
        "test off": worst([(ours.result.last.test.loss, theirs.evaluated(Split.TEST)[0])]),
        "best": [ours.result.best.epoch, int(np.argmin(losses)) + 1],
        "steep": [row.val_loss for row in history],
    }


def heads(spec: JobSpec, side_px: int) -> dict[str, Any]:
    """The loss of one model whose head is ever more sure of itself."""
    from qcqueue.engines.batches import TrainingData
    from qcqueue.engines.keras_tf.program import KerasProgram
    from qcqueue.engines.metrics import mean_loss

    data = TrainingData(a_dataset(side_px=side_px), spec)
    images, labels = data.part(Split.VALIDATION)
    model = plain_model(spec)
    model.compile(loss="sparse_categorical_crossentropy", jit_compile=False)
    program = KerasProgram(model, spec, data, threads=1)
    kernel, _ = model.layers[-1].variables
    first = kernel.numpy()
    first *= LOGITS / program.predict(images, batch_size=spec.batch_size).logits.std()
    losses, off = {}, list[float]()
    for scale in SCALES:
        kernel.assign(first * scale)
        ours = mean_loss(program.predict(images, batch_size=spec.batch_size), labels, "logits")
        theirs = model.evaluate(images, labels, batch_size=spec.batch_size, verbose=0)
        losses[str(scale)] = ours
        off.append(worst([(ours, theirs)]))
    return {"heads": losses, "heads off": max(off)}


def ours_of(path: Path, spec: JobSpec) -> Memory:
    import keras

    from qcqueue.engines.keras_tf import device

    keras.utils.clear_session()
    keras.utils.set_random_seed(spec.seed)
    with mock.patch.object(device, "settle"):  # threads are settled once in the life of a process
        return run(an_assignment(path, spec=spec), Memory())


@dataclass
class Plain:
    """`fit` and `evaluate` as anybody calls them, an epoch at a time over the order that ours takes."""

    path: Path
    spec: JobSpec

    def __post_init__(self) -> None:
        import keras

        from qcqueue.engines.batches import load_data

        self._data = load_data(self.path, self.spec)
        self.accuracies = list[float]()
        keras.utils.clear_session()
        keras.utils.set_random_seed(self.spec.seed)
        self.model = plain_model(self.spec)
        self.model.compile(
            optimizer=keras.optimizers.Adam(self.spec.learning_rate),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=False,
        )

    def epochs(self) -> Iterator[float]:
        """Train an epoch and yield the loss on the validation set, until all are done."""
        for epoch in range(1, self.spec.epochs + 1):
            batches = [*self._data.batches(epoch, first_step=0)]
            images, labels = (np.concatenate([getattr(it, name) for it in batches]) for name in ("images", "labels"))
            self.model.fit(images, labels, batch_size=self.spec.batch_size, shuffle=False, verbose=0)
            loss, accuracy = self.evaluated(Split.VALIDATION)
            # Keras divides in float32.
            self.accuracies.append(round(accuracy * len(self._data.part(Split.VALIDATION)[1])) / 10)
            yield loss

    def evaluated(self, split: Split) -> tuple[float, float]:
        images, labels = self._data.part(split)
        loss, accuracy = self.model.evaluate(images, labels, batch_size=self.spec.batch_size, verbose=0)
        return loss, accuracy


def plain_model(spec: JobSpec) -> Any:
    import keras

    from qcqueue.engines.keras_tf import models

    application = importlib.import_module(f"keras.applications.{MODELS[spec.model].module}")
    if models.build_base is small_base:
        base = small_base(spec.model, spec.image_size, imagenet=False)
    else:
        base = getattr(application, spec.model)(
            include_top=False, weights=None, input_shape=(*spec.image_size, 3), pooling="avg"
        )
    is_frozen = spec.trainable == "head"
    base.trainable = not is_frozen
    images = keras.Input((*spec.image_size, 3), dtype="uint8")
    features = application.preprocess_input(keras.ops.cast(images, "float32"))
    features = base(features, training=False) if is_frozen else base(features)
    if spec.dropout:
        features = keras.layers.Dropout(spec.dropout, seed=spec.seed)(features)
    return keras.Model(images, keras.layers.Dense(3, activation="softmax")(features))


def variables(model: Any) -> list[Any]:
    """Return the values of a model's variables without those of its metrics, which `fit` adds."""
    measures = {id(variable) for variable in model.metrics_variables}
    return [variable.numpy() for variable in model.variables if id(variable) not in measures]


def worst(pairs: Iterable[tuple[float, float]]) -> float:
    """Return the largest difference of a loss of ours and one of Keras, relative to the latter.

    Keras computes in float32, so that its losses near 0 are off by some 1e-8: those are compared as if they were SMALL.
    """
    return max(abs(one - other) / max(abs(other), SMALL) for one, other in pairs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
