"""The trainer's main program: `python -m qcqueue.worker.trainer FOLDER` trains what the spool in FOLDER orders.

It translates between a spool and `training.run`, and nothing else: no queue, no store. It exits with 0 when the
job is finished or it was asked to stop, and with 3 after it has left a `failure.json`. It never outlives its
session: standard input must be a pipe that the session holds open. Ctrl-C and SIGTERM are the session's to handle.
`--weights MODEL` instead makes sure of the ImageNet weights of a model; if they cannot be had, the last line it
prints says why. TensorFlow is imported late, so that a session sees "starting" at once.
"""

import ctypes
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from qcqueue.checkpoints.format import read_tensors
from qcqueue.checkpoints.spool import EpochEntry, Failure, Phase, Progress, Spool, WorkOrder
from qcqueue.clock import Clock, SystemClock
from qcqueue.core.evaluation import Result
from qcqueue.core.outcomes import cause_of
from qcqueue.core.records import EpochTiming, TrainingRecord
from qcqueue.core.snapshot import Snapshot, Tensors
from qcqueue.errors import QcqueueError, WeightsUnavailable
from qcqueue.training.base import Assignment

FAILED = 3
REPORT_EVERY_S = 0.25
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    # Both reach the whole group; the session answers them and asks through the spool for a last save.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # A person's settings must not decide how a job is computed; 2 silences what TensorFlow says of itself.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    match arguments:
        case ["--weights", model]:
            return ensure_weights(model)
        case [folder]:
            die_with_parent()
            return work(Spool(Path(folder)), SystemClock())
        case _:
            print("usage: python -m qcqueue.worker.trainer FOLDER | --weights MODEL", file=sys.stderr)
            return 2


def work(spool: Spool, clock: Clock) -> int:
    """Carry out the order in `spool`; return the exit status."""
    spool.report(Progress(phase="starting"))
    try:
        from qcqueue.training.run import train

        order = spool.order()
        train(assignment_of(spool, order), SpoolSink(spool, order, clock), clock)
    except Exception as exc:
        detail = traceback.format_exc()
        print(detail, file=sys.stderr)
        spool.fail(Failure(cause=cause_of(exc), message=_sentence(exc), detail=detail))
        return FAILED
    return 0


def ensure_weights(model: str) -> int:
    """Have the ImageNet weights of `model` on this machine; return 0, or FAILED with the reason printed."""
    try:
        from qcqueue.training.weights import ensure_imagenet

        ensure_imagenet(model)
    except (WeightsUnavailable, ImportError) as exc:
        print(exc)
        return FAILED
    return 0


def assignment_of(spool: Spool, order: WorkOrder) -> Assignment:
    return Assignment(
        spec=order.spec,
        dataset_path=order.dataset_path,
        weights_path=order.weights_path,
        threads=order.threads,
        resume_from=spool.resumed(),
        best=lambda: read_tensors(spool.best_path)[0],
    )


class SpoolSink:
    """Training's `Sink` over a spool: reports are thinned out, everything else is handed over at once."""

    def __init__(self, spool: Spool, order: WorkOrder, clock: Clock) -> None:
        self._spool = spool
        self._epochs = order.spec.epochs
        self._epochs_left = order.max_epochs
        self._clock = clock
        self._phase: Phase = "starting"
        self._report_due_s = 0.0
        self._state_entry: int | None = None

    def progress(self, phase: Phase, **facts: Any) -> None:
        now_s = self._clock.monotonic_s()
        if phase != self._phase or now_s >= self._report_due_s:
            self._phase, self._report_due_s = phase, now_s + REPORT_EVERY_S
            self._spool.report(Progress(phase=phase, epochs=self._epochs, **facts))

    def should_stop(self) -> bool:
        return self._epochs_left == 0 or self._spool.should_stop()

    def save(self, snapshot: Snapshot) -> None:
        self._state_entry = self._spool.put_state(snapshot)

    def epoch_done(self, record: TrainingRecord, timing: EpochTiming, *, is_best: bool) -> None:
        if is_best:
            self._spool.keep_as_best()
        self._spool.put_epoch(EpochEntry(record=record, timing=timing, state_entry=self._state_entry))
        if self._epochs_left is not None:
            self._epochs_left -= 1

    def finished(self, result: Result, predictions: Tensors) -> None:
        self._spool.put_result(result, predictions)


def die_with_parent() -> None:
    """End this process at once when the session's ends, however it ends; unsaved steps are redone elsewhere."""
    if sys.platform == "linux":
        # Quicker than the pipe and not blocked by anything Python does.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_wait_for_the_end_of_input, daemon=True).start()


def _wait_for_the_end_of_input() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


def _sentence(exc: Exception) -> str:
    return str(exc) if isinstance(exc, QcqueueError) else f"{type(exc).__name__}: {exc}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
