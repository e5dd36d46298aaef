"""Trains one job from wherever its state stands to its final figures, or until asked to stop.

It owns the order of events: a rehearsal where the hardware is new to the run, steps, a save after the last step of an
epoch, validation, the epoch's row; then the next, and at the end the evaluation of the last and the best epoch. What a
step computes is the program's, which samples it gets `batches`', where anything is kept the sink's; it knows no
framework. Always true: what follows a state depends on that state and the spec alone, so a run that was cut anywhere
ends with the bits of one that was not.

An own loop instead of `fit`: `fit` hides the state inside an epoch and loses a quarter of a second at each end.
"""

import math
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from qcqueue.clock import Clock
from qcqueue.core.evaluation import Appraisal, Evaluation, Result
from qcqueue.core.lineage import refusal
from qcqueue.core.phases import Phase
from qcqueue.core.records import (
    EpochMetrics,
    Identity,
    PartialEpoch,
    Rehearsal,
    Snapshot,
    TrainingRecord,
    history_sha256,
)
from qcqueue.core.spec import JobSpec
from qcqueue.datasets.format import Split
from qcqueue.engines.base import Assignment, PendingStep, Program, Sink
from qcqueue.engines.batches import Batch, TrainingData, load_data
from qcqueue.engines.epoch_sums import Tally
from qcqueue.engines.metrics import Predictions, accuracy, evaluation, mean_loss, predictions_sha256, weights_sha256
from qcqueue.engines.rehearsal import rehearse
from qcqueue.errors import CheckpointDamaged, LineageRefused, NotFinite, NotReproducible

BuildsProgram = Callable[[TrainingData], Program]
_DONE = object()


def run(assignment: Assignment, build: BuildsProgram, sink: Sink, clock: Clock) -> Iterator[None]:
    """Carry out `assignment` as `base.Engine.run` promises, with the program that `build` makes for its data.

    Where a state is to come, the values the program is built with do not matter.
    """
    sink.progress(Phase.LOADING)
    data = load_data(assignment.dataset_path, assignment.spec)
    sink.progress(Phase.BUILDING)
    program = build(data)
    yield
    record, is_known_here = yield from _take_up(assignment, program, sink)
    yield from TrainingLoop(assignment, record, program, data, sink, clock, is_rehearsed=is_known_here).to_the_end()


def snapshot_of(program: Program, record: TrainingRecord) -> Snapshot:
    """Return the whole state of `program` as it is now; later steps do not change it."""
    return Snapshot(tensors=program.tensors(), record=record, paths=program.paths(), fixed=program.fixed)


def _take_up(
    assignment: Assignment, program: Program, sink: Sink
) -> Generator[None, None, tuple[TrainingRecord, bool]]:
    """Bring the program into the state the run goes on from; return the record the segment begins with, and whether
    the run has trained on hardware like this before, as far as its state tells.

    While the state is still on its way, whatever does not need it is done.
    """
    arriving = assignment.resume_from
    if arriving is None:
        sink.progress(Phase.COMPILING)
        return starting_record(assignment.spec, None, program.identity), False
    pieces, is_warm = program.warm_up(), False
    while not (is_warm or arriving.has_come()):
        sink.progress(Phase.COMPILING)
        is_warm = next(pieces, _DONE) is _DONE
        yield
    identity = program.identity  # which may take steps, so it is asked for before there is a state to spoil
    if not arriving.has_come():
        sink.progress(Phase.WAITING)
    resumed = arriving.wait()
    sink.progress(Phase.RESTORING)
    record = starting_record(assignment.spec, resumed.record, identity)
    program.restore(resumed.tensors)
    return record, not resumed.record.identity.differences(identity)


@dataclass(frozen=True, slots=True)
class InFlight:
    """Steps of one call, whose figures are read only when they are settled."""

    batches: Sequence[Batch]
    pending: Sequence[PendingStep]


class TrainingLoop:
    """One segment of one job. is_rehearsed: a resume was rehearsed on hardware like this before."""

    def __init__(
        self,
        assignment: Assignment,
        record: TrainingRecord,
        program: Program,
        data: TrainingData,
        sink: Sink,
        clock: Clock,
        *,
        is_rehearsed: bool,
    ) -> None:
        self._assignment = assignment
        self._spec = assignment.spec
        self._program = program
        self._data = data
        self._sink = sink
        self._clock = clock
        self._record = record
        self._tally = Tally(record.partial)
        self._mark_s = 0.0
        self._compiled = False
        self._steps_a_call = 1
        self._is_rehearsed = is_rehearsed
        self._is_saved = True
        """Whether what was trained so far is in a state that was saved, or in the one resumed from."""

    def to_the_end(self) -> Iterator[None]:
        while not self._all_epochs_done():
            if not (yield from self._train_epoch()):
                return
            self._validate()
            yield
        self._appraise()

    def _all_epochs_done(self) -> bool:
        return self._record.stopped_early or self._record.epochs_done >= self._spec.epochs

    # Training

    def _train_epoch(self) -> Generator[None, None, bool]:
        """Train what is left of the epoch; return whether it is whole, False when asked to stop, all saved."""
        self._mark_s = self._clock.monotonic_s()
        if self._compiled:
            self._sink.progress(Phase.TRAINING, **self._where())
        steps, in_flight = self._data.steps, deque[InFlight]()
        for batches, wants_save in self._blocks():
            in_flight.append(self._launch(batches))
            self._settle_all_but(self._lag, in_flight)
            if wants_save:
                self._settle_all_but(0, in_flight)
                self._save()
                self._sink.progress(Phase.TRAINING, **self._where())
            yield
        self._settle_all_but(0, in_flight)
        is_whole = self._tally.steps_done == steps
        if not self._is_saved and (not is_whole or self._must_save()):
            self._save()
        return is_whole

    def _blocks(self) -> Iterator[tuple[Sequence[Batch], bool]]:
        """Yield the steps of each call until the epoch ends, or a stop is asked for, and whether to save after them.

        The sink is asked for every step before its call is made, so that a call ends where something is wanted. Those
        of one call are of one size, and so many that none of them waits for long.
        """
        block, steps = list[Batch](), self._data.steps
        for batch in self._data.batches(self._epoch, first_step=self._tally.steps_done):
            if block and len(batch.ids) != len(block[0].ids):
                yield block, False
                block = []
            if self._sink.should_stop():
                break
            block.append(batch)
            done = batch.step + 1
            wants_save = done < steps and self._sink.should_save(epoch=self._epoch, step=done, steps=steps)
            if wants_save or len(block) >= self._steps_a_call:
                yield block, wants_save
                block = []
        if block:
            yield block, False

    def _must_save(self) -> bool:
        """Whether to save at the end of this epoch."""
        steps, is_last = self._data.steps, self._epoch == self._spec.epochs
        return is_last or self._sink.should_save(epoch=self._epoch, step=steps, steps=steps) or self._sink.should_stop()

    def _settle_all_but(self, lag: int, in_flight: deque[InFlight]) -> None:
        while len(in_flight) > lag:
            self._settle(in_flight.popleft())

    @property
    def _lag(self) -> int:
        """How many calls may be unread. The first is read at once, so that compiling is timed apart."""
        return self._program.calls_ahead if self._compiled else 0

    def _launch(self, batches: Sequence[Batch]) -> InFlight:
        if not self._compiled:
            first = batches[0].step + 1
            self._sink.progress(Phase.COMPILING, epoch=self._epoch, step=first, steps=self._data.steps)
        if not self._is_rehearsed:
            self._rehearse()
        return InFlight(batches, self._program.train(batches))

    def _rehearse(self) -> None:
        """Rehearse a resume with a whole batch and the last one. Raises: NotReproducible: the job wants to be exact."""
        began_s = self._clock.monotonic_s()
        batches = [next(self._data.batches(self._epoch, first_step=step)) for step in (0, self._data.steps - 1)]
        differs = rehearse(self._program, batches)
        self._mark_s = self._clock.monotonic_s()
        self._is_rehearsed = True
        processor = self._record.identity.processor
        self._sink.rehearsed(Rehearsal(processor=processor, differs=differs, seconds=self._mark_s - began_s))
        if differs and self._spec.determinism == "exact":
            raise NotReproducible(
                f"two steps, done again from the same state, ended differently on {processor}: {differs}"
            )

    def _settle(self, call: InFlight) -> None:
        """Wait for the steps of a call and count them. Raises: NotFinite: before anything of it can be saved."""
        figures = [(float(step.loss), int(step.correct)) for step in call.pending]
        now_s = self._clock.monotonic_s()
        seconds, self._mark_s = (now_s - self._mark_s) / len(figures), now_s
        for batch, (loss, correct) in zip(call.batches, figures, strict=True):
            if not math.isfinite(loss):
                raise NotFinite(self._not_finite(loss, batch))
            self._tally.add_step(
                loss=loss, correct=correct, count=len(batch.ids), seconds=seconds, compiling=not self._compiled
            )
            self._is_saved = False
            self._sink.progress(
                Phase.TRAINING,
                epoch=self._epoch,
                step=self._tally.steps_done,
                steps=self._data.steps,
                loss=self._tally.loss,
                accuracy=self._tally.accuracy,
            )
        if self._compiled:  # the time of the first says nothing of the others
            self._steps_a_call = self._program.steps_a_call(seconds)
        self._compiled = True

    def _save(self) -> None:
        self._sink.progress(Phase.SAVING, **self._where())
        started_s = self._clock.monotonic_s()
        self._record = replace(self._record, partial=self._tally.partial())
        self._sink.save(snapshot_of(self._program, self._record))
        self._is_saved = True
        self._mark_s = self._clock.monotonic_s()
        self._tally.add_checkpoint(self._mark_s - started_s)

    # The end of an epoch

    def _validate(self) -> None:
        self._sink.progress(Phase.VALIDATING, **self._where())
        started_s = self._clock.monotonic_s()
        images, labels = self._data.part(Split.VALIDATION)
        predictions = self._program.predict(images, batch_size=self._spec.batch_size)
        metrics = EpochMetrics(
            epoch=self._epoch,
            loss=self._tally.loss,
            accuracy=self._tally.accuracy,
            val_loss=mean_loss(predictions, labels, self._record.loss_rule),
            val_accuracy=accuracy(predictions, labels),
            learning_rate=self._spec.learning_rate,
        )
        if not math.isfinite(metrics.val_loss):
            raise NotFinite(f"the validation loss after epoch {metrics.epoch} is {metrics.val_loss}")
        timing = self._tally.timing(val_s=self._clock.monotonic_s() - started_s)
        self._record = self._record.with_epoch(metrics, patience=self._spec.early_stopping)
        self._tally = Tally(self._record.partial)
        is_best = self._record.best_epoch == metrics.epoch
        if is_best and not self._is_saved:
            self._sink.save_model(metrics.epoch, self._program.model_tensors())
        self._sink.epoch_done(self._record, timing, is_best=is_best, is_saved=self._is_saved)
        if self._record.stopped_early and not self._is_saved:
            self._save()

    # The end of the run

    def _appraise(self) -> None:
        """Evaluate the last epoch and the best one; where they are the same, once."""
        self._sink.progress(Phase.EVALUATING, epoch=self._record.epochs_done)
        last_predictions = self._predictions()
        best_predictions = last_predictions
        last = best = self._appraisal(self._record.epochs_done, last_predictions)
        best_epoch = self._record.best_epoch
        if best_epoch is not None and best_epoch != last.epoch:
            self._program.restore(self._assignment.best(best_epoch), model_only=True)
            best_predictions = self._predictions()
            best = self._appraisal(best_epoch, best_predictions)
        result = Result(
            last=last,
            best=best,
            history_sha256=history_sha256(self._record.history),
            parameters=self._program.parameters,
            trainable_parameters=self._program.trainable_parameters,
            loss_rule=self._record.loss_rule,
        )
        self._sink.finished(result, _named("last", last_predictions) | _named("best", best_predictions))

    def _predictions(self) -> dict[str, Predictions]:
        return {
            split.name.lower(): self._program.predict(self._data.part(split)[0], batch_size=self._spec.batch_size)
            for split in (Split.VALIDATION, Split.TEST)
        }

    def _appraisal(self, epoch: int, predictions: Mapping[str, Predictions]) -> Appraisal:
        return Appraisal(
            epoch=epoch,
            weights_sha256=weights_sha256(self._program.model_tensors()),
            predictions_sha256=predictions_sha256(predictions["validation"].softmax),
            validation=self._evaluation(epoch, predictions["validation"], Split.VALIDATION),
            test=self._evaluation(epoch, predictions["test"], Split.TEST),
        )

    def _evaluation(self, epoch: int, predictions: Predictions, split: Split) -> Evaluation:
        found = evaluation(predictions, self._data.part(split)[1], self._data.classes, self._record.loss_rule)
        if not math.isfinite(found.loss):
            raise NotFinite(f"the {split.name.lower()} loss after epoch {epoch} is {found.loss}")
        return found

    # Words and numbers

    @property
    def _epoch(self) -> int:
        return self._record.epochs_done + 1

    def _where(self) -> dict[str, Any]:
        """Where the run stands, for a progress report between steps."""
        tally = self._tally
        return {
            "epoch": self._epoch,
            "step": tally.steps_done,
            "steps": self._data.steps,
            "loss": tally.loss if tally.seen else None,
            "accuracy": tally.accuracy if tally.seen else None,
        }

    def _not_finite(self, loss: float, batch: Batch) -> str:
        samples = ", ".join(
            f"{index} {name}" for index, name in zip(batch.ids, self._data.names(batch.ids), strict=True)
        )
        return f"the loss became {loss} in epoch {self._epoch}, step {batch.step + 1}; its samples: {samples}"


def _named(weights: str, predictions: Mapping[str, Predictions]) -> dict[str, npt.NDArray[np.float32]]:
    """Return predictions as they are stored."""
    softmax = {f"{weights}/{split}": it.softmax for split, it in predictions.items()}
    return softmax | {f"{weights}/{split}/logits": it.logits for split, it in predictions.items()}


def starting_record(spec: JobSpec, resumed: TrainingRecord | None, identity: Identity) -> TrainingRecord:
    """Return the record a segment begins with; under another identity than before it opens a new lineage.

    Raises: CheckpointDamaged: the state belongs to another job. LineageRefused: its spec does not let it go on here.
    """
    if resumed is None:
        return TrainingRecord(
            spec_sha256=spec.digest,
            epochs_done=0,
            partial=PartialEpoch(),
            history=(),
            identity=identity,
            lineage=1,
            loss_rule="logits",
        )
    if resumed.spec_sha256 != spec.digest:
        raise CheckpointDamaged(f"the state is of another job than {spec.full_name}")
    if why := refusal(spec.lineage, resumed.identity, identity):
        raise LineageRefused(why)
    lineage = resumed.lineage + bool(resumed.identity.differences(identity))
    return replace(resumed, identity=identity, lineage=lineage)
