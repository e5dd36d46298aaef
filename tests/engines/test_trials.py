"""Candidates are tried by real processes: within the time, one timed at a time, and none is left behind."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from qcqueue.clock import SystemClock
from qcqueue.core.spec import Step
from qcqueue.core.step_choice import StepTrial
from qcqueue.engines.trials import TrialProgram, try_all

CANDIDATES: tuple[Step, ...] = ("graph", "fused", "xla")

PROGRAM = """
import json, os, sys, time
asked = json.loads(sys.stdin.readline())
does = asked["does"].get(asked["candidate"], {})
folder = asked["folder"]
open(f"{folder}/{os.getpid()}.pid", "w").close()
print("a line of some library")
print('{"another": "line"}', flush=True)
if "dies" in does and (asked["is_timed"] or does["dies"] != "second"):
    os.kill(os.getpid(), 11)
time.sleep(does.get("compiles_s", 0))
said = {"candidate": asked["candidate"], "compile_s": 1, "operations": 7, "fingerprint": does.get("bits", "ab")}
if does.get("other_bits") and not asked["is_timed"]:
    said["fingerprint"] = "cd"
if "reason" in does:
    said["reason"] = does["reason"]
elif asked["is_timed"]:
    print('{"ready": true}', flush=True)
    if not sys.stdin.readline():
        sys.exit(1)
    os.mkdir(f"{folder}/timing")  # fails where another is being timed
    time.sleep(does.get("times_s", 0.02))
    os.rmdir(f"{folder}/timing")
    said["step_s"] = does.get("step_s", 0.1)
print(json.dumps(said), flush=True)
"""


def tried(
    folder: Path,
    does: Mapping[str, Mapping[str, Any]],
    *,
    at_once: int = 4,
    budget_s: float = 20.0,
    worth_s: Callable[[float], float] = lambda step_s: 1e9,
    should_stop: Callable[[], bool] = lambda: False,
    command: tuple[str, ...] = (sys.executable, "-c", PROGRAM),
) -> dict[str, StepTrial] | None:
    told = {"folder": str(folder), "does": {name: dict(it) for name, it in does.items()}}
    pieces = try_all(
        CANDIDATES,
        TrialProgram(command=command, told=told, environment={"QCQUEUE_TRIAL": "1"}),
        at_once=at_once,
        budget_s=budget_s,
        worth_s=worth_s,
        clock=SystemClock(),
        should_stop=should_stop,
    )
    while True:
        try:
            next(pieces)
        except StopIteration as over:
            assert not any(_lives(int(path.stem)) for path in folder.glob("*.pid")), "a process is left"
            return None if over.value is None else {trial.candidate: trial for trial in over.value}


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_each_candidate_is_timed_alone_and_those_of_new_bits_are_tried_twice(tmp_path: Path) -> None:
    trials = tried(tmp_path, {"fused": {"step_s": 0.05}})
    assert trials is not None
    assert {name: trial.step_s for name, trial in trials.items()} == {"graph": 0.1, "fused": 0.05, "xla": 0.1}
    assert all(trial.reason is None and trial.operations == 7 for trial in trials.values())
    assert len(list(tmp_path.glob("*.pid"))) == 5


@pytest.mark.parametrize(
    ("xla", "reason", "is_cut"),
    [
        ({"reason": "TensorFlow refuses MaxPoolGrad"}, "TensorFlow refuses MaxPoolGrad", False),
        ({"other_bits": True}, "a second process ended the same steps in other bits", False),
        ({"dies": "always"}, "its process ended by SIGSEGV", True),
        ({"compiles_s": 60}, "it was not compiled after 2.2 s", True),
        ({"times_s": 60}, "its steps were not timed after 3.0 s", True),
    ],
)
def test_a_candidate_falls_out_with_its_reason(xla: dict[str, Any], reason: str, is_cut: bool, tmp_path: Path) -> None:
    trials = tried(tmp_path, {"xla": xla}, budget_s=3.0)
    assert trials is not None
    assert (trials["xla"].reason, trials["xla"].is_cut) == (reason, is_cut)
    assert [trials[name].reason for name in ("graph", "fused")] == [None, None]


def test_what_fell_out_is_not_tried_again(tmp_path: Path) -> None:
    refused = {"reason": "refused"}
    assert tried(tmp_path, {"fused": refused, "xla": refused}, at_once=1) is not None
    assert len(list(tmp_path.glob("*.pid"))) == 3


def test_where_the_work_turns_out_to_be_short_the_others_are_left(tmp_path: Path) -> None:
    asked: list[float] = []

    def worth_s(step_s: float) -> float:
        asked.append(step_s)
        return 0.0

    trials = tried(tmp_path, {"graph": {"step_s": 0.01}}, worth_s=worth_s)
    assert trials is not None
    assert set(asked) == {0.01}
    assert trials["graph"].reason is None
    late = {"too little is left of the work to time it"}
    assert {trials[name].reason for name in ("fused", "xla")} == late
    assert trials["fused"].is_cut, "more work may be worth it, so this is told to nobody"


def test_whoever_is_asked_to_stop_leaves_no_process_and_shows_nothing(tmp_path: Path) -> None:
    slow: dict[str, dict[str, Any]] = {name: {"compiles_s": 60} for name in CANDIDATES}
    assert tried(tmp_path, slow, should_stop=lambda: len(list(tmp_path.glob("*.pid"))) >= 3) is None


def test_a_program_that_cannot_be_begun_is_a_reason_and_no_error(tmp_path: Path) -> None:
    trials = tried(tmp_path, {}, command=(str(tmp_path / "nothing"),))
    assert trials is not None
    assert all("no process can be begun" in str(trial.reason) for trial in trials.values())


def test_a_trial_is_given_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QCQUEUE_TOKEN", "a secret of nobody")
    program = "import os; assert 'QCQUEUE_TOKEN' not in os.environ and os.environ['QCQUEUE_TRIAL'];" + PROGRAM
    trials = tried(tmp_path, {}, command=(sys.executable, "-c", program))
    assert trials is not None
    assert all(trial.reason is None for trial in trials.values())
