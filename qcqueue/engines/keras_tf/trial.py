"""Tries one way to compute a step: `python -m qcqueue.engines.keras_tf.trial`, for whoever chooses among them.

It reads one line of JSON: {spec, dataset_path, threads, on_cpu, candidate, is_timed}. A way that is not exact here, or
cannot be compiled, falls out with its reason. One that is to be timed is compiled first; then it writes {"ready": true}
and waits for a line, so that whoever asks can give it the machine alone. The last line it writes is what it showed, as
`core.step_choice.StepTrial` has it. Its environment is its caller's affair; it ends when its caller does. On a GPU the
trial of "graph" also has a step timed that need not be exact, so that a person can be told what determinism costs.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from qcqueue.clock import Clock, SystemClock
from qcqueue.core.signals import end_with_parent
from qcqueue.core.spec import JobSpec
from qcqueue.engines.batches import Batch, TrainingData, load_data
from qcqueue.engines.rehearsal import rehearse
from qcqueue.errors import QcqueueError

COMMAND = (sys.executable, "-m", "qcqueue.engines.keras_tf.trial")

WARM_STEPS = 3
TIMED_STEPS = 20
MOST_S = 4.0
"""After so long there is no further step, though fewer than that were timed."""
LEAST_STEPS = 3


def main(told: TextIO, said: TextIO, clock: Clock) -> int:
    order: dict[str, Any] = json.loads(told.readline())
    shown = {"candidate": order["candidate"], **_shown(order, told, said, clock)}
    print(json.dumps(shown), file=said, flush=True)
    return 0


def _shown(order: dict[str, Any], told: TextIO, said: TextIO, clock: Clock) -> dict[str, Any]:
    from qcqueue.engines.keras_tf.loading import load_libraries

    load_libraries()
    import tensorflow as tf

    from qcqueue.engines.keras_tf import device, errors

    shown, without = dict[str, Any](), None
    try:
        spec = JobSpec.from_json(order["spec"])
        program, data = _program(spec, order)
        if order["is_timed"] and order["candidate"] == "graph" and spec.determinism == "exact" and device.has_gpu():
            without = _WithoutDeterminism(order, spec)  # it compiles meanwhile
        shown |= _compiled(program, data, clock, is_exact=spec.determinism == "exact")
        if "reason" not in shown and order["is_timed"]:
            print(json.dumps({"ready": True}), file=said, flush=True)
            if told.readline():
                shown["step_s"] = _step_s(program, next(data.batches(1, first_step=0)), clock)
                if without is not None and (free_s := without.step_s()):
                    shown["determinism_factor"] = shown["step_s"] / free_s
    except tf.errors.ResourceExhaustedError as exc:
        # It shares the GPU with others that are tried, so alone it may have enough.
        shown |= {"reason": next(iter(errors.said(exc)), type(exc).__name__), "is_cut": True}
    except tf.errors.OpError as exc:
        shown["reason"] = next(iter(errors.said(exc)), type(exc).__name__)
    except QcqueueError as exc:
        shown["reason"] = str(exc)
    finally:
        if without is not None:
            without.end()
    return shown


def _program(spec: JobSpec, order: dict[str, Any]) -> tuple[Any, TrainingData]:
    from qcqueue.engines.keras_tf import device
    from qcqueue.engines.keras_tf.models import build_model
    from qcqueue.engines.keras_tf.program import KerasProgram

    data = load_data(Path(order["dataset_path"]), spec)
    device.settle(spec, threads=order["threads"], on_cpu=order["on_cpu"])
    # What the weights are decides no time, and nothing of this is kept.
    model = build_model(spec, classes=len(data.classes), weights_path=None, fresh=False)
    return KerasProgram(model, spec, data, threads=order["threads"], step=order["candidate"]), data


def _compiled(program: Any, data: TrainingData, clock: Clock, *, is_exact: bool) -> dict[str, Any]:
    """Compile, and see whether steps are exact where they have to be; return what that showed."""
    from qcqueue.engines.keras_tf.fingerprint import step_fingerprint

    whole, last = (next(data.batches(1, first_step=step)) for step in (0, data.steps - 1))
    began_s = clock.monotonic_s()
    program.trace()
    _make(program, whole)
    compile_s = clock.monotonic_s() - began_s
    shown = {"compile_s": compile_s, "operations": program.operations().total()}
    if not is_exact:
        _make(program, last)
        return shown
    if differs := rehearse(program, [whole, last]):
        return shown | {"reason": f"two steps, done again from the same state, ended differently: {differs}"}
    return shown | {"fingerprint": step_fingerprint(program)}


class _WithoutDeterminism:
    """The same trial of a job that need not be exact, in a process of its own: libraries keep in the life of one which
    algorithms they have chosen."""

    def __init__(self, order: Mapping[str, Any], spec: JobSpec) -> None:
        self._process = subprocess.Popen(
            COMMAND, env={**os.environ}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._said = list[dict[str, Any]]()
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()
        self._tell(json.dumps({**order, "spec": replace(spec, determinism="relaxed").to_json()}))

    def step_s(self) -> float | None:
        """Return what a step takes, None where it is not compiled by now."""
        if not any("ready" in it for it in self._said):
            return None
        self._tell("go")
        self._listening.join(2 * MOST_S)
        return next((it["step_s"] for it in self._said if "step_s" in it), None)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._listening.join()
        with suppress(BrokenPipeError):
            self._process.stdin.close()  # type: ignore[union-attr]

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, and shows nothing
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with suppress(ValueError):  # libraries write to the same place
                    said = json.loads(line)
                    if isinstance(said, dict):
                        self._said.append(said)


def _make(program: Any, batch: Batch) -> None:
    """Make a step and wait for it."""
    (made,) = program.train([batch])
    float(made.loss)


def _step_s(program: Any, batch: Batch, clock: Clock) -> float:
    """Return the median of the seconds of some steps, each waited for."""
    for _ in range(WARM_STEPS):
        _make(program, batch)
    seconds = list[float]()
    while len(seconds) < LEAST_STEPS or (len(seconds) < TIMED_STEPS and sum(seconds) < MOST_S):
        began_s = clock.monotonic_s()
        _make(program, batch)
        seconds.append(clock.monotonic_s() - began_s)
    return statistics.median(seconds)


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(sys.stdin, sys.stdout, SystemClock()))
