"""Training without a network: a run is a chain of digests, so any lost, doubled or swapped step shows at the end.

The state after a step is the SHA-256 of the state before it, the spec, the step and the machine's identity.
Metrics are functions of the states, sums included, so the history and the final digests of an interrupted run
must equal those that `uninterrupted` computes in one go, without checkpoints. `batch_size` stands for the number
of steps an epoch has.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from qcqueue.core.evaluation import Appraisal, ClassScore, Evaluation, Result
from qcqueue.core.records import (
    EpochMetrics,
    Identity,
    PartialEpoch,
    Tensors,
    best_epoch,
    history_sha256,
    should_stop_early,
)
from qcqueue.core.spec import JobSpec

State = bytes
PAPER_MODEL_BYTES = 32
PARTS = ("last/validation", "last/test", "best/validation", "best/test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A whole run as it must end: its metrics and its final figures."""

    history: tuple[EpochMetrics, ...]
    result: Result


def identity_of(processor: str, threads: int, tensorflow: str = "none") -> Identity:
    return Identity(
        processor=processor,
        instruction_set="simulated",
        threads=threads,
        deterministic=True,
        python="3",
        framework="tensorflow",
        framework_version=tensorflow,
        library="keras",
        library_version="none",
        numpy="none",
    )


def first_state(spec: JobSpec) -> State:
    return _digest(spec.digest, spec.seed)


def trained(state: State, partial: PartialEpoch, epoch: int, identity: Identity) -> tuple[State, PartialEpoch]:
    """Return the state after one more step, and the sums of the epoch so far."""
    after = _digest(state.hex(), epoch, partial.steps_done, identity.processor, identity.threads)
    sums = replace(
        partial,
        steps_done=partial.steps_done + 1,
        loss_sum=partial.loss_sum + _share(after, 0),
        correct=partial.correct + after[8] % 2,
        seen=partial.seen + 1,
    )
    return after, sums


def validated(state: State, partial: PartialEpoch, epoch: int, spec: JobSpec) -> EpochMetrics:
    """Return the metrics of an epoch whose steps are all done. Validation losses repeat now and then, as in life."""
    return EpochMetrics(
        epoch=epoch,
        loss=partial.loss_sum / partial.seen,
        accuracy=partial.correct / partial.seen,
        val_loss=state[9] % 7 / 7,
        val_accuracy=_share(state, 12),
        learning_rate=spec.learning_rate,
    )


def tensors_of(state: State) -> Tensors:
    return {"m/00000": np.frombuffer(state, dtype=np.uint8).copy(), "o/00000": np.array([state[0]], dtype=np.int64)}


def state_of(tensors: Tensors) -> State:
    return tensors["m/00000"].tobytes()


def predictions_of(last: State, best: State) -> Tensors:
    return {part: _predictions(last if part.startswith("last") else best, part) for part in PARTS}


def result_of(history: Sequence[EpochMetrics], last: State, best: State) -> Result:
    best_at = best_epoch(history)
    assert best_at is not None, "a run has at least one epoch"
    return Result(
        last=_appraisal(len(history), last, "last"),
        best=_appraisal(best_at, best, "best"),
        history_sha256=history_sha256(history),
        parameters=32,
        trainable_parameters=32,
    )


@lru_cache(maxsize=256)
def uninterrupted(spec: JobSpec, identity: Identity) -> Run:
    """Return the run as it ends on one machine that nothing ever happens to."""
    state, states, history = first_state(spec), dict[int, State](), list[EpochMetrics]()
    for epoch in range(1, spec.epochs + 1):
        partial = PartialEpoch()
        for _ in range(spec.batch_size):
            state, partial = trained(state, partial, epoch, identity)
        history.append(validated(state, partial, epoch, spec))
        states[epoch] = state
        if should_stop_early(history, patience=spec.early_stopping):
            break
    best_at = min(history, key=lambda row: (row.val_loss, row.epoch)).epoch
    return Run(history=tuple(history), result=result_of(history, state, states[best_at]))


def _appraisal(epoch: int, state: State, which: str) -> Appraisal:
    return Appraisal(
        epoch=epoch,
        weights_sha256=hashlib.sha256(state).hexdigest(),
        predictions_sha256=hashlib.sha256(_predictions(state, f"{which}/validation").tobytes()).hexdigest(),
        validation=_evaluation(state, 16),
        test=_evaluation(state, 20),
    )


def _evaluation(state: State, at: int) -> Evaluation:
    share = _share(state, at)
    score = ClassScore(precision=share, recall=share, f1=share, support=state[at])
    return Evaluation(loss=share, accuracy=1 - share, per_class={"good": score}, confusion_matrix=((state[at],),))


def _predictions(state: State, part: str) -> npt.NDArray[np.float32]:
    drawn = np.frombuffer(_digest(state.hex(), part.partition("/")[2]), dtype=np.uint8)
    return (drawn.reshape(8, 4) / np.float32(256)).astype(np.float32)


def _share(state: State, at: int) -> float:
    return int.from_bytes(state[at : at + 4], "big") / 2**32


def _digest(*facts: Any) -> State:
    return hashlib.sha256("\n".join(map(str, facts)).encode()).digest()
