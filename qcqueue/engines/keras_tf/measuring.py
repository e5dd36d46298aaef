"""Settles the step of a run before its program is built: as it was, as its spec says, as is known, or as measured now.

It stands between what a session has told and the trials. Nothing here touches a GPU, so the trials have it to
themselves, and nothing is kept of trials that were cut: whoever comes next begins them again.
"""

import os
import platform
import sys
from collections.abc import Generator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from qcqueue.clock import Clock
from qcqueue.core.phases import Phase
from qcqueue.core.records import FIRST_STEP, Identity
from qcqueue.core.step_choice import StepChoice
from qcqueue.engines.base import Assignment, Sink
from qcqueue.engines.batches import load_data
from qcqueue.engines.keras_tf import cuda
from qcqueue.engines.processor import cpu_name, instruction_set
from qcqueue.engines.programs import keep, without_place
from qcqueue.engines.steps import ON_A_CPU, ON_A_GPU, budget_s, choose, inherited, key_of, known, switches
from qcqueue.engines.trials import TrialProgram, try_all

COMMAND = (sys.executable, "-m", "qcqueue.engines.keras_tf.trial")
ENVIRONMENT = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
"""Of a trial: several share one GPU, and each would take all of its memory."""
AT_ONCE = 4
"""How many compile at a time: each keeps little more than one core busy."""


def settled_step(
    assignment: Assignment, sink: Sink, clock: Clock, *, command: tuple[str, ...] = COMMAND
) -> Generator[None, None, str | None]:
    """Return the step that a run uses, None where measuring was asked to stop. command: what tries one candidate."""
    spec, order = assignment.spec, assignment.step_order
    gpus = _gpus(assignment)
    if spec.device == "gpu" and not gpus:
        return FIRST_STEP  # whoever builds the program says what is missing
    if assignment.code_path:
        return FIRST_STEP  # its optimizer is its own, and steps as Keras has it step
    here = _here(assignment, gpus)
    if (step := inherited(order, spec, here)) is not None:
        return step
    key = key_of(spec, here, switches(without_place(os.environ)))
    choice = known(order, spec, key)
    if choice is None:
        choice = yield from _measured(assignment, key, sink, clock, command=command, has_gpu=bool(gpus))
    if choice is None:
        return None
    sink.chose_step(choice)
    return choice.step


def keep_programs(assignment: Assignment) -> None:
    """Have the step that is compiled for a CPU found by the next process that trains this job here.

    On a GPU it is compiled anew: that what was kept runs there, with the same bits, was never seen.
    """
    gpus = _gpus(assignment)
    if assignment.step == "xla" and not gpus:
        here = _here(assignment, gpus).to_json() | {"driver": cuda.driver_version()}
        keep({"spec": assignment.spec.digest, "here": here, "flags": switches(without_place(os.environ))})


def _gpus(assignment: Assignment) -> list[Any]:
    leaves_alone = assignment.on_cpu or assignment.spec.device == "cpu"
    return [] if leaves_alone else tf.config.list_physical_devices("GPU")


def _measured(
    assignment: Assignment, key: str, sink: Sink, clock: Clock, *, command: tuple[str, ...], has_gpu: bool
) -> Generator[None, None, StepChoice | None]:
    spec, order, began_s = assignment.spec, assignment.step_order, clock.monotonic_s()
    sink.progress(Phase.MEASURING)
    data = load_data(assignment.dataset_path, spec)
    shapes = {len(next(data.batches(1, first_step=step)).ids) for step in (0, data.steps - 1)}
    steps_left = (spec.epochs - order.epochs_done) * data.steps
    trials = yield from try_all(
        ON_A_GPU if has_gpu else ON_A_CPU,
        TrialProgram(command=command, told=_told(assignment), environment=ENVIRONMENT),
        at_once=AT_ONCE,
        budget_s=budget_s(order.left_s),
        worth_s=lambda step_s: budget_s(steps_left * step_s),
        clock=clock,
        should_stop=sink.should_stop,
    )
    if trials is None:
        return None
    step = choose(trials, steps_left=steps_left, shapes=len(shapes), sessions_left=order.sessions_left)
    return StepChoice(
        step=step,
        origin="measured",
        key=key,
        fingerprint=next((it.fingerprint for it in trials if it.candidate == step), None),
        trials=trials,
        seconds=clock.monotonic_s() - began_s,
    )


def _told(assignment: Assignment) -> dict[str, Any]:
    return {
        "spec": assignment.spec.to_json(),
        "dataset_path": str(assignment.dataset_path),
        "threads": assignment.threads,
        "on_cpu": assignment.on_cpu,
    }


def _here(assignment: Assignment, gpus: list[Any]) -> Identity:
    """Return what the run will be computed on, as far as that is known without touching a GPU."""
    build = tf.sysconfig.get_build_info() if gpus else {}
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
    return Identity(
        processor=details.get("device_name", "GPU") if gpus else cpu_name(),
        instruction_set=instruction_set(),
        threads=assignment.threads,
        deterministic=assignment.spec.determinism == "exact",
        python=platform.python_version(),
        framework="tensorflow",
        framework_version=tf.__version__,
        library="keras",
        library_version=keras.__version__,
        numpy=np.__version__,
        cuda=str(build.get("cuda_version", "")),
        cudnn=str(build.get("cudnn_version", "")),
        compute_capability=cuda.compute_capability(gpus[0]) if gpus else None,
        multiprocessors=cuda.multiprocessors() if gpus else None,
    )
