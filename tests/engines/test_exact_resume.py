"""A run that was cut anywhere ends with the bits of one that was not: what is Keras's own, beside the contract."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcqueue.core.snapshot import MODEL, Snapshot, Tensors
from qcqueue.core.spec import JobSpec, Lineage
from qcqueue.engines.base import Arriving
from qcqueue.errors import CheckpointDamaged, LineageRefused
from tests.engines.worlds import Memory, a_spec, an_assignment, run

pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("small_models")]

STEPS = 3  # 22 images in batches of 8, the last of 6


@pytest.fixture(scope="module")
def uncut(dataset_path: Path) -> Memory:
    return run(an_assignment(dataset_path), Memory())


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


@pytest.mark.parametrize("steps", [1, 3, 5, 8])
def test_cut_after_any_step(dataset_path: Path, uncut: Memory, steps: int) -> None:
    before = run(an_assignment(dataset_path), Memory(stop_after=steps))

    assert before.result is None
    assert before.snapshots[-1].record.epochs_done * STEPS + before.snapshots[-1].record.partial.steps_done == steps
    assert_same_end(resumed(dataset_path, before.snapshots[-1], best=before.best), uncut)


def test_cut_while_validation_is_pending_does_not_train_again(dataset_path: Path, uncut: Memory) -> None:
    pending = uncut.snapshots[1]
    assert pending.record.partial.steps_done == STEPS
    cut = resumed(dataset_path, pending, best=uncut.best)

    assert cut.phases[:5] == ["loading", "building", "restoring", "validating", "compiling"]
    assert_same_end(cut, uncut)


def test_cut_after_the_last_step_goes_straight_to_validation(dataset_path: Path, uncut: Memory) -> None:
    cut = resumed(dataset_path, uncut.snapshots[-1], best=uncut.best)

    assert cut.phases == ["loading", "building", "restoring", "validating", "evaluating"]
    assert cut.records == uncut.records[-1:]
    assert cut.result == uncut.result


def test_cut_after_the_last_epoch_goes_straight_to_the_figures(dataset_path: Path, uncut: Memory) -> None:
    done = replace(uncut.snapshots[-1], record=uncut.records[-1])
    cut = resumed(dataset_path, done, best=uncut.best)

    assert cut.phases == ["loading", "building", "restoring", "evaluating"]
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


@pytest.mark.parametrize(
    ("lineage", "changed", "goes_on"),
    [
        ("same", "processor", False),
        ("same", "tensorflow", True),
        ("refuse", "processor", False),
        ("refuse", "keras", False),
        ("refuse", "python", True),
    ],
)
def test_a_run_that_may_not_go_on_here_is_refused_before_its_first_step(
    dataset_path: Path, lineage: Lineage, changed: str, goes_on: bool
) -> None:
    spec = a_spec(lineage=lineage)
    begun = run(an_assignment(dataset_path, spec=spec), Memory(stop_after=1))
    record, change = begun.snapshots[-1].record, dict[str, Any]({changed: "else"})
    before = replace(record, identity=replace(record.identity, **change))
    elsewhere, sink = replace(begun.snapshots[-1], record=before), Memory(stop_after=1)
    if goes_on:
        run(an_assignment(dataset_path, spec=spec, resume_from=elsewhere), sink)
        assert sink.snapshots[-1].record.lineage == (1 if changed == "python" else 2)
        return
    with pytest.raises(LineageRefused, match="else"):
        run(an_assignment(dataset_path, spec=spec, resume_from=elsewhere), sink)
    assert sink.snapshots == []
    assert "training" not in sink.phases


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


# When to save


def never(epoch: int, step: int, steps: int) -> bool:
    return False


def test_where_no_save_is_due_every_epoch_is_told_and_the_last_one_is_saved(dataset_path: Path, uncut: Memory) -> None:
    rare = run(an_assignment(dataset_path), Memory(when=never))

    assert rare.saved == [False, False, True]
    assert len(rare.snapshots) == 1
    assert rare.snapshots[0].record.epochs_done == 2  # before its validation, like every other
    assert rare.snapshots[0].record.partial.steps_done == STEPS
    assert_same_end(rare, uncut)


def test_a_best_epoch_that_is_not_saved_hands_over_its_model(dataset_path: Path, uncut: Memory) -> None:
    rare = run(an_assignment(dataset_path), Memory(when=never))
    best = [record.epochs_done for record in uncut.records if record.best_epoch == record.epochs_done]

    assert rare.models == [epoch for epoch in best if epoch < 3]
    assert rare.models != []
    for epoch in rare.models:
        wanted = {key: value for key, value in uncut.snapshots[epoch - 1].tensors.items() if key.startswith(MODEL)}
        assert {key: it.tobytes() for key, it in rare.best[epoch].items()} == {
            key: it.tobytes() for key, it in wanted.items()
        }


def test_an_epoch_that_is_saved_hands_over_no_model_beside(uncut: Memory) -> None:
    assert (uncut.saved, uncut.models) == ([True, True, True], [])


def test_asked_to_stop_between_epochs_what_was_not_saved_is_saved(dataset_path: Path, uncut: Memory) -> None:
    """The question is put once a step, and once more at the end of an epoch that is not to be saved."""
    before = run(an_assignment(dataset_path), Memory(when=never, stop_after=STEPS + 1))

    assert (before.saved, before.result) == ([False], None)
    assert [(it.record.epochs_done, it.record.partial.steps_done) for it in before.snapshots] == [(1, 0)]
    assert_same_tensors(before.snapshots[0], uncut.snapshots[0])
    assert_same_end(resumed(dataset_path, before.snapshots[0], best=before.best, when=never), uncut)


def test_asked_to_stop_at_the_end_of_an_epoch_it_is_saved_before_its_validation(
    dataset_path: Path, uncut: Memory
) -> None:
    before = run(an_assignment(dataset_path), Memory(when=never, stop_after=STEPS))

    assert (before.saved, before.result) == ([True], None)
    assert [(it.record.epochs_done, it.record.partial.steps_done) for it in before.snapshots] == [(0, STEPS)]
    decided = replace(before.snapshots[0], record=before.records[-1])
    assert_same_end(resumed(dataset_path, decided, best=before.best), uncut)


def test_asked_to_stop_where_all_is_saved_nothing_is_saved_again(dataset_path: Path, uncut: Memory) -> None:
    between = run(an_assignment(dataset_path), Memory(stop_after=STEPS))
    at_once = resumed(dataset_path, uncut.snapshots[0], stop_after=0)

    assert [it.record.partial.steps_done for it in between.snapshots] == [STEPS]
    assert (at_once.snapshots, at_once.saved) == ([], [True])  # what was pending is validated, and no more


def test_early_stopping_is_saved_once_it_has_decided(dataset_path: Path) -> None:
    spec = a_spec(epochs=6, early_stopping=1, learning_rate=0.5)
    uncut = run(an_assignment(dataset_path, spec=spec), Memory())
    rare = run(an_assignment(dataset_path, spec=spec), Memory(when=never))

    assert rare.saved == [False] * len(uncut.saved)
    [decided] = rare.snapshots
    assert decided.record.stopped_early
    assert decided.record == rare.records[-1]
    assert_same_end(rare, uncut)
    ended = resumed(dataset_path, decided, best=rare.best, spec=spec)
    assert (ended.snapshots, ended.result) == ([], uncut.result)


def test_a_save_within_an_epoch_changes_nothing_and_the_run_ends_the_same_from_each(
    dataset_path: Path, uncut: Memory
) -> None:
    often = run(an_assignment(dataset_path), Memory(when=lambda epoch, step, steps: (epoch, step) != (2, 3)))

    where = [(it.record.epochs_done, it.record.partial.steps_done) for it in often.snapshots]
    assert where == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (2, 1), (2, 2), (2, 3)]
    assert often.saved == [True, False, True]
    assert_same_end(often, uncut)
    for snapshot in often.snapshots[:-1]:
        best = {epoch: model for epoch, model in often.best.items() if epoch <= snapshot.record.epochs_done}
        assert_same_end(resumed(dataset_path, snapshot, best=best), uncut)


# A state that is still on its way


class Late:
    """A state that has not come yet the first `calls` times one asks. Implements `Arriving`."""

    def __init__(self, state: Snapshot, calls: int) -> None:
        self._state = state
        self._calls = calls

    def has_come(self) -> bool:
        self._calls -= 1
        return self._calls < 0

    def wait(self) -> Snapshot:
        return self._state


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
    monkeypatch: pytest.MonkeyPatch,
    calls: int,
    prepared: list[str],
    phases: list[str],
) -> None:
    from qcqueue.engines.keras_tf.program import Program

    done: list[str] = []

    def noted(name: str) -> Callable[[Any], None]:
        really = getattr(Program, name)

        def prepare(program: Any) -> None:
            done.append(name)
            really(program)
            assert program.trace_counts == (1, 0)

        return prepare

    before = run(an_assignment(dataset_path), Memory(stop_after=STEPS + 1))
    for name in ("trace", "step_on_nothing"):
        monkeypatch.setattr(Program, name, noted(name))
    cut = resumed(dataset_path, Late(before.snapshots[-1], calls), best=before.best)

    assert done == prepared
    assert cut.phases[: len(phases)] == phases
    assert_same_end(cut, uncut)


def test_a_late_state_of_another_job_is_refused(dataset_path: Path, uncut: Memory) -> None:
    with pytest.raises(CheckpointDamaged, match="another job"):
        resumed(dataset_path, Late(uncut.snapshots[0], 1), spec=a_spec(seed=8))


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


def test_where_everything_is_trained_nothing_is_fixed(uncut: Memory) -> None:
    assert [snapshot.fixed for snapshot in uncut.snapshots] == [frozenset()] * 3
