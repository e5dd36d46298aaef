"""Models that a function in a person's file builds: its code is taken from an approved archive, and what it returns is
seen through before the first step.

A step is Keras's own: `compute_loss` with the losses that the model was compiled with, `scale_loss`, the gradients, and
`apply` of its optimizer. So schedules, clipping, accumulation, weight decay and random layers do what they do under
`fit`. All state must be in Keras variables, or a resumed run is another one: what is kept elsewhere is refused by name.
"""

import importlib
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from qcqueue.code.archive import unpack
from qcqueue.code.modules import is_installed, top_modules
from qcqueue.core.spec import JobSpec
from qcqueue.engines.batches import TrainingData
from qcqueue.engines.keras_tf.program import KerasProgram, count_right
from qcqueue.engines.metrics import Predictions
from qcqueue.errors import ModelRefused
from qcqueue.text.canonical_json import parse_json
from qcqueue.text.fields import OWN_MODEL
from qcqueue.text.humanize import listed


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildJob:
    """What a function that builds a model is given. image_size is (height, width) in pixels; classes is a number."""

    image_size: tuple[int, int]
    classes: int
    seed: int
    epochs: int
    steps_per_epoch: int
    batch_size: int
    params: Mapping[str, Any]


def built(spec: JobSpec, code: Path, data: TrainingData) -> Any:
    """Return the compiled model that the function of a spec builds. code: its archive, approved on this machine.

    Raises: ModelRefused: the function fails, or what it returns cannot be trained exactly. CorruptionError: the archive
        is not that of the spec.
    """
    job = BuildJob(
        image_size=spec.image_size,
        classes=len(data.classes),
        seed=spec.seed,
        epochs=spec.epochs,
        steps_per_epoch=data.steps,
        batch_size=spec.batch_size,
        params=parse_json(spec.params),
    )
    function = _function_of(spec, code)
    try:
        model = function(job)
    except (Exception, SystemExit) as exc:  # whatever it is, it is the function's
        raise ModelRefused(f"{spec.model} fails: {_where(exc, code)}{type(exc).__name__}: {exc}") from exc
    if fault := _fault(model, spec, len(data.classes)):
        raise ModelRefused(f"{spec.model} {fault}")
    return model


class OwnProgram(KerasProgram):
    """The program of a model that somebody has compiled."""

    def __init__(self, model: Any, spec: JobSpec, data: TrainingData, *, threads: int) -> None:
        self._one_hot = _wants_one_hot(model)
        self._from_logits = _from_logits(model)
        model.optimizer.build(model.trainable_variables)
        super().__init__(model, spec, data, threads=threads, optimizer=model.optimizer)
        images = tf.TensorSpec((None, *spec.image_size, 3), tf.uint8)
        labels = tf.TensorSpec((None,), tf.int32)
        self._judge_step = tf.function(self._judge, [images, labels], autograph=False, jit_compile=False)

    def trace(self) -> None:
        """Trace the training graph, and see that all it changes is in the state. Raises: ModelRefused."""
        try:
            graph = self._traced().graph
        except Exception as exc:
            raise ModelRefused(f"a step of {self._spec.model} cannot be computed: {type(exc).__name__}: {exc}") from exc
        known = {id(variable.value.handle) for variable in self._variables().values()}
        stray = sorted(it.name for it in graph.variables if id(it.handle) not in known)
        if any("seed_generator" in name for name in stray):
            raise ModelRefused(
                f"{self._spec.model} draws with keras.random and no seed, which no save would hold: give each call "
                "seed=self.seeds, a keras.random.SeedGenerator that its layer keeps"
            )
        if stray:
            raise ModelRefused(
                f"{self._spec.model} keeps state outside Keras variables, which no save would hold: {listed(stray)}; a "
                "layer makes its own by self.add_weight"
            )

    @property
    def learning_rate(self) -> float:
        return float(self.optimizer.learning_rate)

    def predict(
        self, images: npt.NDArray[np.uint8], *, batch_size: int, labels: npt.NDArray[Any] | None = None
    ) -> Predictions:
        assert labels is not None, "its loss is its own, and is asked for with the labels"
        parts = [slice(start, start + batch_size) for start in range(0, len(images), batch_size)]
        outputs = [self._judge_step(images[part], labels[part].astype(np.int32)) for part in parts]
        softmax, logits = (np.concatenate([it[at].numpy() for it in outputs]) for at in (0, 1))
        losses = [float(it[2]) * len(labels[part]) for it, part in zip(outputs, parts, strict=True)]
        return Predictions(softmax=softmax, logits=logits, loss=sum(losses) / len(labels))

    def _variables(self) -> dict[str, Any]:
        held = super()._variables()
        seen = {id(variable) for variable in held.values()}
        further = [it for it in self.model.metrics_variables if id(it) not in seen]
        first = len(self.optimizer.variables)
        return held | {f"o/{first + index:05d}": variable for index, variable in enumerate(further)}

    def _train(self, images: Any, labels: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            outputs = self.model(images, training=True)
            loss = self.model.compute_loss(x=images, y=self._targets(labels), y_pred=outputs, training=True)
            scaled = self.optimizer.scale_loss(loss)
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(scaled, variables), variables)
        return loss, count_right(outputs, labels)

    def _judge(self, images: Any, labels: Any) -> tuple[Any, Any, Any]:
        """Return softmax, logits and the loss that `evaluate` would give these images."""
        outputs = self.model(images, training=False)
        loss = self.model.compute_loss(x=images, y=self._targets(labels), y_pred=outputs, training=False)
        if self._from_logits:
            return tf.nn.softmax(tf.cast(outputs, tf.float32)), tf.cast(outputs, tf.float32), loss
        softmax = tf.cast(outputs, tf.float32)
        return softmax, tf.math.log(tf.maximum(softmax, np.finfo(np.float32).tiny)), loss

    def _targets(self, labels: Any) -> Any:
        return tf.one_hot(labels, self.model.output_shape[-1]) if self._one_hot else labels


def _function_of(spec: JobSpec, code: Path) -> Any:
    """Return the function that a spec names, out of the archive and nothing else. Raises: ModelRefused."""
    assert spec.code_sha256, "a model of somebody's own has code"
    files = unpack(code.read_bytes(), sha256=spec.code_sha256)
    if clash := sorted(name for name in top_modules(files) if is_installed(name)):
        raise ModelRefused(f"the code of {spec.model} has files with names of packages installed here: {listed(clash)}")
    named = OWN_MODEL.fullmatch(spec.model)
    assert named, "a spec with code names a file and a function"
    if named["file"] not in files:  # whoever wrote the queue may name what was never approved
        raise ModelRefused(f"the code of {spec.model} has no file {named['file']}")
    # What lies in the folder one stands in was not approved: a file may have been edited since.
    sys.path[:] = [place for place in sys.path if place and Path(place).resolve() != Path.cwd()]
    # Behind all that is installed, so that no file of theirs stands before a package.
    sys.path.append(str(code))
    try:
        module = importlib.import_module(Path(named["file"]).stem)
    except (Exception, SystemExit) as exc:
        raise ModelRefused(f"{named['file']} cannot be imported: {_where(exc, code)}{exc}") from exc
    if not str(module.__file__).startswith(f"{code}{os.sep}"):
        raise ModelRefused(f"{named['file']} was to come from the approved code, and came from {module.__file__}")
    function = getattr(module, named["function"], None)
    if not callable(function):
        raise ModelRefused(f"{named['file']} has no function {named['function']}")
    return function


def _where(exc: BaseException, code: Path) -> str:
    """Return in which line of their own files an error came up, "" where in none."""
    own = [it for it in traceback.extract_tb(exc.__traceback__) if it.filename.startswith(str(code))]
    return f"{own[-1].filename.removeprefix(f'{code}/')}:{own[-1].lineno}: " if own else ""


def _fault(model: Any, spec: JobSpec, classes: int) -> str | None:
    """Return why what a function has returned cannot be trained exactly here, to be said after the model's name."""
    if not isinstance(model, keras.Model):
        return f"returns {type(model).__name__}, and a compiled Keras model is needed"
    if not model.compiled or model.optimizer is None:
        return "returns a model that was not compiled: model.compile(optimizer, loss) comes before return"
    if type(model).train_step is not keras.Model.train_step:
        return "has a train_step of its own, which is not run here; a compute_loss of its own is"
    if getattr(model.optimizer, "use_ema", False):
        return "uses use_ema, which changes the weights at other moments than it says"
    try:
        outputs = model(tf.zeros((1, *spec.image_size, 3), tf.uint8), training=False)
    except Exception as exc:
        return f"does not take uint8 images of {spec.image_size[0]}x{spec.image_size[1]}x3: {exc}"
    if not hasattr(outputs, "shape") or tuple(outputs.shape) != (1, classes):
        found = tuple(outputs.shape) if hasattr(outputs, "shape") else type(outputs).__name__
        return f"says {found} of an image, and one number for each of {classes} classes is needed"
    if not _from_logits(model) and not _ends_with_softmax(model):
        return "ends without a softmax, and its loss does not say from_logits=True"
    if _from_logits(model) and _ends_with_softmax(model):
        return "ends with a softmax, and its loss says from_logits=True"
    return None


def _from_logits(model: Any) -> bool:
    return bool(getattr(model.loss, "from_logits", False))


def _ends_with_softmax(model: Any) -> bool:
    last = model.layers[-1] if model.layers else None
    return isinstance(last, keras.layers.Softmax) or getattr(last, "activation", None) is keras.activations.softmax


def _wants_one_hot(model: Any) -> bool:
    """A loss of Keras's that is called categorical wants a number for each class, a sparse one the class."""
    name = (
        model.loss if isinstance(model.loss, str) else getattr(model.loss, "name", getattr(model.loss, "__name__", ""))
    )
    return str(name).startswith(("categorical", "kl_divergence", "binary"))
