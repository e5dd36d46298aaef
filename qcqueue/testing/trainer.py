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

from qcqueue.checkpoints.format import read_state
from qcqueue.checkpoints.spool import EpochEntry, Failure, Phase, Progress, Spool, WorkOrder
from qcqueue.core.outcomes import Cause
from qcqueue.core.records import EpochTiming, Identity, PartialEpoch, TrainingRecord
from qcqueue.core.snapshot import Snapshot
from qcqueue.testing.chance import Chance, Fault, Faults
from qcqueue.testing.runs import (
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

    on_start is told of each, with its spool; on_end of each that a fault ended, with its job and the final cause.
    """

    def __init__(
        self,
        *,
        processor: str,
        step_s: float,
        chance: Chance,
        faults: Faults,
        on_end: Callable[[str, Cause | None], None],
        on_start: Callable[["FakeTrainer", Spool], None],
    ) -> None:
        self.lives = 0
        self.memory_kills = 0
        self._processor = processor
        self._step_s = step_s
        self._chance = chance
        self._faults = faults
        self._on_end = on_end
        self._on_start = on_start
        self._life: Life = iter(())
        self._exit_code: int | None = 0

    def start(self, folder: Path) -> None:
        spool = Spool(folder)
        self.lives += 1
        self._exit_code = None
        self._life = self._train(spool)
        self._on_start(self, spool)

    def exit_code(self) -> int | None:
        return self._exit_code

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

    def _train(self, spool: Spool) -> Life:
        order = spool.order()
        identity = identity_of(self._processor, order.threads)
        yield from self._spend(spool, "starting", PartialEpoch(), 1)
        state, record = self._take_up(spool, order, identity)
        epochs_here = 0
        while record.epochs_done < order.spec.epochs and not record.stopped_early:
            if order.max_epochs is not None and epochs_here >= order.max_epochs:
                return
            state, record = yield from self._epoch(spool, order, state, record)
            epochs_here += 1
        yield from self._spend(spool, "evaluating", PartialEpoch(), record.epochs_done)
        best = state_of(read_state(spool.best_path).tensors)
        spool.put_result(result_of(record.history, state, best), predictions_of(state, best))
        # A real process takes a while to leave after its last word.
        yield from self._spend(spool, "evaluating", PartialEpoch(), record.epochs_done)

    def _take_up(self, spool: Spool, order: WorkOrder, identity: Identity) -> tuple[State, TrainingRecord]:
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
        if record.identity.differences(identity):
            record = replace(record, identity=identity, lineage=record.lineage + 1)
        return state_of(resumed.tensors), record

    def _epoch(
        self, spool: Spool, order: WorkOrder, state: State, record: TrainingRecord
    ) -> Generator[float, None, tuple[State, TrainingRecord]]:
        epoch, written = record.epochs_done + 1, None
        while record.partial.steps_done < order.spec.batch_size:
            yield from self._spend(spool, "training", record.partial, epoch)
            state, partial = trained(state, record.partial, epoch, record.identity)
            record = replace(record, partial=_timed(partial, self._seconds()))
            last = partial.steps_done == order.spec.batch_size
            if last or spool.should_stop():
                spool.report(Progress(phase="saving", epoch=epoch, step=partial.steps_done))
                written = spool.put_state(Snapshot(tensors=tensors_of(state), record=record, paths={}))
            if spool.should_stop():
                raise Ended(0)
        yield from self._spend(spool, "validating", record.partial, epoch)
        timing = _timing(record.partial, self._seconds())
        record = record.with_epoch(
            validated(state, record.partial, epoch, order.spec), patience=order.spec.early_stopping
        )
        if record.best_epoch == epoch:
            spool.keep_as_best()
        spool.put_epoch(EpochEntry(record=record, timing=timing, state_entry=written))
        return state, record

    def _spend(self, spool: Spool, phase: Phase, partial: PartialEpoch, epoch: int) -> Life:
        spool.report(Progress(phase=phase, epoch=epoch, step=partial.steps_done))
        yield self._seconds()
        self._suffer(spool)

    def _suffer(self, spool: Spool) -> None:
        if self._faults.hit(Fault.TRAINER_VANISHED):
            self._end(spool, None, -self._chance.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM)))
        if self._faults.hit(Fault.TRAINER_OUT_OF_MEMORY):
            self.memory_kills += 1
            self._end(spool, Cause.OUT_OF_MEMORY, -signal.SIGKILL)
        if self._faults.hit(Fault.TRAINER_FAILED):
            spool.fail(Failure(cause=Cause.NOT_FINITE, message="the loss is not a number"))
            self._end(spool, Cause.NOT_FINITE, 1)
        if self._faults.hit(Fault.TRAINER_BROKE):
            spool.log_path.write_text("Traceback\nKeyError: 'kernel'\n")
            self._end(spool, Cause.CODE_ERROR, 1)

    def _end(self, spool: Spool, cause: Cause | None, exit_code: int) -> NoReturn:
        self._on_end(spool.order().spec.full_name, cause)
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
