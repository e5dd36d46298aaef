"""A sink that training speaks to in vain, for what measures training itself."""

from qcqueue.core.evaluation import Result
from qcqueue.core.phases import TrainingPhase
from qcqueue.core.records import EpochTiming, TrainingRecord
from qcqueue.core.rehearsal import Rehearsal
from qcqueue.core.snapshot import Snapshot, Tensors
from qcqueue.engines.base import Sink


class DeafSink(Sink):
    """Takes nothing, asks for nothing. It has no best model, so a run that needs one must not come to its end."""

    def progress(
        self,
        phase: TrainingPhase,
        *,
        epoch: int = 0,
        step: int = 0,
        steps: int = 0,
        loss: float | None = None,
        accuracy: float | None = None,
    ) -> None: ...

    def rehearsed(self, rehearsal: Rehearsal) -> None: ...

    def should_stop(self) -> bool:
        return False

    def should_save(self, *, epoch: int, step: int, steps: int) -> bool:
        return False

    def save(self, snapshot: Snapshot) -> None: ...

    def save_model(self, epoch: int, tensors: Tensors) -> None: ...

    def epoch_done(self, record: TrainingRecord, timing: EpochTiming, *, is_best: bool, is_saved: bool) -> None: ...

    def finished(self, result: Result, predictions: Tensors) -> None: ...
