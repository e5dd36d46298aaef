"""Whether a model means the same in two processes: what one process cannot see of itself.

A run goes on in another process than the one it began in. What is no Keras variable does not go with it: chance without
a seed, a counter of Python's, an order that depends on a hash, a constant drawn while a graph was traced. So one fresh
process makes a step, saves, and makes two more; another, with another hash seed and other chance of Python's and of
numpy's, restores and makes the same two. Keys, shapes, losses, all state and predictions are compared.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qcqueue.clock import reseed_globals
from qcqueue.core.spec import JobSpec
from qcqueue.datasets.format import Split
from qcqueue.engines.base import Assignment
from qcqueue.errors import ModelRefused
from qcqueue.stores.registry import without_secrets

STEPS = 2
_WAIT_S = 3600.0
_IMAGES = 64
_START = "start.npz"

_CHANCE = frozenset(
    {
        *(
            "RandomUniform",
            "RandomUniformInt",
            "RandomStandardNormal",
            "TruncatedNormal",
            "ParameterizedTruncatedNormal",
        ),
        *(
            "RandomShuffle",
            "Multinomial",
            "RandomGamma",
            "RandomPoissonV2",
            "StatefulUniform",
            "StatefulStandardNormalV2",
        ),
    }
)
_PYTHON = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})


@dataclass(frozen=True, slots=True)
class Said:
    """What one process says of a run. variables: their keys, paths, shapes and types; ends: digests after each step."""

    variables: list[list[Any]]
    losses: list[str]
    ends: list[dict[str, str]]
    predictions: str
    operations: list[str]


def difference(assignment: Assignment) -> str:
    """Return in a sentence what differed first between two processes, and why it likely did; "" for nothing.

    Raises: ModelRefused: the model cannot be built, or keeps state where no save would hold it.
    """
    with tempfile.TemporaryDirectory(prefix="qcqueue-check-") as name:
        first, second = (_said(assignment, Path(name), number) for number in (1, 2))
    return compared(first, second)


def compared(first: Said, second: Said) -> str:
    """Return the first difference of two processes with its likely reason, "" where there is none."""
    if first.variables != second.variables:
        return (
            f"{_differing_variable(first, second)}; likely layers are made in an order that changes from process to "
            "process, such as that of a set"
        )
    for step, (one, other) in enumerate(zip(first.losses, second.losses, strict=True), start=1):
        if one != other:
            return f"the loss of step {step} after the save is {other} and not {one}; {_reason(first)}"
    for step, (state, restored) in enumerate(zip(first.ends, second.ends, strict=True), start=1):
        if wrong := [key for key in state if state[key] != restored[key]]:
            path = next(path for key, path, *_ in first.variables if key == wrong[0])
            return f"{path} differs after step {step}, with {len(wrong) - 1} more; {_reason(first)}"
    if first.predictions != second.predictions:
        return f"the predictions differ; {_reason(first)}"
    return ""


def _differing_variable(first: Said, second: Said) -> str:
    for one, other in zip(first.variables, second.variables, strict=False):
        if one != other:
            here, there = (f"{path} {tuple(shape)}" for _, path, shape, _ in (one, other))
            return f"variable {one[0]} is {here} in one process and {there} in another"
    return f"one process has {len(first.variables)} variables and another {len(second.variables)}"


def _reason(said: Said) -> str:
    if chance := sorted(_CHANCE & {*said.operations}):
        return f"likely tf.random without a seed ({chance[0]}): draw with keras.random and a SeedGenerator of the layer"
    if _PYTHON & {*said.operations}:
        return "likely a py_function with a counter or chance of its own, which no save holds"
    return (
        "likely a value that was drawn while the model was built or traced, by numpy, random or the system, and is no "
        "variable: draw it with keras.random and a SeedGenerator, or keep it with self.add_weight"
    )


def _said(assignment: Assignment, folder: Path, number: int) -> Said:
    asked = {
        "spec": assignment.spec.to_json(),
        "dataset_path": os.fspath(assignment.dataset_path),
        "weights_path": assignment.weights_path and os.fspath(assignment.weights_path),
        "code_path": assignment.code_path and os.fspath(assignment.code_path),
        "threads": assignment.threads,
        "on_cpu": assignment.on_cpu,
        "folder": os.fspath(folder),
        "number": number,
    }
    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__],
        env=without_secrets(os.environ) | {"PYTHONHASHSEED": str(number)},
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=_WAIT_S,
        check=False,
    )
    lines = done.stdout.splitlines()
    said = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    if refused := said.get("refused"):
        raise ModelRefused(refused)
    if done.returncode or "variables" not in said:
        words = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise ModelRefused(f"a process that was to build {assignment.spec.model} ended: {words[0]}")
    return Said(**said)


def main() -> None:
    """Read one question from standard input, and answer in the last line of standard output."""
    asked = json.loads(sys.stdin.read())
    try:
        answer = _answer(asked)
    except ModelRefused as exc:
        answer = {"refused": str(exc)}
    print(json.dumps(answer))


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    from qcqueue.engines.keras_tf.loading import load_libraries

    load_libraries()
    from qcqueue.engines.batches import load_data
    from qcqueue.engines.keras_tf import device
    from qcqueue.engines.keras_tf.program import program_of

    spec = JobSpec.from_json(asked["spec"])
    assignment = Assignment(
        spec=spec,
        dataset_path=Path(asked["dataset_path"]),
        weights_path=Path(asked["weights_path"]) if asked["weights_path"] else None,
        code_path=Path(asked["code_path"]) if asked["code_path"] else None,
        threads=asked["threads"],
        on_cpu=asked["on_cpu"],
        resume_from=None,
        best=lambda epoch: {},
    )
    device.settle(spec, threads=assignment.threads, on_cpu=assignment.on_cpu)
    data = load_data(assignment.dataset_path, spec)
    if asked["number"] > 1:  # nothing that is no variable may decide
        reseed_globals(asked["number"])
    program = program_of(assignment, data)
    batches = [*data.batches(1, first_step=0)]
    chosen = [batches[step % len(batches)] for step in range(1 + STEPS)]
    start = Path(asked["folder"]) / _START
    if asked["number"] == 1:
        float(program.train(chosen[:1])[0].loss)
        np.savez(start, *program.tensors().values())
    variables = [[key, program.paths()[key], [*it.shape], str(it.dtype)] for key, it in program.tensors().items()]
    if asked["number"] > 1:
        with np.load(start, allow_pickle=False) as held:
            saved = [held[f"arr_{number}"] for number in range(len(held.files))]
        if [[[*it.shape], str(it.dtype)] for it in saved] != [shape for _, _, *shape in variables]:
            return {"variables": variables, "losses": [], "ends": [], "predictions": "", "operations": []}
        program.restore(dict(zip(program.tensors(), saved, strict=True)))
    losses, ends = list[str](), list[dict[str, str]]()
    for batch in chosen[1:]:
        losses.append(repr(float(program.train([batch])[0].loss)))
        ends.append({key: hashlib.sha256(it.tobytes()).hexdigest() for key, it in program.tensors().items()})
    images, labels = (it[:_IMAGES] for it in data.part(Split.VALIDATION))
    predictions = program.predict(images, batch_size=spec.batch_size, labels=labels)
    return {
        "variables": variables,
        "losses": losses,
        "ends": ends,
        "predictions": hashlib.sha256(predictions.softmax.tobytes()).hexdigest(),
        "operations": sorted(program.operations()),
    }


if __name__ == "__main__":
    main()
