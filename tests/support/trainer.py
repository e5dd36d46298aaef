"""A trainer that trains nothing, yet writes a real spool: real states, real entries, in virtual time.

It implements `worker.process.Trainer` for a simulated session. `advance` plays one stretch of its life and says
how long the next one takes; the world decides when to call it, or never again. It keeps the real trainer's
promises: a save after the last step of an epoch and before its validation, a save when asked to stop, the best
state kept beside the run. What it measures of itself is different at every try, as on real machines.
"""

import signal
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from qcqueue.core.lineage import refusal
from qcqueue.core.outcomes import Cause, Trouble
from qcqueue.core.phases import Phase
from qcqueue.core.records import EpochTiming, Identity, PartialEpoch, Snapshot, TrainingRecord
from qcqueue.errors import LineageRefused
from qcqueue.spool.files import FAILED, RESUMED, EpochEntry, Failure, TrainerProgress, WorkOrder
from qcqueue.spool.writer import SpoolWriter, TrainerSpool
from tests.support.chance import Chance, Fault, Faults
from tests.support.runs import (
    State,
    first_state,
    identity_of,
    predictions_of,
    result_of,
    state_of,
    tensors_of,
    trained,
    validated,
)

Life = Iterator[float]


class Ended(Exception):
    """The trainer's process is over, with this exit status."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class FakeTrainer:
    """One trainer process after another, for one session.

    on_start is told of each, with its spool, and on_take_up once it takes up the run; on_end of each that a fault
    ended, with its job and the final cause: none where it vanished, or where its machine was in trouble. is_broken and
    is_full say whether its machine is.
    """

    def __init__(
        self,
        *,
        processor: str,
        tensorflow: str = "none",
        step_s: float,
        chance: Chance,
        faults: Faults,
        is_broken: Callable[[], bool] = lambda: False,
        is_full: Callable[[], bool] = lambda: False,
        on_end: Callable[[str, Cause | None], None],
        on_start: Callable[[TrainerSpool], None],
        on_take_up: Callable[[TrainerSpool], None],
    ) -> None:
        self.lives = 0
        self.memory_kills = 0
        self._has_saved = False
        self._processor = processor
        self._tensorflow = tensorflow
        self._step_s = step_s
        self._chance = chance
        self._faults = faults
        self._is_broken = is_broken
        self._is_full = is_full
        self._on_end = on_end
        self._on_start = on_start
        self._on_take_up = on_take_up
        self._life: Life = iter(())
        self._exit_code: int | None = 0

    def get_ready(self, engine: str) -> None:
        pass

    def start(self, folder: Path) -> None:
        spool = TrainerSpool(folder)
        self.lives += 1
        self._exit_code = None
        self._life = self._train(spool)
        self._on_start(spool)

    def exit_code(self) -> int | None:
        return self._exit_code

    def end(self) -> None:
        self.kill()

    def kill(self) -> None:
        if self._exit_code is None:
            self._exit_code = -signal.SIGKILL

    def advance(self) -> float | None:
        """Live on until the next wait; return its seconds, or None once the process is over."""
        if self._exit_code is not None:
            return None
        try:
            return next(self._life)
        except Ended as end:
            self._exit_code = end.exit_code
        except StopIteration:
            self._exit_code = 0
        return None

    def _train(self, spool: TrainerSpool) -> Life:
        yield from self._spend(spool, "starting", PartialEpoch(), 0)
        while (order := spool.order.read()) is None:
            yield self._seconds()
        while not spool.is_ready():
            yield from self._spend(spool, "waiting", PartialEpoch(), 0)
        self._has_saved = False
        self._on_take_up(spool)
        writer = SpoolWriter(spool)
        identity = identity_of(self._processor, order.threads, self._tensorflow)
        try:
            state, record = self._take_up(spool, order, identity)
        except LineageRefused as exc:
            spool.refusal.write(str(exc))
            return
        epochs_here = 0
        while record.epochs_done < order.spec.epochs and not record.stopped_early:
            if order.max_epochs is not None and epochs_here >= order.max_epochs:
                return
            state, record = yield from self._epoch(spool, writer, order, state, record)
            epochs_here += 1
        yield from self._spend(spool, "evaluating", PartialEpoch(), record.epochs_done)
        best_at = record.best_epoch
        assert best_at is not None, "a run has at least one epoch"
        best = state_of(spool.read_best(best_at))
        writer.result(result_of(record.history, state, best), predictions_of(state, best))
        # A real process takes a while to leave after its last word.
        yield from self._spend(spool, "evaluating", PartialEpoch(), record.epochs_done)

    def _take_up(self, spool: TrainerSpool, order: WorkOrder, identity: Identity) -> tuple[State, TrainingRecord]:
        resumed = spool.resumed()
        if resumed is None:
            fresh = TrainingRecord(
                spec_sha256=order.spec.digest,
                epochs_done=0,
                partial=PartialEpoch(),
                history=(),
                identity=identity,
                lineage=1,
            )
            return first_state(order.spec), fresh
        record = resumed.record
        assert record.spec_sha256 == order.spec.digest, "a trainer was given the state of another job"
        if why := refusal(order.spec.lineage, record.identity, identity):
            raise LineageRefused(why)
        if record.identity.differences(identity):
            record = replace(record, identity=identity, lineage=record.lineage + 1)
        return state_of(resumed.tensors), record

    def _epoch(
        self, spool: TrainerSpool, writer: SpoolWriter, order: WorkOrder, state: State, record: TrainingRecord
    ) -> Generator[float, None, tuple[State, TrainingRecord]]:
        epoch, steps = record.epochs_done + 1, order.spec.batch_size
        saved: int | None = RESUMED
        while record.partial.steps_done < steps:
            yield from self._spend(spool, "training", record.partial, epoch)
            state, partial = trained(state, record.partial, epoch, record.identity)
            record, saved = replace(record, partial=_timed(partial, self._seconds())), None
            if spool.should_stop() or self._is_due(epoch, partial.steps_done, order):
                saved = self._save(spool, writer, state, record)
            if spool.should_stop():
                raise Ended(0)
        yield from self._spend(spool, "validating", record.partial, epoch)
        timing = _timing(record.partial, self._seconds())
        record = record.with_epoch(
            validated(state, record.partial, epoch, order.spec), patience=order.spec.early_stopping
        )
        is_best = record.best_epoch == epoch
        if is_best and saved is None:
            writer.model(epoch, tensors_of(state))
        writer.epoch(EpochEntry(record=record, timing=timing, state_entry=saved), is_best=is_best)
        if saved is None and (record.stopped_early or spool.should_stop()):
            self._save(spool, writer, state, record)
        return state, record

    def _save(self, spool: TrainerSpool, writer: SpoolWriter, state: State, record: TrainingRecord) -> int:
        spool.progress.write(
            TrainerProgress(phase=Phase.SAVING, epoch=record.epochs_done + 1, step=record.partial.steps_done)
        )
        if self._is_full():
            self._give_up(spool, Trouble.DISK, "no space left on device")
        self._has_saved = True
        return writer.state(Snapshot(tensors=tensors_of(state), record=record, paths={}))

    def _is_due(self, epoch: int, step: int, order: WorkOrder) -> bool:
        """Draw whether to save here: any cadence must do. The first epoch and the last are saved at their end."""
        if step < order.spec.batch_size:
            return self._chance.random() < 0.2
        return not self._has_saved or epoch == order.spec.epochs or self._chance.random() < 0.7

    def _spend(self, spool: TrainerSpool, phase: str, partial: PartialEpoch, epoch: int) -> Life:
        order = spool.order.read()
        progress = TrainerProgress(phase=Phase(phase), epoch=epoch, step=partial.steps_done)
        if order and phase == "training":
            measured_s = self._step_s if partial.steps_done else None
            progress = replace(progress, steps=order.spec.batch_size, step_s=measured_s)
        spool.progress.write(progress)
        yield self._seconds()
        if order:
            self._suffer(spool, phase)

    def _suffer(self, spool: TrainerSpool, phase: str) -> None:
        if self._is_broken():  # at its first step, unless it has said before what it lacks
            if phase == "training":
                self._break(spool)
            if self._chance.random() < 0.1:
                self._give_up(spool, Trouble.LIBRARIES, "No module named 'keras'")
        if self._faults.hit(Fault.TRAINER_VANISHED):
            self._end(spool, None, -self._chance.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)))
        if self._faults.hit(Fault.TRAINER_OUT_OF_MEMORY):
            self.memory_kills += 1
            raise Ended(-signal.SIGKILL)
        if self._faults.hit(Fault.TRAINER_FAILED):
            spool.failure.write(Failure(cause=Cause.NOT_FINITE, message="the loss is not a number"))
            self._end(spool, Cause.NOT_FINITE, 1)
        if self._faults.hit(Fault.TRAINER_BROKE):
            self._break(spool)

    def _give_up(self, spool: TrainerSpool, trouble: Trouble, message: str) -> NoReturn:
        """End for a trouble of the machine; a full disk may not even take the word of it."""
        if trouble is not Trouble.DISK or self._chance.random() < 0.5:
            spool.failure.write(Failure(cause=trouble, message=message))
        raise Ended(FAILED)

    def _break(self, spool: TrainerSpool) -> NoReturn:
        spool.log_path.write_text("Traceback\nKeyError: 'kernel'\n")
        self._end(spool, Cause.CODE_ERROR, 1)

    def _end(self, spool: TrainerSpool, cause: Cause | None, exit_code: int) -> NoReturn:
        order = spool.order.read()
        assert order is not None, "nothing is suffered before there is an order"
        self._on_end(order.spec.full_name, cause)
        raise Ended(exit_code)

    def _seconds(self) -> float:
        return self._step_s * self._chance.uniform(0.5, 1.5)


def _timed(partial: PartialEpoch, step_s: float) -> PartialEpoch:
    return replace(partial, train_s=partial.train_s + step_s, step_times_s=(*partial.step_times_s, step_s))


def _timing(partial: PartialEpoch, val_s: float) -> EpochTiming:
    return EpochTiming(
        train_s=partial.train_s,
        val_s=val_s,
        checkpoint_s=0.0,
        first_step_s=None,
        step_s_p50=None,
        step_s_p95=None,
        step_count=partial.steps_done,
    )
