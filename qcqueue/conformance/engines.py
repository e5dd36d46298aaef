"""What every engine owes, as a test class that runs over the table of engines: a new member is tested by its row.

Whoever runs it says in a fixture `spec` which job tries an engine out: 22 images in batches of 8, three epochs, with
dropout, flips and an optimizer that has slots, and the way to compute a step where an engine has several; in
`dataset_path` where its images lie, of three classes; and gives as `whole` what `undisturbed` makes of both, once for
an engine. Every bit that is compared was computed by the engine itself, in this process.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcqueue.clock import SystemClock
from qcqueue.conformance.sinks import RecordingSink
from qcqueue.core.phases import Phase
from qcqueue.core.records import Snapshot, Tensors
from qcqueue.core.spec import JobSpec
from qcqueue.engines import loop
from qcqueue.engines.base import Arriving, Assignment, Here, Program
from qcqueue.engines.batches import Batch
from qcqueue.engines.registry import train
from qcqueue.errors import CheckpointDamaged, NotFinite

STEPS, EPOCHS = 3, 3
SPLITS = ("validation", "test")


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


class EngineContract:
    """Exactness, and what is told to whoever asked."""

    @pytest.fixture
    def cuts(self) -> Collection[int]:
        """After which steps a run is cut to go on alone: all of them. A slow engine may name fewer."""
        return range(1, EPOCHS * STEPS + 1)

    @pytest.fixture
    def steps_a_life(self) -> int:
        """After how many steps each life of a run of many ends. A slow engine may take more than one."""
        return 1

    def test_the_same_run_twice_has_the_same_bits(
        self, spec: JobSpec, dataset_path: Path, whole: RecordingSink
    ) -> None:
        assert_same_end(lived(spec, dataset_path, RecordingSink()), whole)

    def test_a_run_of_short_lives_ends_with_the_same_bits(
        self, spec: JobSpec, dataset_path: Path, whole: RecordingSink, steps_a_life: int
    ) -> None:
        snapshot: Snapshot | None = None
        best, lives = dict[int, Tensors](), 0
        while True:
            life = lived(
                spec,
                dataset_path,
                RecordingSink(stop_after=steps_a_life, best=best),
                resume_from=Here(snapshot) if snapshot else None,
            )
            snapshot, best, lives = life.snapshots[-1], life.best, lives + 1
            if life.result:
                break
            # Where the state stands at the end of an epoch, the record may have moved on to it.
            if life.records and life.records[-1].epochs_done > snapshot.record.epochs_done:
                snapshot = replace(snapshot, record=life.records[-1])
        assert lives == ceil(EPOCHS * STEPS / steps_a_life)
        assert_same_end(life, whole)

    def test_from_every_step_a_run_goes_on_to_the_same_end(
        self, spec: JobSpec, dataset_path: Path, whole: RecordingSink, cuts: Collection[int]
    ) -> None:
        assert len(whole.snapshots) == EPOCHS * STEPS
        for snapshot in (whole.snapshots[steps - 1] for steps in cuts):
            best = {epoch: it for epoch, it in whole.best.items() if epoch <= snapshot.record.epochs_done}
            assert_same_end(lived(spec, dataset_path, RecordingSink(best=best), resume_from=Here(snapshot)), whole)

    @pytest.mark.parametrize("calls", [1, 2, 9])
    def test_warming_up_while_a_state_is_on_its_way_spoils_nothing(
        self, spec: JobSpec, dataset_path: Path, whole: RecordingSink, calls: int
    ) -> None:
        snapshot = whole.snapshots[STEPS]
        best = {epoch: it for epoch, it in whole.best.items() if epoch == 1}
        late = lived(spec, dataset_path, RecordingSink(best=best), resume_from=Late(snapshot, calls))
        assert Phase.COMPILING in late.phases[: late.phases.index(Phase.RESTORING)]
        assert_same_end(late, whole)

    def test_damaged_tensors_are_refused_and_change_nothing(
        self, spec: JobSpec, dataset_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried = list[str]()

        def looked_at(program: Program, batches: Any) -> str:
            """Stands where a rehearsal would: at the one place where a program is at hand before it trains."""
            before = copied(program.tensors())
            for name, tensors in damaged(before).items():
                for model_only in (False, True):
                    if model_only and name == "an optimizer's tensor is missing":
                        continue
                    with pytest.raises(CheckpointDamaged, match="tensor"):
                        program.restore(tensors, model_only=model_only)
                    assert bits_of(program.tensors()) == bits_of(before), name
                tried.append(name)
            return ""

        monkeypatch.setattr(loop, "rehearse", looked_at)
        lived(spec, dataset_path, RecordingSink(stop_after=1))
        assert len(tried) == 4

    def test_only_the_model_of_a_state_can_be_put_back(
        self, spec: JobSpec, dataset_path: Path, whole: RecordingSink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = whole.snapshots[-1].tensors

        def looked_at(program: Program, batches: Any) -> str:
            before = copied(program.tensors())
            program.restore(other, model_only=True)
            after = bits_of(program.tensors())
            assert {key: it for key, it in after.items() if key.startswith("m/")} == bits_of(model_of(other))
            assert {key: it for key, it in after.items() if key.startswith("o/")} == {
                key: it for key, it in bits_of(before).items() if key.startswith("o/")
            }
            program.restore(before)
            assert bits_of(program.model_tensors()) == bits_of(model_of(before))
            return ""

        monkeypatch.setattr(loop, "rehearse", looked_at)
        assert_same_end(lived(spec, dataset_path, RecordingSink()), whole)

    def test_a_state_that_was_handed_out_does_not_change_when_training_goes_on(
        self, spec: JobSpec, dataset_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def looked_at(program: Program, batches: list[Batch]) -> str:
            handed_out = program.tensors()
            before = bits_of(handed_out)
            float(program.train(batches[:1])[0].loss)
            assert bits_of(handed_out) == before
            assert bits_of(program.tensors()) != before
            assert program.paths().keys() == before.keys()
            return ""

        monkeypatch.setattr(loop, "rehearse", looked_at)
        lived(spec, dataset_path, RecordingSink(stop_after=1))

    def test_a_loss_that_is_no_number_is_told_before_anything_of_it_is_saved(
        self, spec: JobSpec, dataset_path: Path
    ) -> None:
        life = RecordingSink(when=lambda epoch, step, steps: True)
        with pytest.raises(NotFinite, match=r"^the loss became (nan|inf) in epoch 1, step [23]; its samples: \d+ "):
            lived(replace(spec, optimizer="sgd", learning_rate=1e38), dataset_path, life)
        assert len(life.snapshots) <= 2
        for snapshot in life.snapshots:
            assert np.isfinite(snapshot.record.partial.loss_sum)

    def test_it_stops_where_it_is_asked_to_with_all_it_has_done_saved(self, spec: JobSpec, dataset_path: Path) -> None:
        for steps in (1, STEPS, STEPS + 2):
            life = lived(spec, dataset_path, RecordingSink(stop_after=steps))
            record = life.snapshots[-1].record
            assert (record.epochs_done * STEPS + record.partial.steps_done, life.result) == (steps, None)
        assert lived(spec, dataset_path, RecordingSink(stop_after=0)).snapshots == []

    def test_it_saves_after_the_steps_it_is_asked_to_and_no_others(self, spec: JobSpec, dataset_path: Path) -> None:
        life = lived(replace(spec, epochs=1), dataset_path, RecordingSink(when=lambda epoch, step, steps: step == 2))
        assert [it.record.partial.steps_done for it in life.snapshots] == [2, STEPS]  # and the last of all

    def test_predictions_are_shares_of_every_sample_with_what_they_were_taken_of(
        self, spec: JobSpec, dataset_path: Path, whole: RecordingSink
    ) -> None:
        assert whole.result is not None
        for name in (f"{weights}/{split}" for weights in ("last", "best") for split in SPLITS):
            softmax, logits = whole.predictions[name], whole.predictions[f"{name}/logits"]
            assert softmax.dtype == logits.dtype == np.float32
            figures = getattr(getattr(whole.result, name.split("/")[0]), name.split("/")[1])
            assert softmax.shape == logits.shape == (sum(it.support for it in figures.per_class.values()), 3)
            assert np.allclose(softmax.sum(axis=1), 1)
            raised = np.exp(logits - logits.max(axis=1, keepdims=True))
            assert np.allclose(raised / raised.sum(axis=1, keepdims=True), softmax, rtol=1e-5)

    def test_what_it_calls_fixed_is_what_training_the_head_leaves_alone(
        self, spec: JobSpec, dataset_path: Path
    ) -> None:
        one, *_, last = lived(replace(spec, trainable="head"), dataset_path, RecordingSink()).snapshots
        still = {key for key, it in bits_of(one.tensors).items() if it == bits_of(last.tensors)[key]}
        assert one.fixed == last.fixed != frozenset()
        assert one.fixed <= still


def undisturbed(spec: JobSpec, dataset_path: Path) -> RecordingSink:
    """Return a run that nothing happened to, saved after every step."""
    return lived(spec, dataset_path, RecordingSink(when=lambda epoch, step, steps: True))


def lived(
    spec: JobSpec, dataset_path: Path, life: RecordingSink, *, resume_from: Arriving | None = None
) -> RecordingSink:
    """Train in this process, with the best models that this life and those before it have."""
    assignment = Assignment(
        spec=spec,
        step="graph" if spec.step == "auto" else spec.step,
        dataset_path=dataset_path,
        weights_path=None,
        threads=2,
        resume_from=resume_from,
        best=lambda epoch: life.best[epoch],
    )
    if isinstance(resume_from, Here):
        life.save(resume_from.state)
    train(assignment, life, SystemClock())
    return life


def assert_same_end(cut: RecordingSink, whole: RecordingSink) -> None:
    assert cut.result is not None
    assert cut.result == whole.result
    assert cut.records[-1].history == whole.records[-1].history
    assert bits_of(cut.predictions) == bits_of(whole.predictions)
    assert bits_of(cut.snapshots[-1].tensors) == bits_of(whole.snapshots[-1].tensors)


def bits_of(tensors: Tensors) -> dict[str, bytes]:
    return {key: value.tobytes() for key, value in tensors.items()}


def copied(tensors: Tensors) -> dict[str, Any]:
    return {key: value.copy() for key, value in tensors.items()}


def model_of(tensors: Tensors) -> dict[str, Any]:
    return {key: value for key, value in tensors.items() if key.startswith("m/")}


def damaged(tensors: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return states that look like this one, each wrong in one way; what is right in them has other values."""
    other = {key: value + np.ones((), value.dtype) for key, value in tensors.items()}
    key = max(model_of(tensors))
    return {
        "a tensor has another shape": {**other, key: np.zeros((*other[key].shape, 2), other[key].dtype)},
        "a tensor has another type": {**other, key: other[key].astype(np.complex128)},
        "a model's tensor is missing": {name: it for name, it in other.items() if name != key},
        "an optimizer's tensor is missing": {name: it for name, it in other.items() if name != max(other)},
    }
