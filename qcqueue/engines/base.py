"""What training needs and what it says, without TensorFlow: the assignment in, the sink out.

`run.train` is given an `Assignment` and speaks only to a `Sink`. It knows no queue, no store and no spool, so a
test can train with a sink that is a list, and a person with one that prints.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from qcqueue.core.evaluation import Result
from qcqueue.core.phases import TrainingPhase
from qcqueue.core.records import EpochTiming, TrainingRecord
from qcqueue.core.rehearsal import Rehearsal
from qcqueue.core.snapshot import Snapshot, Tensors
from qcqueue.core.spec import JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What to train and from where.

    resume_from is None at a fresh start. best reads the model after an epoch, the best so far, from this segment or one
    before; it is called at most once, at the end, and only if the last epoch is not the best. on_cpu: leave a GPU alone
    that the spec would allow. weights_title: what its owner calls the weights file, "" where that is not known.
    """

    spec: JobSpec
    dataset_path: Path
    weights_path: Path | None
    threads: int
    resume_from: "Arriving | None"
    best: Callable[[int], Tensors]
    on_cpu: bool = False
    weights_title: str = ""


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
        phase: TrainingPhase,
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
