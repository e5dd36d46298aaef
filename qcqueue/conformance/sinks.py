"""Sinks that no process stands behind: one that training speaks to in vain, and one that keeps what it said."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qcqueue.core.evaluation import Result
from qcqueue.core.phases import Phase
from qcqueue.core.records import EpochTiming, Rehearsal, Snapshot, Tensors, TrainingRecord
from qcqueue.core.step_choice import StepChoice
from qcqueue.engines.base import Sink


class DeafSink(Sink):
    """Takes nothing, asks for nothing. It has no best model, so a run that needs one must not come to its end."""

    def progress(
        self,
        phase: Phase,
        *,
        epoch: int = 0,
        step: int = 0,
        steps: int = 0,
        loss: float | None = None,
        accuracy: float | None = None,
    ) -> None: ...

    def rehearsed(self, rehearsal: Rehearsal) -> None: ...

    def chose_step(self, choice: StepChoice) -> None: ...

    def should_stop(self) -> bool:
        return False

    def should_save(self, *, epoch: int, step: int, steps: int) -> bool:
        return False

    def save(self, snapshot: Snapshot) -> None: ...

    def save_model(self, epoch: int, tensors: Tensors) -> None: ...

    def epoch_done(self, record: TrainingRecord, timing: EpochTiming, *, is_best: bool, is_saved: bool) -> None: ...

    def finished(self, result: Result, predictions: Tensors) -> None: ...


def every_epoch(epoch: int, step: int, steps: int) -> bool:
    return step == steps


@dataclass(kw_only=True)
class RecordingSink(DeafSink):
    """Keeps what one process of a run said, saves when `when` (epoch, step, steps) says so, and asks to stop in time.

    stop_after: how many steps of this process to let happen, None for all. best: the model of each epoch that was the
    best when it ended. newest: the state saved last, or the one the run was resumed from where that is put there.
    """

    stop_after: int | None = None
    when: Callable[[int, int, int], bool] = every_epoch
    best: dict[int, Tensors] = field(default_factory=dict)
    newest: Snapshot | None = None
    snapshots: list[Snapshot] = field(default_factory=list)
    records: list[TrainingRecord] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    result: Result | None = None
    predictions: Tensors = field(default_factory=dict)
    asked: int = 0

    def progress(self, phase: Phase, **facts: Any) -> None:
        if not self.phases or self.phases[-1] != phase:
            self.phases.append(phase)

    def should_stop(self) -> bool:
        self.asked += 1
        return self.stop_after is not None and self.asked > self.stop_after

    def should_save(self, *, epoch: int, step: int, steps: int) -> bool:
        return self.when(epoch, step, steps)

    def save(self, snapshot: Snapshot) -> None:
        self.newest = snapshot
        self.snapshots.append(snapshot)

    def save_model(self, epoch: int, tensors: Tensors) -> None:
        self.best[epoch] = tensors

    def epoch_done(self, record: TrainingRecord, timing: EpochTiming, *, is_best: bool, is_saved: bool) -> None:
        self.records.append(record)
        if is_best and is_saved and self.newest:
            self.best[record.epochs_done] = self.newest.tensors

    def finished(self, result: Result, predictions: Tensors) -> None:
        self.result, self.predictions = result, predictions
