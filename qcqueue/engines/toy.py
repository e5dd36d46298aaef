"""A model of two small layers in numpy, for whoever wants to see the mechanics of a run and not what it learns.

It starts in a third of a second and keeps the contract of every engine: it has state, statistics of its batches, an
optimizer with slots and dropout with a count of its draws, and a run that was cut anywhere ends with the bits of one
that was not. What a step costs and what goes wrong is asked for in the environment, as `TOY_ENGINE=step_s=0.05,nan=7`
says: each step lasts so long, and the loss of the seventh step of the run is no number.
"""

import os
import platform
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from qcqueue.catalog.models import TOY, ImageNetFile
from qcqueue.catalog.optimizers import OPTIMIZERS
from qcqueue.clock import Clock
from qcqueue.core.records import MODEL, Identity, Tensors
from qcqueue.core.spec import JobSpec
from qcqueue.engines import loop
from qcqueue.engines.base import Assignment, PendingStep, Sink
from qcqueue.engines.batches import Batch, TrainingData, splitmix64
from qcqueue.engines.metrics import Floats, Predictions
from qcqueue.engines.processor import cpu_name, instruction_set
from qcqueue.errors import CheckpointDamaged, DriverFailed, ExtraMissing, OutOfMemory, SettingInvalid
from qcqueue.text.suggest import shown

VARIABLE = "TOY_ENGINE"
GRID = 4
"""An image is seen as the means of so many rows and columns of patches."""

INPUTS = GRID * GRID * 3
HIDDEN = TOY.features
_KEEPS = np.float32(0.9)
"""How much of the moving mean stays at each step."""

_BASE = {"kernel": (INPUTS, HIDDEN), "bias": (HIDDEN,), "moving_mean": (HIDDEN,)}
_STATISTICS = "moving_mean"
_DRAWS = "draws"
_SLOTS = ((), ("velocity",), ("momentum", "velocity"))
"""What is kept of every parameter that is moved, by how many such slots the optimizer of the job has, at most two."""

Array = npt.NDArray[Any]


class Toy:
    """Implements `base.Engine`."""

    def load(self) -> None:
        """Everything is here already."""

    def pretrained(self, file: ImageNetFile, *, given: Path | None, may_download: bool, clock: Clock) -> Path | None:
        """Nobody has published any: its jobs begin with none."""
        return None

    def run(self, assignment: Assignment, sink: Sink, clock: Clock) -> Iterator[None]:
        """Beside what every engine raises: SettingInvalid: nobody can do what the environment asks for."""
        demands = demands_of(os.environ.get(VARIABLE, ""))
        if assignment.spec.device == "gpu":
            raise ExtraMissing("the job wants a GPU, on which the toy computes nothing")

        def build(data: TrainingData) -> ToyProgram:
            return ToyProgram(
                assignment.spec, classes=len(data.classes), threads=assignment.threads, demands=demands, clock=clock
            )

        yield from loop.run(assignment, build, sink, clock)


ENGINE = Toy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What a person wants to see happen.

    step_s: how long a step lasts. The others name a step of the run, counted from 1 over all its lives, or 0 for never:
    nan, its loss is no number; memory, there is too little of it; driver, the driver fails; bug, an error that nobody
    foresaw; killed, the process ends by SIGKILL. differs: from that step on a step done again ends differently.
    """

    step_s: float = 0.0
    nan: int = 0
    memory: int = 0
    driver: int = 0
    bug: int = 0
    killed: int = 0
    differs: int = 0


def demands_of(text: str) -> Demands:
    """Read NAME=VALUE,NAME=VALUE. Raises: SettingInvalid."""
    demands = Demands()
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        number = _number(value, whole=name != "step_s")
        if name not in Demands.__slots__ or number is None:
            allowed = ", ".join(f"{it}=NUMBER" for it in Demands.__slots__)
            raise SettingInvalid(f"{VARIABLE} says {shown(part)}; it may say {allowed}")
        asked: dict[str, Any] = {name: number}
        demands = replace(demands, **asked)
    return demands


def _number(text: str, *, whole: bool) -> float | None:
    """Return a number from 0 to a million, None for anything else."""
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        return None
    return number if 0 <= number <= 1e6 else None


class ToyProgram:
    """Implements `base.Program`. No array that was handed out is ever written to: a step makes new ones."""

    def __init__(self, spec: JobSpec, *, classes: int, threads: int, demands: Demands, clock: Clock) -> None:
        self.calls_ahead = 0
        self.identity = _identity(spec, threads)
        self._spec = spec
        self._demands = demands
        self._clock = clock
        self._repetitions = 0
        self._model = _first_values(spec, classes)
        moved = _trainable(spec, self._model)
        self._slots = _SLOTS[min(OPTIMIZERS[spec.optimizer].slots, 2)]
        self._optimizer: dict[str, Array] = {
            "iterations": np.zeros((), np.int64),
            "learning_rate": np.array(spec.learning_rate, np.float32),
            **{f"{name}/{slot}": np.zeros_like(self._model[name]) for slot in self._slots for name in moved},
        }
        fixed = (*_BASE,) if spec.trainable == "head" else ()
        self.fixed = frozenset(key for key, name in _keys("m", self._model).items() if name in fixed)
        self.parameters = sum(self._model[name].size for name in self._model if name != _DRAWS)
        self.trainable_parameters = sum(self._model[name].size for name in moved)

    def warm_up(self) -> Iterator[None]:
        """There is nothing to compile; a step on nothing spoils the state, as it may."""
        count = self._spec.batch_size
        self._update(np.zeros((count, *self._spec.image_size, 3), np.uint8), np.zeros(count, np.int32))
        yield

    def steps_a_call(self, step_s: float) -> int:
        return 1

    def train(self, batches: Sequence[Batch]) -> Sequence[PendingStep]:
        return [self._train(batch) for batch in batches]

    def _train(self, batch: Batch) -> PendingStep:
        number = int(self._optimizer["iterations"]) + 1
        self._meet_the_demands(number)
        with np.errstate(all="ignore"):  # what is no number is told as a loss
            loss, correct = self._update(batch.images, batch.labels)
        if number == self._demands.nan:
            loss = float("nan")
        if 0 < self._demands.differs <= number:
            self._repetitions += 1
            loss += self._repetitions
        return PendingStep(loss, correct)

    def predict(self, images: npt.NDArray[np.uint8], *, batch_size: int) -> Predictions:
        starts = range(0, len(images), batch_size)
        with np.errstate(all="ignore"):
            logits = np.concatenate([self._logits(images[at : at + batch_size]) for at in starts])
            return Predictions(softmax=_softmax(logits), logits=logits)

    def tensors(self) -> dict[str, Array]:
        model = {key: self._model[name] for key, name in _keys("m", self._model).items()}
        return model | {key: self._optimizer[name] for key, name in _keys("o", self._optimizer).items()}

    def model_tensors(self) -> dict[str, Array]:
        return {key: it for key, it in self.tensors().items() if key.startswith(MODEL)}

    def paths(self) -> dict[str, str]:
        model = {key: f"toy/{name}" for key, name in _keys("m", self._model).items()}
        return model | {key: f"{self._spec.optimizer}/{name}" for key, name in _keys("o", self._optimizer).items()}

    def restore(self, tensors: Tensors, *, model_only: bool = False) -> None:
        wanted = self.model_tensors() if model_only else self.tensors()
        given = {key: it for key, it in tensors.items() if key.startswith(MODEL)} if model_only else tensors
        if wanted.keys() != given.keys():
            raise CheckpointDamaged(f"the state holds {len(given)} tensors and this model needs {len(wanted)}")
        for key, it in wanted.items():
            if (it.shape, it.dtype) != (given[key].shape, given[key].dtype):
                found, allowed = ((value.shape, str(value.dtype)) for value in (given[key], it))
                raise CheckpointDamaged(f"tensor {key} is {found} in the state and should be {allowed}")
        groups = {"m": self._model} if model_only else {"m": self._model, "o": self._optimizer}
        for letter, group in groups.items():
            group.update({name: np.array(given[key]) for key, name in _keys(letter, group).items()})

    # What a step computes

    def _update(self, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int32]) -> tuple[float, int]:
        """Make one step; return the mean loss before it, and how many of the batch were predicted rightly."""
        model, count = self._model, len(labels)
        is_frozen = self._spec.trainable == "head"
        seen = _seen(images)
        linear = seen @ model["kernel"] + model["bias"]
        mean = model[_STATISTICS] if is_frozen else linear.mean(axis=0, dtype=np.float32)
        centred = linear - mean
        kept = self._kept(count)
        features = np.maximum(centred, 0) * kept
        logits = features @ model["head_kernel"] + model["head_bias"]
        softmax = _softmax(logits)
        chosen = np.clip(softmax[np.arange(count), labels].astype(np.float64), 1e-30, 1)
        loss = float(-np.log(chosen).mean())
        error = softmax.copy()
        error[np.arange(count), labels] -= np.float32(1)
        error /= np.float32(count)
        gradients = {"head_kernel": features.T @ error, "head_bias": error.sum(axis=0, dtype=np.float32)}
        if not is_frozen:
            back = (error @ model["head_kernel"].T) * kept * (centred > 0)
            back -= back.mean(axis=0, dtype=np.float32)
            gradients |= {"kernel": seen.T @ back, "bias": back.sum(axis=0, dtype=np.float32)}
            model[_STATISTICS] = _KEEPS * model[_STATISTICS] + (1 - _KEEPS) * mean
        if self._spec.dropout:
            model[_DRAWS] = model[_DRAWS] + np.array([0, 1], np.uint32)
        self._apply(gradients)
        return loss, int(np.count_nonzero(logits.argmax(axis=1) == labels))

    def _apply(self, gradients: Mapping[str, Array]) -> None:
        """Move the variables by the rule of Adam, RMSprop or plain descent: the one that keeps as many slots."""
        state = self._optimizer
        state["iterations"] = state["iterations"] + np.int64(1)
        step, rate = int(state["iterations"]), state["learning_rate"]
        for name, gradient in gradients.items():
            change = gradient
            if "momentum" in self._slots:
                first = state[f"{name}/momentum"] * np.float32(0.9) + gradient * np.float32(0.1)
                second = state[f"{name}/velocity"] * np.float32(0.999) + gradient * gradient * np.float32(0.001)
                state[f"{name}/momentum"], state[f"{name}/velocity"] = first, second
                scale = np.float32((1 - 0.999**step) ** 0.5 / (1 - 0.9**step))
                change = scale * first / (np.sqrt(second) + np.float32(1e-7))
            elif self._slots:
                second = state[f"{name}/velocity"] * np.float32(0.9) + gradient * gradient * np.float32(0.1)
                state[f"{name}/velocity"] = second
                change = gradient / np.sqrt(second + np.float32(1e-7))
            self._model[name] = (self._model[name] - rate * change).astype(np.float32)

    def _logits(self, images: npt.NDArray[np.uint8]) -> Floats:
        linear = _seen(images) @ self._model["kernel"] + self._model["bias"] - self._model[_STATISTICS]
        logits: Floats = np.maximum(linear, 0) @ self._model["head_kernel"] + self._model["head_bias"]
        return logits

    def _kept(self, count: int) -> Floats:
        """Return by what each feature of a batch is multiplied: nothing of those that are dropped, more of the rest."""
        if not self._spec.dropout:
            return np.ones((1, 1), np.float32)
        seed, draws = (int(it) for it in self._model[_DRAWS])
        shares = _shares(seed ^ draws << 32, (count, HIDDEN))
        kept: Floats = (shares >= self._spec.dropout).astype(np.float32) / np.float32(1 - self._spec.dropout)
        return kept

    def _meet_the_demands(self, number: int) -> None:
        demands = self._demands
        if demands.step_s:
            self._clock.sleep(demands.step_s)
        for at, happen in ((demands.memory, _memory), (demands.driver, _driver), (demands.bug, _bug)):
            if at == number:
                happen()
        if demands.killed == number:
            os.kill(os.getpid(), signal.SIGKILL)


def _memory() -> NoReturn:
    raise OutOfMemory("the toy was asked to run out of memory")


def _driver() -> NoReturn:
    raise DriverFailed("the toy was asked to have a driver that fails")


def _bug() -> NoReturn:
    raise KeyError("the toy was asked for a bug")


def _identity(spec: JobSpec, threads: int) -> Identity:
    return Identity(
        processor=cpu_name(),
        instruction_set=instruction_set(),
        threads=threads,
        deterministic=spec.determinism == "exact",
        python=platform.python_version(),
        framework="toy",
        framework_version="1",
        numpy=np.__version__,
    )


def _first_values(spec: JobSpec, classes: int) -> dict[str, Array]:
    """Return the model's variables in their order, before the first step of a run."""
    shapes: dict[str, tuple[int, ...]] = {**_BASE, "head_kernel": (HIDDEN, classes), "head_bias": (classes,)}
    model: dict[str, Array] = {}
    for place, (name, shape) in enumerate(shapes.items()):
        is_kernel = len(shape) == 2
        limit = (6 / sum(shape)) ** 0.5 if is_kernel else 0.0
        shares = _shares(spec.seed ^ place << 40, shape)
        model[name] = ((2 * shares - 1) * np.float32(limit)).astype(np.float32)
    if spec.dropout:
        model[_DRAWS] = np.array([spec.seed & 0xFFFF_FFFF, 0], np.uint32)
    return model


def _trainable(spec: JobSpec, model: Mapping[str, Array]) -> list[str]:
    still = {_STATISTICS, _DRAWS, *(_BASE if spec.trainable == "head" else ())}
    return [name for name in model if name not in still]


def _keys(letter: str, group: Mapping[str, Array]) -> dict[str, str]:
    return {f"{letter}/{place:05d}": name for place, name in enumerate(group)}


def _seen(images: npt.NDArray[np.uint8]) -> Floats:
    """Return float32 [sample, INPUTS]: the means of the patches, as shares of white. Sums of integers are exact."""
    sums: Array = images.astype(np.int64)
    sizes: Array = np.ones((), np.int64)
    for axis in (1, 2):
        side = images.shape[axis]
        starts = np.arange(GRID) * side // GRID
        sums = np.add.reduceat(sums, starts, axis=axis)
        widths = np.diff(np.append(starts, side))
        sizes = sizes * widths.reshape([-1 if at == axis else 1 for at in range(4)])
    return (sums / (255.0 * sizes)).reshape(len(images), INPUTS).astype(np.float32)


def _softmax(logits: Floats) -> Floats:
    raised = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float64))
    softmax: Floats = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    return softmax


def _shares(key: int, shape: tuple[int, ...]) -> Floats:
    """Return numbers from 0 to 1 that depend on key and place alone."""
    mixed = splitmix64(np.array([key & 0xFFFF_FFFF_FFFF_FFFF], np.uint64))
    places = np.arange(int(np.prod(shape)), dtype=np.uint64)
    shares: Floats = (splitmix64(places ^ mixed) >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
    return shares.reshape(shape)
