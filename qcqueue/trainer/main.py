"""The trainer's main program: `python -m qcqueue.trainer.main` trains what the spool in a folder orders.

It reads the path of the folder, a JSON string, from the first line of its input. With the name of an engine as its
argument it loads that one's libraries at once, so that a session can have it ready before there is a job; the job may
be another engine's all the same. A line that is an object asks instead to have the ImageNet weights of a model, and
names the file for the answer. It translates between a spool and an engine, and nothing else: no queue, no store. It
exits with 0 when the job is finished, it was asked to stop or it has left a
`refusal.json`, and with 3 after it has left a `failure.json`, whether that is the job's or this machine's, if its disk
took that. It never outlives its session: its input must be a pipe that the session holds open. Ctrl-C, SIGTERM and a
terminal that is closed are the session's to handle.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from qcqueue.clock import Clock, SystemClock
from qcqueue.core.evaluation import Result
from qcqueue.core.goodput import Part
from qcqueue.core.outcomes import cause_of
from qcqueue.core.phases import Phase
from qcqueue.core.records import EpochTiming, Rehearsal, Snapshot, Tensors, TrainingRecord
from qcqueue.core.signals import FOR_THE_SESSION
from qcqueue.core.spec import JobSpec
from qcqueue.engines.base import Assignment, Engine
from qcqueue.engines.registry import ENGINES, engine_named, engine_of
from qcqueue.errors import LineageRefused, MachineError, QcqueueError
from qcqueue.planning.cadence import Cadence
from qcqueue.spool.reader import FAILED, RESUMED, EpochEntry, Failure, Spool, TrainerProgress, WorkOrder, write_json
from qcqueue.spool.trainer_output import in_a_sentence
from qcqueue.spool.weights import FoundWeights, WantedWeights
from qcqueue.spool.writer import Background, SpoolWriter

REPORT_EVERY_S = 0.25
LOOK_EVERY_S = 0.01
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    # They reach the whole group; the session answers them and asks through the spool for a last save.
    for number in FOR_THE_SESSION:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FOR_THE_SESSION)
    if not {*arguments} <= ENGINES.keys():
        print(f"usage: python -m qcqueue.trainer.main [{' | '.join(ENGINES)}]", file=sys.stderr)
        return 2
    clock = SystemClock()
    spools = spools_from_input(clock)
    for name in arguments:
        with suppress(Exception):  # fails again where it can be told
            engine_named(name).load()
    spool, given_s = spools.get()
    return work(spool, clock, began_s=given_s)


def spools_from_input(clock: Clock) -> "SimpleQueue[tuple[Spool, float]]":
    """Return where the spool will be put that is named on standard input, with the moment it was.

    From now on this process ends at once when its session does, however it ends: unsaved steps are redone elsewhere.
    """
    if sys.platform == "linux":
        # Quicker than the pipe and not blocked by anything Python does.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    spools: SimpleQueue[tuple[Spool, float]] = SimpleQueue()

    def listen() -> None:
        try:
            with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as said:
                while line := said.readline():
                    message = json.loads(line)
                    if isinstance(message, dict):
                        threading.Thread(target=answer, args=(message, clock), daemon=True).start()
                        continue
                    spool = Spool(Path(message))
                    with suppress(OSError, MachineError):  # a full disk is told where it can be
                        spool.report(
                            TrainerProgress(phase=Phase.STARTING)
                        )  # seen at once, while the libraries may still load
                    spools.put((spool, clock.monotonic_s()))
        finally:  # an error here must not leave a process that nobody can end
            os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    return spools


def work(spool: Spool, clock: Clock, *, began_s: float, engine_of: Callable[[JobSpec], Engine] = engine_of) -> int:
    """Carry out the order in `spool`, given at began_s of the clock's monotonic time; return the exit status."""
    try:
        while (order := spool.order()) is None:
            clock.sleep(LOOK_EVERY_S)
        sink = SpoolSink(spool, order, clock, began_s=began_s)
        try:
            engine = engine_of(order.spec)
            engine.load()
            for _ in engine.run(assignment_of(spool, order, clock), sink, clock):
                pass
        except BaseException:
            with suppress(OSError, MachineError):  # what was handed over before a failure is worth as much as ever
                sink.close()
            raise
        sink.close()
    except LineageRefused as exc:  # no failure of the job, which goes on elsewhere
        with suppress(MachineError):
            spool.refuse(str(exc))
            return 0
        return FAILED
    except Exception as exc:
        detail = traceback.format_exc()
        with suppress(OSError, MachineError):  # on a full disk: the status alone says that much
            print(detail, file=sys.stderr)
            spool.fail(Failure(cause=cause_of(exc), message=_sentence(exc), detail=detail))
        return FAILED
    return 0


def answer(asked: dict[str, Any], clock: Clock) -> None:
    """Have the ImageNet weights that a session asks for, and tell it whether they are here."""
    from qcqueue.engines.keras_tf.pretrained import have, is_here

    place = Path(asked.pop("answer"))
    try:
        wanted = WantedWeights.from_json(asked)
        if wanted.may_download:
            found = FoundWeights(path=have(wanted.file, clock=clock, given=wanted.given))
        else:
            found = FoundWeights(path=is_here(wanted.file))
    except Exception as exc:  # a session that waits is told, whatever it is
        found = FoundWeights(obstacle=_sentence(exc))
    try:
        write_json(place, found.to_json())
    except OSError as exc:  # whoever waits for the answer sees the end of this process instead
        print(f"the answer cannot be written: {exc}", file=sys.stderr, flush=True)
        os._exit(FAILED)


def assignment_of(spool: Spool, order: WorkOrder, clock: Clock) -> Assignment:
    return Assignment(
        spec=order.spec,
        dataset_path=order.dataset_path,
        weights_path=order.weights_path,
        weights_title=order.weights_title,
        threads=order.threads,
        on_cpu=order.on_cpu,
        resume_from=FromSpool(spool, clock) if order.resumes else None,
        best=spool.read_best,
    )


class FromSpool:
    """The state that a session brings into the spool while the program is built. Implements `engines.base.Arriving`.

    A session that never brings it ends this process.
    """

    def __init__(self, spool: Spool, clock: Clock) -> None:
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

    def __init__(self, spool: Spool, order: WorkOrder, clock: Clock, *, began_s: float) -> None:
        self._spool = spool
        self._handover = SpoolWriter(spool, background=True, pause=clock.sleep)
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
                self._cadence = Cadence(**(self._spool.cadence() or {}))
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
            self._spool.report(progress)

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
        self._spool.rehearsed(rehearsal)

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
        self._state_entry = self._handover.state(snapshot)
        self._unsaved, self._unwritten = False, self._unwritten + 1
        self._handover.then(self._is_written)

    def _is_written(self) -> None:
        """Tell at once: whoever waits for nothing but this need not wait for the end of a validation."""
        self._unwritten -= 1
        self._report()

    def save_model(self, epoch: int, tensors: Tensors) -> None:
        self._account(self._clock.monotonic_s())
        self._handover.model(epoch, tensors)
        self._give(Part.STALL, self._clock.monotonic_s())

    def epoch_done(self, record: TrainingRecord, timing: EpochTiming, *, is_best: bool, is_saved: bool) -> None:
        entry = EpochEntry(record=record, timing=timing, state_entry=self._state_entry if is_saved else None)
        self._handover.epoch(entry, is_best=is_best)
        if self._epochs_left is not None:
            self._epochs_left -= 1

    def finished(self, result: Result, predictions: Tensors) -> None:
        self._handover.result(result, predictions)

    def close(self) -> None:
        """Return once everything is in the spool, whole."""
        self._account(self._clock.monotonic_s())
        self._handover.close()
        self._give(Part.STALL, self._clock.monotonic_s())
        self._report()
        self._reports.wait()


def _sentence(exc: Exception) -> str:
    said = [str(exc)] if isinstance(exc, QcqueueError) else [type(exc).__name__, *filter(None, [str(exc)])]
    return in_a_sentence(": ".join(said))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
