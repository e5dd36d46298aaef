"""The step of a run on a CPU is settled before its program is built: inherited, asked for, known, or measured."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qcqueue.clock import SystemClock
from qcqueue.core.phases import Phase
from qcqueue.core.records import Identity
from qcqueue.core.step_choice import StepChoice, StepOrder
from qcqueue.engines.base import Assignment
from qcqueue.engines.keras_tf.measuring import settled_step
from tests.engines.worlds import Memory, a_dataset_file, a_spec, an_assignment

pytestmark = pytest.mark.tensorflow

PROGRAM = """
import json, sys, time
asked = json.loads(sys.stdin.readline())
assert asked["spec"]["model"] == "VGG16" and asked["threads"] == 2 and asked["on_cpu"] is False
open(asked["dataset_path"] + ".tried", "a").write(asked["candidate"] + "\\n")
said = {"candidate": asked["candidate"], "compile_s": 1, "fingerprint": asked["candidate"]}
if asked["is_timed"]:
    print('{"ready": 1}', flush=True)
    sys.stdin.readline()
    said["step_s"] = {"graph": 2.0, "fused": 1.0}[asked["candidate"]]
print(json.dumps(said), flush=True)
"""
FAKE = (sys.executable, "-c", PROGRAM)
LONG = StepOrder(left_s=1e6)


class Run:
    """The settling of one run's step, with a program that shows what stands above."""

    def __init__(self, folder: Path) -> None:
        self.path = a_dataset_file(folder)
        self.sink = Memory()

    def settle(self, order: StepOrder = LONG, *, command: tuple[str, ...] = FAKE, **changes: Any) -> str | None:
        spec = a_spec(**{"epochs": 1000, **changes})
        assignment: Assignment = replace(an_assignment(self.path, spec=spec), step_order=order)
        pieces = settled_step(assignment, self.sink, SystemClock(), command=command)
        while True:
            try:
                next(pieces)
            except StopIteration as over:
                return None if over.value is None else str(over.value)

    @property
    def tried(self) -> list[str]:
        path = self.path.with_name(self.path.name + ".tried")
        return sorted(path.read_text().split()) if path.exists() else []

    @property
    def choice(self) -> StepChoice:
        return self.sink.choices[-1]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_the_fastest_is_measured_once_and_then_known(run: Run) -> None:
    assert run.settle() == "fused"
    assert run.tried == ["fused", "fused", "graph"], "what has new bits is tried in a second process"
    measured = run.choice
    assert (measured.origin, measured.gain, measured.fingerprint) == ("measured", 2.0, "fused")
    assert measured.is_shareable
    assert Phase.MEASURING in run.sink.phases
    assert run.settle(replace(LONG, shared=(measured,)), seed=8) == "fused"
    assert run.choice == replace(measured, origin="shared")
    assert len(run.tried) == 3


def test_another_kind_of_work_is_measured_for_itself(run: Run) -> None:
    run.settle()
    run.settle(replace(LONG, shared=(run.choice,)), batch_size=4)
    assert len(run.tried) == 6


def test_a_flag_in_the_environment_makes_it_another_kind_of_machine(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.settle()
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    run.settle(replace(LONG, shared=(run.choice,)))
    assert len(run.tried) == 6


@pytest.mark.parametrize(("left_s", "step"), [(100.0, "auto"), (1e6, "fused")], ids=["short", "of its spec"])
def test_nothing_is_tried_where_it_is_not_worth_it_or_not_asked(left_s: float, step: str, run: Run) -> None:
    assert run.settle(StepOrder(left_s=left_s), step=step) == ("graph" if step == "auto" else step)
    assert (run.tried, run.choice.origin) == ([], "short" if step == "auto" else "spec")


def test_a_run_that_goes_on_is_asked_nothing_and_tells_nothing(run: Run) -> None:
    run.settle()
    here = _identity_here(run)
    run.sink.choices.clear()
    assert run.settle(replace(LONG, begun_on=replace(here, step="fused", step_fingerprint="ab"))) == "fused"
    assert run.settle(replace(LONG, begun_on=here)) == "graph", "of before there was a choice"
    assert run.sink.choices == []
    assert len(run.tried) == 3
    assert run.settle(replace(LONG, begun_on=replace(here, processor="Tesla T4", step="xla"))) == "fused"
    assert len(run.tried) == 6


def _identity_here(run: Run) -> Identity:
    from qcqueue.engines.keras_tf.measuring import _here

    return _here(an_assignment(run.path), [])


def test_a_gpu_that_is_not_there_is_not_looked_for_by_trials(run: Run) -> None:
    assert run.settle(device="gpu") == "graph"
    assert (run.tried, run.sink.choices) == ([], [])


def test_a_measuring_that_was_stopped_leaves_nothing_to_believe(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.sink, "should_stop", lambda: True)
    assert run.settle() is None
    assert run.sink.choices == []
