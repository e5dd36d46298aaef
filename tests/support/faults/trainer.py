"""A trainer process that trains nothing: the real main program, spool and sink, with a script in place of TensorFlow.

`python -m tests.support.faults.trainer` is told its spool as the real one is, reads the dataset and the state it goes
on from, and hands over real states, epochs and figures. What it computes is `tests.support.runs`', so a run that was
cut anywhere ends with the bits of one that was not.
"""

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qcqueue.catalog.models import ImageNetFile
from qcqueue.clock import Clock, SystemClock
from qcqueue.core.evaluation import Appraisal, ClassScore, Evaluation, Result
from qcqueue.core.phases import Phase
from qcqueue.core.records import EpochTiming, Snapshot, Tensors, TrainingRecord, history_sha256
from qcqueue.datasets.format import Dataset, Split, load_mapped
from qcqueue.engines.base import Assignment, Sink
from qcqueue.engines.loop import starting_record
from qcqueue.engines.metrics import predictions_sha256, weights_sha256
from qcqueue.trainer.main import spools_from_input, work
from tests.support.runs import State, first_state, identity_of, state_of, tensors_of, trained, validated

STEPS = 3
PATHS = {"m/00000": "state/value", "o/00000": "count/value"}


def main() -> int:
    clock = SystemClock()
    spool, began_s = spools_from_input(clock).get()
    return work(spool, clock, began_s=began_s, engine_of=lambda spec: Scripted())


class Scripted:
    """The engine whose steps are `tests.support.runs`'. Implements `engines.base.Engine`."""

    def load(self) -> None: ...

    def pretrained(self, file: ImageNetFile, *, given: Path | None, may_download: bool, clock: Clock) -> None:
        """Its job begins with none."""

    def run(self, assignment: Assignment, sink: Sink, clock: Clock) -> Iterator[None]:
        train(assignment, sink, clock)
        yield


def train(assignment: Assignment, sink: Sink, clock: Clock) -> None:
    """Carry out `assignment` as `engines.loop.run` does: the same calls of the sink, in the same order."""
    sink.progress(Phase.LOADING)
    data = load_mapped(assignment.dataset_path)
    state, record = _begin(assignment, sink)
    while record.epochs_done < assignment.spec.epochs:
        epoch, is_saved = record.epochs_done + 1, record.partial.steps_done == STEPS
        while record.partial.steps_done < STEPS:
            state, partial = trained(state, record.partial, epoch, record.identity)
            record, is_saved = replace(record, partial=partial), False
            sink.progress(Phase.TRAINING, epoch=epoch, step=partial.steps_done, steps=STEPS)
            must = sink.should_stop() or (partial.steps_done == STEPS and epoch == assignment.spec.epochs)
            if must or sink.should_save(epoch=epoch, step=partial.steps_done, steps=STEPS):
                sink.progress(Phase.SAVING, epoch=epoch, step=partial.steps_done, steps=STEPS)
                sink.save(_snapshot(state, record))
                is_saved = True
            if sink.should_stop():
                return
        sink.progress(Phase.VALIDATING, epoch=epoch, step=STEPS, steps=STEPS)
        record = record.with_epoch(validated(state, record.partial, epoch, assignment.spec), patience=0)
        is_best = record.best_epoch == epoch
        if is_best and not is_saved:
            sink.save_model(epoch, tensors_of(state))
        sink.epoch_done(record, _timing(), is_best=is_best, is_saved=is_saved)
        if sink.should_stop() and record.epochs_done < assignment.spec.epochs:
            return
    sink.progress(Phase.EVALUATING, epoch=record.epochs_done)
    best_epoch = record.best_epoch
    assert best_epoch is not None, "a run has at least one epoch"
    best = state if best_epoch == record.epochs_done else state_of(assignment.best(best_epoch))
    last_said, best_said = _answers(state, data), _answers(best, data)
    sink.finished(
        Result(
            last=_appraisal(record.epochs_done, state, last_said, data),
            best=_appraisal(best_epoch, best, best_said, data),
            history_sha256=history_sha256(record.history),
            parameters=32,
            trainable_parameters=32,
            loss_rule=record.loss_rule,
        ),
        {f"last/{key}": value for key, value in last_said.items()}
        | {f"best/{key}": value for key, value in best_said.items()},
    )


def _begin(assignment: Assignment, sink: Sink) -> tuple[State, TrainingRecord]:
    identity = identity_of("a scripted processor", assignment.threads)
    if assignment.resume_from is None:
        return first_state(assignment.spec), starting_record(assignment.spec, None, identity)
    sink.progress(Phase.WAITING)
    resumed = assignment.resume_from.wait()
    return state_of(resumed.tensors), starting_record(assignment.spec, resumed.record, identity)


def _snapshot(state: State, record: TrainingRecord) -> Snapshot:
    return Snapshot(tensors=tensors_of(state), record=record, paths=PATHS)


def _timing() -> EpochTiming:
    return EpochTiming(
        train_s=0.1,
        val_s=0.01,
        checkpoint_s=0.0,
        first_step_s=None,
        step_s_p50=None,
        step_s_p95=None,
        step_count=STEPS,
    )


def _answers(state: State, data: Dataset) -> Tensors:
    """Return the softmax of each split, drawn from the state, and the logits it is of."""
    found: dict[str, npt.NDArray[np.float32]] = {}
    for split in (Split.VALIDATION, Split.TEST):
        count, classes = len(data.part(split)[1]), len(data.summary.classes)
        drawn = b"".join(hashlib.sha256(state + bytes([split, at])).digest()[:classes] for at in range(count))
        logits = np.frombuffer(drawn, dtype=np.uint8).reshape(count, classes).astype(np.float32) / np.float32(64)
        raised = np.exp(logits)
        found[split.name.lower()] = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
        found[f"{split.name.lower()}/logits"] = logits
    return found


def _appraisal(epoch: int, state: State, answers: Tensors, data: Dataset) -> Appraisal:
    return Appraisal(
        epoch=epoch,
        weights_sha256=weights_sha256(tensors_of(state)),
        predictions_sha256=predictions_sha256(answers["validation"]),
        validation=_evaluation(answers["validation"], data, Split.VALIDATION),
        test=_evaluation(answers["test"], data, Split.TEST),
    )


def _evaluation(softmax: npt.NDArray[np.float32], data: Dataset, split: Split) -> Evaluation:
    labels, classes = data.part(split)[1], data.summary.classes
    matrix = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(matrix, (labels, softmax.argmax(axis=1)), 1)
    hits, told, there = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    return Evaluation(
        loss=float(-np.log(softmax[np.arange(len(labels)), labels].astype(np.float64)).mean()),
        accuracy=float(hits.sum() / len(labels)),
        per_class={
            name: ClassScore(
                precision=float(hits[at] / max(1, told[at])),
                recall=float(hits[at] / max(1, there[at])),
                f1=float(2 * hits[at] / max(1, told[at] + there[at])),
                support=int(there[at]),
            )
            for at, name in enumerate(classes)
        },
        confusion_matrix=tuple(tuple(int(count) for count in row) for row in matrix),
    )


if __name__ == "__main__":
    sys.exit(main())
