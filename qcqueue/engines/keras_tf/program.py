"""The two graphs of a job, one that trains a batch and one that predicts, each traced exactly once; and all state.

Both graphs accept any batch size, so a partial last batch does not trace again, and all variables exist before the
first call, so the first step does not either. A graph is traced at its first call: a run that only validates never pays
for the training graph. How that is computed is the run's `step`: "graph" as Keras writes it, "fused" with one operation
for each update of a tensor, "xla" compiled, with what has no deterministic form there in another. The three have
different bits. Predictions are computed as Keras writes them, always.

State is `model.variables` with seeds and statistics, and `optimizer.variables`, by group and position (m/00000,
o/00000), because Keras numbers paths by what a process built before. A taken state cannot change any more: on a GPU it
is a copy, in host memory it shares the variables' buffers, which TensorFlow leaves alone and replaces (copy on write)
as long as someone else reads them. So taking 650 MB costs milliseconds, and nothing where it is dropped before the
next step. A restore checks count, shape and type of every tensor before it changes the first.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from qcqueue.core.records import MODEL, Identity, Tensors
from qcqueue.core.spec import JobSpec
from qcqueue.engines.base import Assignment, PendingStep
from qcqueue.engines.batches import Batch, TrainingData
from qcqueue.engines.keras_tf import device
from qcqueue.engines.keras_tf.fingerprint import step_fingerprint
from qcqueue.engines.keras_tf.inputs import MOST_STEPS, inputs_for
from qcqueue.engines.keras_tf.models import build_model, build_optimizer
from qcqueue.engines.keras_tf.pooling import pool_by_slices
from qcqueue.engines.keras_tf.scatters import refuse_scatters
from qcqueue.engines.metrics import Predictions
from qcqueue.errors import CheckpointDamaged


def in_blocks(step: str, *, has_gpu: bool) -> bool:
    """Return whether steps are made several in a call, by a program with a loop.

    A loop is compiled to other bits than a step by itself (seen with ResNet50V2), so that is settled for a whole run,
    by what its identity says. "graph" is what runs of before 0.7 were computed with, step by step. On a CPU a call
    costs nothing beside a step, and a loop of TensorFlow's is slower; XLA compiles the loop alone.
    """
    return step == "xla" or (step != "graph" and has_gpu)


LONGEST_CALL_S = 0.5
"""How long a stop, or a save that is asked for, may wait for the end of a call."""


def build_program(assignment: Assignment, data: TrainingData) -> "KerasProgram":
    """Settle this process for a job and return its program; where a state is to come, with values that do not matter.

    Raises: ExtraMissing: the job wants a GPU that TensorFlow does not see. WeightsUnavailable: its weights cannot be
        had, or are those of another model.
    """
    device.settle(assignment.spec, threads=assignment.threads, on_cpu=assignment.on_cpu)
    return program_of(assignment, data)


def program_of(assignment: Assignment, data: TrainingData) -> "KerasProgram":
    """Return the program of a job in a process that is settled. Raises: as `build_program`."""
    model = build_model(
        assignment.spec,
        classes=len(data.classes),
        weights_path=assignment.weights_path,
        weights_title=assignment.weights_title,
        fresh=assignment.resume_from is None,
    )
    return KerasProgram(model, assignment.spec, data, threads=assignment.threads, step=assignment.step)


class KerasProgram:
    """A model with its optimizer and the functions that run them. Implements `base.Program`; outputs are still on the
    device."""

    def __init__(
        self,
        model: Any,
        spec: JobSpec,
        data: TrainingData,
        *,
        threads: int,
        step: str = "graph",
    ) -> None:
        """step: the way a step is computed. Raises: SpecInvalid: its optimizer cannot be computed so."""
        self.model = model
        self.data = data
        self.step = step
        if step == "xla":
            pool_by_slices(model)
        self.optimizer = build_optimizer(spec, model, step=step)
        self.fixed = _fixed(model)
        self._spec = spec
        self._threads = threads
        images = tf.TensorSpec((None, *spec.image_size, 3), tf.uint8)
        labels = tf.TensorSpec((None,), tf.int32)
        self._has_gpu = device.has_gpu()
        self._in_blocks = in_blocks(step, has_gpu=self._has_gpu)
        self._inputs = inputs_for(data, device_bytes=device.memory_bytes())
        self.train_step = tf.function(self._train, [images, labels], autograph=False, jit_compile=False)
        self.train_block = tf.function(
            self._train_block,
            [tf.TensorSpec((), tf.int32), *self._inputs.signature],
            autograph=False,
            jit_compile=step == "xla",
        )
        self.predict_step = tf.function(self._predict, [images], autograph=False, jit_compile=False)

    @cached_property
    def identity(self) -> Identity:
        """On a GPU, and of a step that is compiled, it takes two steps to know; the state is put back.

        Raises: DeterminismRefused: the step adds up in an order that nothing fixes.
        """
        known = replace(device.identity(self._spec, threads=self._threads), step=self.step)
        if not self._has_fingerprint:
            return known
        self.trace()
        return replace(known, step_fingerprint=step_fingerprint(self))

    @property
    def _has_fingerprint(self) -> bool:
        """Whether a step has fixed bits, and versions do not tell which: a GPU's libraries choose, and XLA does."""
        return self._spec.determinism == "exact" and (self._has_gpu or self.step == "xla")

    @property
    def calls_ahead(self) -> int:
        """A GPU always has the next call to go on with; a CPU has nothing to wait for."""
        return int(self._has_gpu)

    def steps_a_call(self, step_s: float) -> int:
        """As many as a stop can wait for, where steps are made in blocks."""
        return max(1, min(MOST_STEPS, int(LONGEST_CALL_S / step_s))) if self._in_blocks and step_s > 0 else 1

    @property
    def parameters(self) -> int:
        return int(self.model.count_params())

    @property
    def trainable_parameters(self) -> int:
        return sum(math.prod(variable.shape) for variable in self.model.trainable_variables)

    def warm_up(self) -> Iterator[None]:
        self.trace()
        yield
        if self._has_fingerprint:
            assert self.identity.step_fingerprint, "it takes steps to know"
        else:
            self.step_on_nothing()

    def trace(self) -> None:
        """Trace the training graph without running it; the first step finds it traced.

        Raises: DeterminismRefused: what XLA makes of it is not exact, and has to be.
        """
        self._traced()
        if self.step == "xla" and self._spec.determinism == "exact":
            refuse_scatters(self.train_block, np.int32(1), *self._nothing_packed())

    def _traced(self) -> Any:
        return (self.train_block if self._in_blocks else self.train_step).get_concrete_function()

    def step_on_nothing(self) -> None:
        """Make one step, so that the next one finds all kernels ready; the state is spoilt by it."""
        if self._in_blocks:
            float(self.train_block(np.int32(1), *self._nothing_packed())[0][0])
        else:
            images = np.zeros((self._spec.batch_size, *self._spec.image_size, 3), np.uint8)
            float(self.train_step(images, np.zeros(self._spec.batch_size, np.int32))[0])

    def _nothing_packed(self) -> list[npt.NDArray[Any]]:
        """Return what a block of whole batches is given, all of it zeros."""
        shapes = [(MOST_STEPS, self._spec.batch_size, *it.shape[2:]) for it in self._inputs.signature]
        return [
            np.zeros(shape, it.dtype.as_numpy_dtype) for shape, it in zip(shapes, self._inputs.signature, strict=True)
        ]

    @property
    def trace_counts(self) -> tuple[int, int]:
        """How often the training and the predicting graph have been traced."""
        return (
            self.train_step.experimental_get_tracing_count() + self.train_block.experimental_get_tracing_count(),
            self.predict_step.experimental_get_tracing_count(),
        )

    def operations(self) -> Counter[str]:
        """Count the operations of a step by kind, with those within loops and branches."""
        graph = self._traced().graph.as_graph_def()
        return Counter(node.op for node in [*graph.node, *(it for f in graph.library.function for it in f.node_def)])

    def train(self, batches: Sequence[Batch]) -> Sequence[PendingStep]:
        if not self._in_blocks:
            return [PendingStep(*self.train_step(batch.images, batch.labels)) for batch in batches]
        losses, correct = self.train_block(np.int32(len(batches)), *self._inputs.pack(batches))
        return [PendingStep(_At(losses, row), _At(correct, row)) for row in range(len(batches))]

    def predict(self, images: npt.NDArray[np.uint8], *, batch_size: int) -> Predictions:
        starts = range(0, len(images), batch_size)
        outputs = [self.predict_step(images[start : start + batch_size]) for start in starts]
        softmax, logits = (np.concatenate([it.numpy() for it in part]) for part in zip(*outputs, strict=True))
        return Predictions(softmax=softmax, logits=logits)

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        return {key: _on_host(variable) for key, variable in self._variables().items()}

    def model_tensors(self) -> dict[str, npt.NDArray[Any]]:
        return {key: _on_host(variable) for key, variable in self._model_variables().items()}

    def paths(self) -> dict[str, str]:
        """Return what Keras calls the variable of each key."""
        return {key: variable.path for key, variable in self._variables().items()}

    def restore(self, tensors: Tensors, *, model_only: bool = False) -> None:
        if model_only:
            _assign(self._model_variables(), {key: it for key, it in tensors.items() if key.startswith(MODEL)})
        else:
            _assign(self._variables(), tensors)

    def _variables(self) -> dict[str, Any]:
        optimizer = {f"o/{index:05d}": variable for index, variable in enumerate(self.optimizer.variables)}
        return self._model_variables() | optimizer

    def _model_variables(self) -> dict[str, Any]:
        return {f"m/{index:05d}": variable for index, variable in enumerate(self.model.variables)}

    def _train(self, images: Any, labels: Any) -> tuple[Any, Any]:
        """Return the mean loss of the batch before the update, and how many of it were predicted rightly."""
        with tf.GradientTape() as tape:
            predictions = self.model(images, training=True)
            loss = self._loss(labels, predictions)
            scaled = self.optimizer.scale_loss(loss)  # the same, but where float16 would lose small gradients
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(scaled, variables), variables)
        return loss, count_right(predictions, labels)

    def _loss(self, labels: Any, predictions: Any) -> Any:
        if self.step != "xla":
            return keras.losses.SparseCategoricalCrossentropy()(labels, predictions)
        # By the number of a class, the deterministic gradient is a scatter there.
        return keras.losses.CategoricalCrossentropy()(tf.one_hot(labels, predictions.shape[-1]), predictions)

    def _train_block(self, count: Any, *packed: Any) -> tuple[Any, Any]:
        """Make so many of the steps that are packed; return the losses and the right predictions, one for each."""
        rows = tf.range(MOST_STEPS, dtype=tf.int64)

        def step(row: Any, losses: Any, correct: Any) -> tuple[Any, Any, Any]:
            loss, rightly = self._train(*self._inputs.batch(tf.cast(row, tf.int64), *packed))
            here = rows == tf.cast(row, tf.int64)
            return row + 1, tf.where(here, loss, losses), tf.where(here, rightly, correct)

        nothing = tf.zeros(MOST_STEPS, tf.float32)
        _, losses, correct = tf.while_loop(
            lambda row, *_: row < count, step, (tf.constant(0), nothing, nothing), parallel_iterations=1
        )
        return losses, correct

    def _predict(self, images: Any) -> tuple[Any, Any]:
        predictions = self.model(images, training=False)
        return predictions, _logits_of(predictions)


def count_right(outputs: Any, labels: Any) -> Any:
    """Return how many of a batch were predicted rightly, as float32: a GPU has whole numbers counted on the host."""
    rightly = tf.argmax(outputs, axis=-1, output_type=labels.dtype) == labels
    return tf.reduce_sum(tf.cast(rightly, tf.float32))


class _At:
    """One of the figures of a block, still on the device. Implements `SupportsFloat` and `SupportsInt`."""

    def __init__(self, figures: Any, row: int) -> None:
        self._figures = figures
        self._row = row

    def __float__(self) -> float:
        return float(self._figures.numpy()[self._row])

    def __int__(self) -> int:
        return int(float(self))


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


def _on_host(variable: Any) -> npt.NDArray[Any]:
    # The bare operation: a state has some thousand tensors, and what Keras adds to each read costs more than its bytes.
    value = variable.value
    return np.asarray(memoryview(tf.raw_ops.ReadVariableOp(resource=value.handle, dtype=value.dtype)))


def _assign(variables: Mapping[str, Any], tensors: Tensors) -> None:
    if variables.keys() != tensors.keys():
        raise CheckpointDamaged(f"the state holds {len(tensors)} tensors and this model needs {len(variables)}")
    for key, variable in variables.items():
        wanted, found = (tuple(variable.shape), variable.dtype), (tensors[key].shape, str(tensors[key].dtype))
        if wanted != found:
            raise CheckpointDamaged(f"tensor {key} ({variable.path}) is {found} in the state and should be {wanted}")
    for key, variable in variables.items():
        variable.value.assign(tensors[key], read_value=False)
