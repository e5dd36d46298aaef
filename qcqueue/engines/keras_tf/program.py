"""The two graphs of a job, one that trains a batch and one that predicts, each traced exactly once.

Both accept any batch size, so a partial last batch does not trace again, and all variables exist before the
first call, so the first step does not either. Nothing is compiled with XLA: not every operation has a
deterministic implementation there. A graph is traced at its first call: a run that only validates never pays
for the training graph.
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from qcqueue.core.spec import JobSpec
from qcqueue.engines.keras_tf.models import build_optimizer
from qcqueue.engines.metrics import Predictions


class Program:
    """A model with its optimizer and the functions that run them. Outputs are still on the device."""

    def __init__(self, model: Any, spec: JobSpec) -> None:
        self.model = model
        self.optimizer = build_optimizer(spec, model)
        self.fixed = _fixed(model)
        """The keys, as `state` counts them, of the model's variables that training cannot change."""
        self._spec = spec
        self._loss = keras.losses.SparseCategoricalCrossentropy()
        images = tf.TensorSpec((None, *spec.image_size, 3), tf.uint8)
        labels = tf.TensorSpec((None,), tf.int32)
        self.train_step = tf.function(self._train, [images, labels], autograph=False, jit_compile=False)
        self.predict_step = tf.function(self._predict, [images], autograph=False, jit_compile=False)

    def trace(self) -> None:
        """Trace the training graph without running it; the first step finds it traced."""
        self.train_step.get_concrete_function()

    def warm_up(self) -> None:
        """Make one step on nothing, so that the next one finds all kernels ready; the state is spoilt by it."""
        count = self._spec.batch_size
        images = np.zeros((count, *self._spec.image_size, 3), np.uint8)
        float(self.train_step(images, np.zeros(count, np.int32))[0])

    @property
    def trace_counts(self) -> tuple[int, int]:
        """How often the training and the predicting graph have been traced."""
        return (
            self.train_step.experimental_get_tracing_count(),
            self.predict_step.experimental_get_tracing_count(),
        )

    def predict(self, images: npt.NDArray[np.uint8], *, batch_size: int) -> Predictions:
        """Return what the model says of `images`, in their order."""
        starts = range(0, len(images), batch_size)
        outputs = [self.predict_step(images[start : start + batch_size]) for start in starts]
        softmax, logits = (np.concatenate([it.numpy() for it in part]) for part in zip(*outputs, strict=True))
        return Predictions(softmax=softmax, logits=logits)

    def _train(self, images: Any, labels: Any) -> tuple[Any, Any]:
        """Return the mean loss of the batch before the update, and how many of it were predicted rightly."""
        with tf.GradientTape() as tape:
            predictions = self.model(images, training=True)
            loss = self._loss(labels, predictions)
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        rightly = tf.argmax(predictions, axis=-1, output_type=tf.int32) == labels
        return loss, tf.reduce_sum(tf.cast(rightly, tf.int32))

    def _predict(self, images: Any) -> tuple[Any, Any]:
        predictions = self.model(images, training=False)
        return predictions, _logits_of(predictions)


def _logits_of(predictions: Any) -> Any:
    """Return what a softmax was taken of, found as Keras's own loss finds it."""
    kept = getattr(predictions, "_keras_logits", None)
    if kept is not None:
        return kept
    assert predictions.op.type == "Softmax", f"the outputs are of {predictions.op.type}, and a softmax is needed"
    return predictions.op.inputs[0]


def _fixed(model: Any) -> frozenset[str]:
    """A frozen layer runs in inference mode, so that its weights and statistics stay; only seeds still count on."""
    frozen = {id(variable) for layer in model.layers if not layer.trainable for variable in layer.variables}
    return frozenset(
        f"m/{index:05d}"
        for index, variable in enumerate(model.variables)
        if id(variable) in frozen and str(variable.dtype).startswith("float")
    )
