"""A run that was cut anywhere ends with the bits of one that was not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcqueue.core.snapshot import Snapshot
from qcqueue.core.spec import JobSpec
from qcqueue.errors import CheckpointDamaged
from tests.training.worlds import Memory, a_spec, an_assignment, run

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("small_models")]

STEPS = 3  # 22 images in batches of 8, the last of 6


@pytest.fixture(scope="module")
def uncut(dataset_path: Path) -> Memory:
    return run(an_assignment(dataset_path), Memory())


def resumed(dataset_path: Path, snapshot: Snapshot, *, best: Any = None, **about: Any) -> Memory:
    spec: JobSpec = about.pop("spec", a_spec())
    return run(an_assignment(dataset_path, spec=spec, resume_from=snapshot), Memory(best=best, **about))


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


def test_the_same_run_twice_has_the_same_bits(dataset_path: Path, uncut: Memory) -> None:
    assert_same_end(run(an_assignment(dataset_path), Memory()), uncut)


@pytest.mark.parametrize("steps", [1, 3, 5, 8])
def test_cut_after_any_step(dataset_path: Path, uncut: Memory, steps: int) -> None:
    before = run(an_assignment(dataset_path), Memory(stop_after=steps))

    assert before.result is None
    assert before.snapshots[-1].record.epochs_done * STEPS + before.snapshots[-1].record.partial.steps_done == steps
    assert_same_end(resumed(dataset_path, before.snapshots[-1], best=before.best), uncut)


def test_cut_at_every_step(dataset_path: Path, uncut: Memory) -> None:
    snapshot, best, lives = None, None, 0
    while True:
        life = run(an_assignment(dataset_path, resume_from=snapshot), Memory(stop_after=1, best=best))
        snapshot, best, lives = life.snapshots[-1], life.best, lives + 1
        if life.result:
            break
        if life.records:  # the state stands, the record has moved on to the epoch's end
            snapshot = replace(snapshot, record=life.records[-1])
    assert lives == 3 * STEPS
    assert_same_end(life, uncut)


def test_cut_while_validation_is_pending_does_not_train_again(dataset_path: Path, uncut: Memory) -> None:
    pending = uncut.snapshots[1]
    assert pending.record.partial.steps_done == STEPS
    cut = resumed(dataset_path, pending, best=uncut.best)

    assert cut.phases[:3] == ["building", "validating", "compiling"]
    assert_same_end(cut, uncut)


def test_cut_after_the_last_step_goes_straight_to_validation(dataset_path: Path, uncut: Memory) -> None:
    cut = resumed(dataset_path, uncut.snapshots[-1], best=uncut.best)

    assert cut.phases == ["building", "validating", "evaluating"]
    assert cut.records == uncut.records[-1:]
    assert cut.result == uncut.result


def test_cut_after_the_last_epoch_goes_straight_to_the_figures(dataset_path: Path, uncut: Memory) -> None:
    done = replace(uncut.snapshots[-1], record=uncut.records[-1])
    cut = resumed(dataset_path, done, best=uncut.best)

    assert cut.phases == ["building", "evaluating"]
    assert cut.result == uncut.result


def test_early_stopping_is_not_forgotten(dataset_path: Path) -> None:
    # So hot that validation gets worse after the first epoch and never recovers.
    spec = a_spec(epochs=6, early_stopping=1, learning_rate=0.5)
    uncut = run(an_assignment(dataset_path, spec=spec), Memory())
    assert uncut.result is not None
    assert uncut.records[-1].stopped_early
    assert uncut.records[-1].epochs_done < 6
    assert uncut.result.best.epoch < uncut.result.last.epoch
    assert uncut.result.best.weights_sha256 != uncut.result.last.weights_sha256

    decided = replace(uncut.snapshots[-1], record=uncut.records[-1])
    assert resumed(dataset_path, decided, best=uncut.best, spec=spec).result == uncut.result
    middle = run(an_assignment(dataset_path, spec=spec), Memory(stop_after=STEPS + 1))
    assert_same_end(resumed(dataset_path, middle.snapshots[-1], best=middle.best, spec=spec), uncut)


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


def test_another_identity_starts_a_new_lineage_and_another_python_does_not(dataset_path: Path, uncut: Memory) -> None:
    snapshot = uncut.snapshots[-1]
    here = snapshot.record.identity
    for identity, lineage in (replace(here, processor="another"), 2), (replace(here, python="3.99"), 1):
        elsewhere = replace(snapshot.record, identity=identity)
        cut = resumed(dataset_path, replace(snapshot, record=elsewhere), best=uncut.best)
        assert cut.records[-1].lineage == lineage
        assert cut.records[-1].identity == here


def test_a_state_does_not_change_when_training_goes_on(dataset_path: Path, uncut: Memory) -> None:
    copies = {key: value.copy() for key, value in uncut.snapshots[0].tensors.items()}
    life = resumed(dataset_path, uncut.snapshots[0], stop_after=4)

    assert len(life.snapshots) == 2
    for key, value in copies.items():
        assert np.array_equal(uncut.snapshots[0].tensors[key], value)
    changed = [
        key for key in copies if not np.array_equal(life.snapshots[0].tensors[key], life.snapshots[1].tensors[key])
    ]
    assert len(changed) >= len(copies) - 3  # all but the learning rate and the like


def test_a_state_of_another_shape_is_refused_whole(dataset_path: Path, uncut: Memory) -> None:
    snapshot = uncut.snapshots[0]
    damaged = {
        "shape": {**snapshot.tensors, "m/00000": np.zeros((1, 2), np.float32)},
        "type": {**snapshot.tensors, "m/00000": snapshot.tensors["m/00000"].astype(np.float64)},
        "count": {key: value for key, value in snapshot.tensors.items() if key != "o/00000"},
    }
    for tensors in damaged.values():
        with pytest.raises(CheckpointDamaged, match="tensor"):
            resumed(dataset_path, replace(snapshot, tensors=tensors))
    with pytest.raises(CheckpointDamaged, match="another job"):
        resumed(dataset_path, snapshot, spec=a_spec(seed=8))
