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

from qcqueue.catalog.models import engine_name
from qcqueue.clock import Clock, SystemClock
from qcqueue.core.outcomes import cause_of
from qcqueue.core.phases import Phase
from qcqueue.core.signals import FOR_THE_SESSION, end_with_parent
from qcqueue.core.spec import JobSpec
from qcqueue.engines.base import Assignment, Engine
from qcqueue.engines.registry import ENGINES, engine_named, engine_of
from qcqueue.errors import LineageRefused, MachineError, QcqueueError
from qcqueue.spool.files import FAILED, Failure, TrainerProgress, WorkOrder
from qcqueue.spool.trainer_output import in_a_sentence
from qcqueue.spool.weights import FoundWeights, WantedWeights
from qcqueue.spool.whole import write_json
from qcqueue.spool.writer import TrainerSpool
from qcqueue.trainer.sink import LOOK_EVERY_S, FromSpool, SpoolSink


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


def spools_from_input(clock: Clock) -> "SimpleQueue[tuple[TrainerSpool, float]]":
    """Return where the spool will be put that is named on standard input, with the moment it was.

    From now on this process ends at once when its session does, however it ends: unsaved steps are redone elsewhere.
    """
    end_with_parent()  # quicker than the pipe
    spools: SimpleQueue[tuple[TrainerSpool, float]] = SimpleQueue()

    def listen() -> None:
        try:
            with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as said:
                while line := said.readline():
                    message = json.loads(line)
                    if isinstance(message, dict):
                        threading.Thread(target=answer, args=(message, clock), daemon=True).start()
                        continue
                    spool = TrainerSpool(Path(message))
                    with suppress(OSError, MachineError):  # a full disk is told where it can be
                        # Seen at once, while the libraries may still load.
                        spool.progress.write(TrainerProgress(phase=Phase.STARTING))
                    spools.put((spool, clock.monotonic_s()))
        finally:  # an error here must not leave a process that nobody can end
            os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    return spools


def work(
    spool: TrainerSpool, clock: Clock, *, began_s: float, engine_of: Callable[[JobSpec], Engine] = engine_of
) -> int:
    """Carry out the order in `spool`, given at began_s of the clock's monotonic time; return the exit status."""
    try:
        while (order := spool.order.read()) is None:
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
            spool.refusal.write(str(exc))
            return 0
        return FAILED
    except Exception as exc:
        detail = traceback.format_exc()
        with suppress(OSError, MachineError):  # on a full disk: the status alone says that much
            print(detail, file=sys.stderr)
            spool.failure.write(Failure(cause=cause_of(exc), message=_sentence(exc), detail=detail))
        return FAILED
    return 0


def answer(asked: dict[str, Any], clock: Clock) -> None:
    """Have the ImageNet weights that a session asks for, and tell it whether they are here."""
    place = Path(asked.pop("answer"))
    try:
        wanted = WantedWeights.from_json(asked)
        engine = engine_named(engine_name(wanted.model))
        path = engine.pretrained(wanted.file, given=wanted.given, may_download=wanted.may_download, clock=clock)
        found = FoundWeights(path=path)
    except Exception as exc:  # a session that waits is told, whatever it is
        found = FoundWeights(obstacle=_sentence(exc))
    try:
        write_json(place, found.to_json())
    except OSError as exc:  # whoever waits for the answer sees the end of this process instead
        print(f"the answer cannot be written: {exc}", file=sys.stderr, flush=True)
        os._exit(FAILED)


def assignment_of(spool: TrainerSpool, order: WorkOrder, clock: Clock) -> Assignment:
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


def _sentence(exc: Exception) -> str:
    said = [str(exc)] if isinstance(exc, QcqueueError) else [type(exc).__name__, *filter(None, [str(exc)])]
    return in_a_sentence(": ".join(said))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
