"""The order of events of a run, whoever steps its model: what is saved when, what is told, where a cut run goes on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qcqueue.conformance.engines import Late
from qcqueue.core.records import MODEL
from qcqueue.core.spec import JobSpec, Lineage
from qcqueue.errors import CheckpointDamaged, LineageRefused
from tests.engines import worlds
from tests.engines.test_exact_resume import assert_same_end, assert_same_tensors
from tests.engines.worlds import Memory, run

STEPS = 3  # 22 images in batches of 8, the last of 6


def a_spec(**changes: Any) -> JobSpec:
    return worlds.a_spec(model="Toy", **changes)


def an_assignment(dataset_path: Path, **about: Any) -> Any:
    return worlds.an_assignment(dataset_path, **{"spec": a_spec(), **about})


@pytest.fixture(scope="module")
def uncut(dataset_path: Path) -> Memory:
    return run(an_assignment(dataset_path), Memory())


def resumed(dataset_path: Path, snapshot: Any, *, best: Any = None, **about: Any) -> Memory:
    spec: JobSpec = about.pop("spec", a_spec())
    return run(an_assignment(dataset_path, spec=spec, resume_from=snapshot), Memory(best=dict(best or {}), **about))


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
        ("same", "framework_version", True),
        ("refuse", "processor", False),
        ("refuse", "library_version", False),
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


def test_a_late_state_of_another_job_is_refused(dataset_path: Path, uncut: Memory) -> None:
    with pytest.raises(CheckpointDamaged, match="another job"):
        resumed(dataset_path, Late(uncut.snapshots[0], 1), spec=a_spec(seed=8))


def test_where_everything_is_trained_nothing_is_fixed(uncut: Memory) -> None:
    assert [snapshot.fixed for snapshot in uncut.snapshots] == [frozenset()] * 3
