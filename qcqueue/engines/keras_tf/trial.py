"""Tries one way to compute a step: `python -m qcqueue.engines.keras_tf.trial`, for whoever chooses among them.

It reads one line of JSON: {spec, dataset_path, threads, on_cpu, candidate, is_timed}. A way that is not exact here, or
cannot be compiled, falls out with its reason. One that is to be timed is compiled first; then it writes {"ready": true}
and waits for a line, so that whoever asks can give it the machine alone. The last line it writes is what it showed, as
`core.step_choice.StepTrial` has it. Its environment is its caller's affair; it ends when its input does.
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any, TextIO

from qcqueue.clock import Clock, SystemClock
from qcqueue.core.spec import JobSpec
from qcqueue.engines.batches import Batch, TrainingData, load_data
from qcqueue.engines.rehearsal import rehearse
from qcqueue.errors import QcqueueError

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

    from qcqueue.engines.keras_tf import errors

    shown = dict[str, Any]()
    try:
        spec = JobSpec.from_json(order["spec"])
        program, data = _program(spec, order)
        shown |= _compiled(program, data, clock)
        if "reason" not in shown and order["is_timed"]:
            print(json.dumps({"ready": True}), file=said, flush=True)
            if told.readline():
                shown |= _timed(program, data, spec, clock)
    except tf.errors.OpError as exc:
        shown["reason"] = next(iter(errors.said(exc)), type(exc).__name__)
    except QcqueueError as exc:
        shown["reason"] = str(exc)
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


def _compiled(program: Any, data: TrainingData, clock: Clock) -> dict[str, Any]:
    """Compile, and see whether steps are exact; return what that showed."""
    from qcqueue.engines.keras_tf.fingerprint import step_fingerprint

    whole, last = (next(data.batches(1, first_step=step)) for step in (0, data.steps - 1))
    began_s = clock.monotonic_s()
    program.trace()
    _make(program, whole)
    compile_s = clock.monotonic_s() - began_s
    shown = {"compile_s": compile_s, "operations": program.operations().total()}
    if differs := rehearse(program, [whole, last]):
        return shown | {"reason": f"two steps, done again from the same state, ended differently: {differs}"}
    return shown | {"fingerprint": step_fingerprint(program)}


def _timed(program: Any, data: TrainingData, spec: JobSpec, clock: Clock) -> dict[str, Any]:
    from qcqueue.engines.keras_tf import device

    batch = next(data.batches(1, first_step=0))
    step_s = _step_s(program, batch, clock)
    if not (device.has_gpu() and spec.determinism == "exact" and program.step == "graph"):
        return {"step_s": step_s}
    return {"step_s": step_s, "determinism_factor": step_s / _step_s_without(program, batch, clock)}


def _step_s_without(program: Any, batch: Batch, clock: Clock) -> float:
    """Return what a step takes without determinism; this process is good for nothing else afterwards."""
    from tensorflow.python.framework.config import disable_op_determinism

    disable_op_determinism()
    return _step_s(program, batch, clock)


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
    sys.exit(main(sys.stdin, sys.stdout, SystemClock()))
