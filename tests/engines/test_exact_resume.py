"""A run that was cut anywhere ends with the bits of one that was not: what is Keras's own, beside the contract."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qcqueue.conformance.engines import Late
from qcqueue.core.records import MODEL, Snapshot, Tensors
from qcqueue.core.spec import JobSpec
from qcqueue.engines.base import Arriving
from tests.engines.worlds import Memory, a_spec, an_assignment, run

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("small_models")]

STEPS = 3  # 22 images in batches of 8, the last of 6


@pytest.fixture(scope="module")
def uncut(dataset_path: Path) -> Memory:
    return run(an_assignment(dataset_path), Memory())


@pytest.fixture(scope="module")
def cut_in_the_second_epoch(dataset_path: Path) -> Memory:
    return run(an_assignment(dataset_path), Memory(stop_after=STEPS + 1))


def resumed(
    dataset_path: Path, snapshot: Snapshot | Arriving, *, best: Mapping[int, Tensors] | None = None, **about: Any
) -> Memory:
    spec: JobSpec = about.pop("spec", a_spec())
    return run(an_assignment(dataset_path, spec=spec, resume_from=snapshot), Memory(best=dict(best or {}), **about))


def assert_same_end(cut: Memory, uncut: Memory) -> None:
    assert cut.result is not None
    assert cut.result == uncut.result
    assert cut.records[-1].history == uncut.records[-1].history
    for name, predictions in uncut.predictions.items():
        assert cut.predictions[name].tobytes() == predictions.tobytes()
    assert_same_tensors(cut.snapshots[-1], uncut.snapshots[-1])


def assert_same_tensors(cut: Snapshot, uncut: Snapshot) -> None:
    assert cut.tensors.keys() == uncut.tensors.keys()
    for key, value in uncut.tensors.items():
        assert cut.tensors[key].tobytes() == value.tobytes(), uncut.paths[key]


def test_without_the_dropout_seeds_the_end_differs(dataset_path: Path, uncut: Memory) -> None:
    """The control: were seeds not restored, these tests would notice."""
    snapshot = uncut.snapshots[0]
    seeds = next(key for key, path in snapshot.paths.items() if "seed_generator" in path)
    forgotten = snapshot.tensors[seeds].copy()
    forgotten[1] = 0  # the count of draws, as in a model that was built anew
    assert snapshot.tensors[seeds][1] == STEPS
    cut = resumed(dataset_path, replace(snapshot, tensors={**snapshot.tensors, seeds: forgotten}))

    assert cut.result is not None
    assert uncut.result is not None
    assert cut.result.last.weights_sha256 != uncut.result.last.weights_sha256


# A state that is still on its way


@pytest.mark.parametrize(
    ("calls", "prepared", "phases"),
    [
        (0, [], ["loading", "building", "restoring"]),
        (1, ["trace"], ["loading", "building", "compiling", "restoring"]),
        (2, ["trace", "step_on_nothing"], ["loading", "building", "compiling", "restoring"]),
        (9, ["trace", "step_on_nothing"], ["loading", "building", "compiling", "waiting", "restoring"]),
    ],
)
def test_while_a_state_is_on_its_way_the_program_is_made_ready_and_the_end_is_the_same(
    dataset_path: Path,
    uncut: Memory,
    cut_in_the_second_epoch: Memory,
    monkeypatch: pytest.MonkeyPatch,
    calls: int,
    prepared: list[str],
    phases: list[str],
) -> None:
    from qcqueue.engines.keras_tf.program import KerasProgram

    done: list[str] = []

    def noted(name: str) -> Callable[[Any], None]:
        really = getattr(KerasProgram, name)

        def prepare(program: Any) -> None:
            done.append(name)
            really(program)
            assert program.trace_counts == (1, 0)

        return prepare

    before = cut_in_the_second_epoch
    for name in ("trace", "step_on_nothing"):
        monkeypatch.setattr(KerasProgram, name, noted(name))
    cut = resumed(dataset_path, Late(before.snapshots[-1], calls), best=before.best)

    assert done == prepared
    assert cut.phases[: len(phases)] == phases
    assert_same_end(cut, uncut)


# What training cannot change


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_what_is_called_fixed_is_what_does_not_change_where_only_the_head_is_trained(
    dataset_path: Path, optimizer: str
) -> None:
    spec = a_spec(trainable="head", epochs=2, optimizer=optimizer, learning_rate=0.1)
    first, second = run(an_assignment(dataset_path, spec=spec), Memory()).snapshots
    same = {key for key, it in first.tensors.items() if it.tobytes() == second.tensors[key].tobytes()}

    assert first.fixed == second.fixed
    assert first.fixed == {key for key in same if key.startswith(MODEL)}
    assert {first.paths[key].split("/")[0].partition("_")[0] for key in first.fixed} == {"conv2d", "batch"}
