"""What an engine owes and what it is given: an assignment in, a sink out, and between them a program that steps.

An `Engine` is given an `Assignment` and speaks only to a `Sink`. It knows no queue, no store and no spool, so a test
can train with a sink that is a list, and a person with one that prints. One that builds a `Program` leaves the order
of events to `loop.run`. Always true: what follows a state depends on that state and the spec alone, bit for bit.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, SupportsFloat, SupportsInt

import numpy as np
import numpy.typing as npt

from qcqueue.catalog.models import ImageNetFile
from qcqueue.clock import Clock
from qcqueue.core.evaluation import Result
from qcqueue.core.phases import Phase
from qcqueue.core.records import EpochTiming, Identity, Rehearsal, Snapshot, Tensors, TrainingRecord
from qcqueue.core.spec import JobSpec
from qcqueue.core.step_choice import StepChoice, StepOrder
from qcqueue.engines.batches import Batch
from qcqueue.engines.metrics import Predictions


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What to train and from where.

    resume_from is None at a fresh start. best reads the model after an epoch, the best so far, from this segment or one
    before; it is called at most once, at the end, and only if the last epoch is not the best. on_cpu: leave a GPU alone
    that the spec would allow. weights_title: what its owner calls the weights file, "" where that is not known.
    code_path: the archive of the code that builds the model; None for one of the catalogue.
    step: the way to compute a step, for whoever builds the program; step_order: what is known for choosing it.
    """

    spec: JobSpec
    dataset_path: Path
    weights_path: Path | None
    threads: int
    resume_from: "Arriving | None"
    best: Callable[[int], Tensors]
    on_cpu: bool = False
    weights_title: str = ""
    code_path: Path | None = None
    step: str = "graph"
    step_order: StepOrder = StepOrder()  # noqa: RUF009 (a frozen value)


class Arriving(Protocol):
    """A state to resume from, which may still be on its way while the program is built."""

    def has_come(self) -> bool: ...

    def wait(self) -> Snapshot:
        """Return it as soon as it is here. Raises: CheckpointDamaged."""
        ...


@dataclass(frozen=True, slots=True)
class Here:
    """A state that is here already. Implements `Arriving`."""

    state: Snapshot

    def has_come(self) -> bool:
        return True

    def wait(self) -> Snapshot:
        return self.state


class Sink(Protocol):
    """Where training speaks to. Called from the training thread only, in the order of the run."""

    def progress(
        self,
        phase: Phase,
        *,
        epoch: int = 0,
        step: int = 0,
        steps: int = 0,
        loss: float | None = None,
        accuracy: float | None = None,
    ) -> None:
        """Say where training is; called at every step, so it must be cheap."""

    def rehearsed(self, rehearsal: Rehearsal) -> None:
        """Take what came of a rehearsal; called before the first step on hardware that is new to the run."""

    def chose_step(self, choice: StepChoice) -> None:
        """Take how the step was chosen; called before the program is built, where there was anything to choose."""

    def should_stop(self) -> bool:
        """Return whether to save and leave; asked once a step."""
        ...

    def should_save(self, *, epoch: int, step: int, steps: int) -> bool:
        """Return whether to save after a step of an epoch; asked at every step, so it must be cheap.

        What must be saved whatever the sink says (the last epoch, a stop) training saves without asking.
        """
        ...

    def save(self, snapshot: Snapshot) -> None:
        """Take a complete state. The arrays belong to the sink until the call returns, not longer."""

    def save_model(self, epoch: int, tensors: Tensors) -> None:
        """Take the model after an epoch that is the best and whose state was not saved; called before `epoch_done`."""

    def epoch_done(self, record: TrainingRecord, timing: EpochTiming, *, is_best: bool, is_saved: bool) -> None:
        """Take a finished epoch. is_saved: its state is the one saved last, or the one resumed from."""

    def finished(self, result: Result, predictions: Tensors) -> None:
        """Take the final figures.

        predictions: the softmax, float32 [sample, class] in dataset order, under last/validation, last/test,
        best/validation and best/test; and what it was taken of, of the same shape, under last/validation/logits and so
        on.
        """


class Engine(Protocol):
    """Builds and trains models of one kind. Knows no queue, no store and no spool."""

    def load(self) -> None:
        """Import what every run needs, which may take seconds; asked before there is a job. Raises: ImportError."""

    def pretrained(self, file: ImageNetFile, *, given: Path | None, may_download: bool, clock: Clock) -> Path | None:
        """Return where a file of published weights lies whole on this machine, None where it is not here.

        It is asked while the libraries may still load. may_download: have it where it is not here, from `given`, a copy
        on this machine, or else from the network. Raises: WeightsUnavailable: that is allowed, and came to nothing.
        """
        ...

    def run(self, assignment: Assignment, sink: Sink, clock: Clock) -> Iterator[None]:
        """Carry out `assignment` to its end or to a stop, all saved; each `next` is one bounded piece of it.

        Raises: TrainingError: the job cannot be done, and trying again would end the same way.
            CheckpointDamaged: the state to resume from belongs to another job.
            LineageRefused: the job may go on only on a machine like the one before, and this is another.
        """
        ...


@dataclass(frozen=True, slots=True)
class PendingStep:
    """A step that the device may still be working on: whoever reads a figure waits for it.

    loss: the mean over the batch, before the update; correct: how many of its samples were predicted rightly.
    """

    loss: SupportsFloat
    correct: SupportsInt


class Program(Protocol):
    """One model with its optimizer, which `loop.run` steps. It owns all state that decides bits.

    Tensors have the keys m/00000.. (the model's own) and o/00000.. (the optimizer's), in an order that is the same in
    every process.
    """

    @property
    def identity(self) -> Identity:
        """Everything beside the spec that decides the bits in this process."""
        ...

    @property
    def fixed(self) -> frozenset[str]:
        """The keys of the model's tensors that training cannot change."""
        ...

    @property
    def calls_ahead(self) -> int:
        """How many calls of `train` may be unread while the next is given: 0 where there is nothing to wait for."""
        ...

    def steps_a_call(self, step_s: float) -> int:
        """Return how many steps `train` had best be given at once, by how long one takes; bits never depend on it."""
        ...

    @property
    def parameters(self) -> int: ...

    @property
    def trainable_parameters(self) -> int: ...

    def warm_up(self) -> Iterator[None]:
        """Get ready for the first step while a state is on its way, a piece each time; the state may be spoilt."""
        ...

    def train(self, batches: Sequence[Batch]) -> Sequence[PendingStep]:
        """Make a step on each of these batches, one after the other. All are of one size."""
        ...

    @property
    def learning_rate(self) -> float:
        """That of the next step."""
        ...

    def predict(
        self, images: npt.NDArray[np.uint8], *, batch_size: int, labels: npt.NDArray[Any] | None = None
    ) -> Predictions:
        """Return what the model says of uint8 [sample, height, width, 3], in their order.

        labels: their classes, for a model whose loss is its own.
        """
        ...

    def tensors(self) -> Tensors:
        """Return the whole state as it is now; later steps do not change what was returned."""
        ...

    def model_tensors(self) -> Tensors:
        """Return the model's part of the state as it is now."""
        ...

    def paths(self) -> dict[str, str]:
        """Return the name of each key's tensor, as a cross-check."""
        ...

    def restore(self, tensors: Tensors, *, model_only: bool = False) -> None:
        """Put a whole state back, or of any state only the model's part.

        Raises: CheckpointDamaged: it is not one of this program, and nothing has changed.
        """
