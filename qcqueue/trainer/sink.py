"""What stands between an engine and a spool: what is trained goes into it, the state to go on from comes out of it.

It accounts for the trainer's time and says how often to save; what a file is, is the spool's affair. Always true: a
disk that is busy for a second is not felt by training, unless it keeps a save from being made.
"""

from contextlib import suppress
from typing import Any

from qcqueue.clock import Clock
from qcqueue.core.evaluation import Result
from qcqueue.core.goodput import Part
from qcqueue.core.phases import Phase
from qcqueue.core.records import EpochTiming, Rehearsal, Snapshot, Tensors, TrainingRecord
from qcqueue.core.step_choice import StepChoice
from qcqueue.errors import MachineError
from qcqueue.planning.cadence import Cadence
from qcqueue.spool.files import RESUMED, EpochEntry, TrainerProgress, WorkOrder
from qcqueue.spool.writer import Background, SpoolWriter, TrainerSpool

REPORT_EVERY_S = 0.25
LOOK_EVERY_S = 0.01


class FromSpool:
    """The state that a session brings into the spool while the program is built. Implements `engines.base.Arriving`.

    A session that never brings it ends this process.
    """

    def __init__(self, spool: TrainerSpool, clock: Clock) -> None:
        self._spool = spool
        self._clock = clock

    def has_come(self) -> bool:
        return self._spool.is_ready()

    def wait(self) -> Snapshot:
        while not self.has_come():
            self._clock.sleep(LOOK_EVERY_S)
        state = self._spool.resumed()
        assert state is not None, "an order that resumes is replaced where nothing can be resumed from"
        return state


class SpoolSink:
    """Training's `Sink` over a spool: reports are thinned out, everything else is handed over at once.

    began_s: when the work began, on the clock's monotonic time; what a phase took is counted from there.
    """

    def __init__(self, spool: TrainerSpool, order: WorkOrder, clock: Clock, *, began_s: float) -> None:
        self._spool = spool
        self._writer = SpoolWriter(spool, background=True, pause=clock.sleep)
        self._reports = Background()  # a disk that is busy for a second must not be felt by training
        self._epochs = order.spec.epochs
        self._epochs_left = order.max_epochs
        self._clock = clock
        self._phase = Phase.STARTING
        self._report_due_s = 0.0
        self._state_entry = RESUMED
        self._unsaved = False
        self._unwritten = 0
        self._facts: dict[str, Any] = {}
        self._step_count = 0
        self._last_step = (0, 0)
        self._saved_epoch: int | None = None
        self._cadence = Cadence()
        self._seconds: dict[str, float] = {}
        self._stall_s: float | None = None
        self._has_stalled = False
        self._accounted_s = began_s

    def progress(self, phase: Phase, **facts: Any) -> None:
        now_s = self._clock.monotonic_s()
        if phase is Phase.TRAINING and facts["step"] and (at := (facts["epoch"], facts["step"])) != self._last_step:
            self._unsaved, self._last_step = True, at
            self._step_count += 1
        if phase != self._phase or now_s >= self._report_due_s:
            self._account(now_s)
            with suppress(MachineError):  # it saves as often as it was told before
                self._cadence = Cadence(**(self._spool.cadence.read() or {}))
            self._phase, self._report_due_s, self._facts = phase, now_s + REPORT_EVERY_S, facts
            self._report()

    def _report(self) -> None:
        progress = TrainerProgress(
            phase=self._phase,
            epochs=self._epochs,
            unsaved=self._unsaved or self._unwritten > 0,
            step_s=self._step_s(),
            stall_s=self._stall_s,
            seconds=dict(self._seconds),
            **self._facts,
        )
        self._reports.do(lambda: self._tell(progress))

    def _tell(self, progress: TrainerProgress) -> None:
        """Say where training is; a disk that takes no more hinders no step."""
        with suppress(MachineError):
            self._spool.progress.write(progress)

    def _step_s(self) -> float | None:
        """Return the mean of the steps so far; the first is told once it is compiled, and its time not as training."""
        steps = self._step_count - 1
        return self._seconds.get(Part.TRAIN, 0.0) / steps if steps > 0 else None

    def _account(self, now_s: float) -> None:
        """Give the time since the last report to the phase it was spent in."""
        spent_s = self._give(self._phase.part, now_s)
        if self._phase is Phase.SAVING:
            # The first save also gets the memory that all others use again, so it says nothing of them.
            self._stall_s = spent_s if self._has_stalled else None
            self._has_stalled = True

    def _give(self, part: Part, now_s: float) -> float:
        """Count the time since the last account as this part of it, whatever the phase is called; return how long."""
        spent_s = now_s - self._accounted_s
        self._seconds[part] = self._seconds.get(part, 0.0) + spent_s
        self._accounted_s = now_s
        return spent_s

    def rehearsed(self, rehearsal: Rehearsal) -> None:
        self._spool.rehearsal.write(rehearsal)

    def chose_step(self, choice: StepChoice) -> None:
        self._spool.step_choice.write(choice)

    def should_stop(self) -> bool:
        with suppress(MachineError):  # asked again at the next step
            return self._epochs_left == 0 or self._spool.should_stop()
        return False

    def should_save(self, *, epoch: int, step: int, steps: int) -> bool:
        if step < steps:
            return self._cadence.is_due_within(step, steps)
        # The first epoch of an attempt is saved whatever it costs: what a save costs is to be measured.
        is_due = self._saved_epoch is None or self._cadence.is_due_after(epoch, self._saved_epoch)
        if is_due:
            self._saved_epoch = epoch
        return is_due

    def save(self, snapshot: Snapshot) -> None:
        self._state_entry = self._writer.state(snapshot)
        self._unsaved, self._unwritten = False, self._unwritten + 1
        self._writer.then(self._is_written)

    def _is_written(self) -> None:
        """Tell at once: whoever waits for nothing but this need not wait for the end of a validation."""
        self._unwritten -= 1
        self._report()

    def save_model(self, epoch: int, tensors: Tensors) -> None:
        self._account(self._clock.monotonic_s())
        self._writer.model(epoch, tensors)
        self._give(Part.STALL, self._clock.monotonic_s())

    def epoch_done(self, record: TrainingRecord, timing: EpochTiming, *, is_best: bool, is_saved: bool) -> None:
        entry = EpochEntry(record=record, timing=timing, state_entry=self._state_entry if is_saved else None)
        self._writer.epoch(entry, is_best=is_best)
        if self._epochs_left is not None:
            self._epochs_left -= 1

    def finished(self, result: Result, predictions: Tensors) -> None:
        self._writer.result(result, predictions)

    def close(self) -> None:
        """Return once everything is in the spool, whole."""
        self._account(self._clock.monotonic_s())
        self._writer.close()
        self._give(Part.STALL, self._clock.monotonic_s())
        self._report()
        self._reports.wait()
