"""What a trial of a way to compute a step shows, and the fingerprint by which steps of the same bits are known."""

import json
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcqueue.clock import SystemClock
from qcqueue.errors import LineageRefused
from tests.engines.test_program import a_program
from tests.engines.worlds import Memory, a_spec, an_assignment, run

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("small_models")]


def tried(dataset_path: Path, candidate: str, *, is_timed: bool = False, **changes: Any) -> list[dict[str, Any]]:
    """Return the lines that a trial writes, on a CPU and told to go on at once."""
    from qcqueue.engines.keras_tf import trial

    order = {
        "spec": a_spec(**changes).to_json(),
        "dataset_path": str(dataset_path),
        "threads": 2,
        "on_cpu": True,
        "candidate": candidate,
        "is_timed": is_timed,
    }
    said = StringIO()
    assert trial.main(StringIO(json.dumps(order) + "\ngo\n"), said, SystemClock()) == 0
    return [json.loads(line) for line in said.getvalue().splitlines()]


def test_a_trial_says_that_it_is_ready_and_then_what_it_has_shown(dataset_path: Path) -> None:
    ready, shown = tried(dataset_path, "graph", is_timed=True)
    assert ready == {"ready": True}
    assert shown.keys() == {"candidate", "compile_s", "operations", "fingerprint", "step_s"}
    assert 0 < shown["step_s"] < shown["compile_s"]


def test_one_that_is_not_timed_shows_the_same_fingerprint(dataset_path: Path) -> None:
    (one,), (other,) = tried(dataset_path, "fused"), tried(dataset_path, "fused")
    assert one["fingerprint"] == other["fingerprint"]
    assert "step_s" not in one
    (plain,) = tried(dataset_path, "graph")
    assert plain["fingerprint"] != one["fingerprint"]
    assert plain["operations"] > one["operations"]


def test_a_candidate_without_a_kernel_falls_out(dataset_path: Path) -> None:
    (shown,) = tried(dataset_path, "fused", is_timed=True, optimizer="rmsprop")
    assert shown == {"candidate": "fused", "reason": "rmsprop has no fused kernel"}


def test_a_candidate_whose_steps_are_not_exact_falls_out(dataset_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qcqueue.engines.keras_tf import trial

    monkeypatch.setattr(trial, "rehearse", lambda program, batches: "1 of 9 values differed")
    (shown,) = tried(dataset_path, "graph", is_timed=True)
    assert shown["reason"].endswith("ended differently: 1 of 9 values differed")
    assert "fingerprint" not in shown


def test_pooling_of_keras_under_xla_falls_out_with_what_tensorflow_says_of_it(
    dataset_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qcqueue.engines.keras_tf import models, program
    from tests.engines.test_steps_of_xla import pooling_base

    monkeypatch.setattr(models, "build_base", pooling_base)
    monkeypatch.setattr(program, "pool_by_slices", lambda model: None)
    (shown,) = tried(dataset_path, "xla", is_timed=True)
    assert "MaxPool gradient ops do not yet have a deterministic XLA implementation" in shown["reason"]


@pytest.mark.parametrize(
    ("line", "is_exact"),
    [
        ("  %a = f32[9,4]{1,0} scatter(f32[9,4] %b, s32[2,1] %c, f32[2,4] %d), unique_indices=true, to_apply=%e", True),
        ("  %a = f32[9,4]{1,0} scatter(f32[9,4] %b, s32[2,1] %c, f32[2,4] %d), to_apply=%e", False),
        ("  ROOT %a = f32[9] select-and-scatter(f32[9] %b, f32[2] %c, f32[] %d), select=%e, scatter=%f", False),
        ("  %scatter.3 = f32[9]{0} add(f32[9]{0} %scatter.1, f32[9]{0} %scatter.2)", True),
    ],
)
def test_a_program_that_adds_up_in_no_fixed_order_is_known_by_its_text(line: str, is_exact: bool) -> None:
    from qcqueue.engines.keras_tf.scatters import scattering

    assert scattering(f"HloModule m\n\n{line}\n  %z = f32[] constant(0)\n") == (None if is_exact else line)


def test_a_compiled_gather_of_trained_values_is_refused() -> None:
    """The control: real text of a real program."""
    import tensorflow as tf

    from qcqueue.engines.keras_tf.scatters import refuse_scatters
    from qcqueue.errors import DeterminismRefused

    def summed(values: Any, places: Any) -> Any:
        return tf.tensor_scatter_nd_add(tf.zeros((5,)), places, values)

    compiled = tf.function(summed, jit_compile=True, autograph=False)
    with pytest.raises(DeterminismRefused, match="in no fixed order in what XLA makes"):
        refuse_scatters(compiled, np.ones(3, np.float32), np.zeros((3, 1), np.int32))


def test_a_fingerprint_is_the_same_whatever_state_it_is_taken_in_and_leaves_that_as_it_was() -> None:
    from qcqueue.engines.keras_tf.fingerprint import step_fingerprint

    program, data = a_program()
    fresh = step_fingerprint(program)
    for batch in data.batches(1, first_step=0):
        program.train([batch])
    before = {key: it.tobytes() for key, it in program.tensors().items()}
    assert step_fingerprint(program) == fresh
    assert {key: it.tobytes() for key, it in program.tensors().items()} == before
    other, _ = a_program(step="fused")
    assert step_fingerprint(other) != fresh


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    from qcqueue.engines.keras_tf import device

    monkeypatch.setattr(device, "has_gpu", lambda: True)


@pytest.mark.usefixtures("as_on_a_gpu")
def test_what_determinism_costs_is_told_by_a_process_without_it(
    dataset_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qcqueue.engines.keras_tf import trial

    # A trial in a process of its own takes a whole network, so this one only says what it was asked.
    answers = (
        "import json, sys; order = json.loads(sys.stdin.readline()); print('a library'); "
        "assert order['spec']['determinism'] == 'relaxed'; print(json.dumps({'ready': True}), flush=True); "
        "sys.stdin.readline(); print(json.dumps({'candidate': 'graph', 'step_s': 1e-9}), flush=True)"
    )
    monkeypatch.setattr(trial, "COMMAND", (sys.executable, "-c", answers))
    _, shown = tried(dataset_path, "graph", is_timed=True)
    assert shown["determinism_factor"] == pytest.approx(shown["step_s"] / 1e-9)
    monkeypatch.setattr(trial, "COMMAND", (sys.executable, "-c", "raise SystemExit(1)"))
    _, shown = tried(dataset_path, "graph", is_timed=True)
    assert "determinism_factor" not in shown
    assert "reason" not in shown


def test_a_job_that_need_not_be_exact_shows_no_fingerprint(dataset_path: Path) -> None:
    _, shown = tried(dataset_path, "graph", is_timed=True, determinism="relaxed")
    assert shown.keys() == {"candidate", "compile_s", "operations", "step_s"}


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("lineage", ["any", "refuse"])
def test_steps_that_end_in_other_bits_than_a_run_began_with_begin_a_new_lineage_or_are_refused(
    lineage: str, dataset_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qcqueue.engines.keras_tf import program

    spec = a_spec(lineage=lineage, epochs=1)
    cut = run(an_assignment(dataset_path, spec=spec), Memory(stop_after=1))
    (snapshot,) = cut.snapshots
    fingerprint = snapshot.record.identity.step_fingerprint
    assert fingerprint is not None
    again = run(an_assignment(dataset_path, spec=spec, resume_from=snapshot), Memory(stop_after=1))
    assert again.snapshots[-1].record.lineage == 1
    assert again.snapshots[-1].record.identity.step_fingerprint == fingerprint

    monkeypatch.setattr(program, "step_fingerprint", lambda program: "0" * 64)
    elsewhere = an_assignment(dataset_path, spec=spec, resume_from=snapshot)
    if lineage == "refuse":
        with pytest.raises(LineageRefused):
            run(elsewhere, Memory())
    else:
        assert run(elsewhere, Memory()).records[-1].lineage == 2


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_run_of_before_there_were_fingerprints_goes_on_in_its_lineage(dataset_path: Path) -> None:
    (snapshot,) = run(an_assignment(dataset_path), Memory(stop_after=1)).snapshots
    old = replace(snapshot.record.identity, step=None, step_fingerprint=None, tf32=None, memory_limit=None)
    before = replace(snapshot, record=replace(snapshot.record, identity=old))
    ended = run(an_assignment(dataset_path, resume_from=before), Memory())
    assert ended.records[-1].lineage == 1
    assert ended.records[-1].identity.step_fingerprint
