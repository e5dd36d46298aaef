"""Every hole in the data has a note, and the note knows which numbers it touches."""

from dataclasses import replace

import pytest

from qcqueue.core.states import State
from qcqueue.queue.values import JobDetail
from qcqueue.reports.quantities.caveats import Note, Quantity, notes_on, ranges
from qcqueue.reports.quantities.models import figures_of
from qcqueue.reports.tables.by_model import class_table
from qcqueue.stores.base import Blob
from qcqueue.text.humanize import UNKNOWN
from tests.reports.studies import T4, a_dataset, a_job, a_spec, an_epoch, epochs_of

L4 = replace(T4, processor="NVIDIA L4")


def notes(*details: JobDetail) -> tuple[Note, ...]:
    return notes_on(figures_of(details), [])


def test_a_clean_finished_job_needs_no_note() -> None:
    assert notes(a_job(a_spec(epochs=5), epochs_of(5))) == ()


@pytest.mark.parametrize("state", [state for state in State if state is not State.DONE])
def test_an_unfinished_job_is_noted_at_all_it_lacks(state: State) -> None:
    [note] = notes(a_job(a_spec(), epochs_of(3), state=state))
    assert f"not finished ({state}" in note.text
    assert "3 of 100 epochs" in note.text
    assert {Quantity.PARAMETERS, Quantity.TEST_ACCURACY, Quantity.EPOCHS, Quantity.TOTAL_TIME} <= note.touches


def test_relaxed_determinism_is_noted_whether_asked_for_or_found() -> None:
    [asked] = notes(a_job(a_spec(epochs=2, determinism="relaxed"), epochs_of(2)))
    loose = replace(T4, deterministic=False)
    [found] = notes(a_job(a_spec(epochs=2), [replace(row, identity=loose) for row in epochs_of(2)]))
    assert "relaxed determinism" in asked.text
    assert "relaxed determinism" in found.text
    assert Quantity.ACCURACY in asked.touches


def test_a_new_lineage_says_where_and_what_changed() -> None:
    rows = [replace(row, identity=L4, lineage=2) if row.metrics.epoch == 3 else row for row in epochs_of(3, cuts=(2,))]
    lineage, times = notes(a_job(a_spec(epochs=3), rows))
    assert "new lineage at epoch 3 (processor from Tesla T4 to NVIDIA L4)" in lineage.text
    assert lineage.touches == {Quantity.ACCURACY, Quantity.TEST_ACCURACY, Quantity.PRECISION}
    assert "mix Tesla T4 and NVIDIA L4" in times.text
    assert times.touches == {Quantity.TIMES, Quantity.TOTAL_TIME}


def test_a_lineage_that_changed_within_the_first_epoch_is_noted() -> None:
    [note] = notes(a_job(a_spec(epochs=2), [replace(row, lineage=2) for row in epochs_of(2)]))
    assert "new lineage at epoch 1" in note.text


def test_epochs_trained_again_are_noted_with_what_they_cost() -> None:
    [note] = notes(a_job(a_spec(epochs=5), [*epochs_of(5), replace(an_epoch(4), official=False)]))
    assert "trained epoch 4 again" in note.text
    assert note.touches == {Quantity.EPOCHS, Quantity.TOTAL_TIME}


def test_epochs_lost_with_their_checkpoint_are_noted_as_lost() -> None:
    lost = replace(an_epoch(4), official=False)
    found = notes(a_job(a_spec(epochs=5), [*epochs_of(3), lost], state=State.RUNNING))
    [note] = [note for note in found if "damaged" in note.text]
    assert "had trained epoch 4 too" in note.text
    assert Quantity.EPOCHS in note.touches


def silent_about(job: JobDetail, name: str, *, split: str, which: str = "best") -> JobDetail:
    """Return the job with a model that never says this class of any image of a split."""
    assert job.result is not None
    appraisal = getattr(job.result, which)
    evaluation = getattr(appraisal, split)
    at = list(evaluation.per_class).index(name)
    matrix = tuple(
        tuple(
            0 if column == at else count + (row[at] if column == (at + 1) % len(row) else 0)
            for column, count in enumerate(row)
        )
        for row in evaluation.confusion_matrix
    )
    scores = evaluation.per_class | {name: replace(evaluation.per_class[name], precision=0.0, recall=0.0, f1=0.0)}
    silent = replace(evaluation, confusion_matrix=matrix, per_class=scores)
    return replace(job, result=replace(job.result, **{which: replace(appraisal, **{split: silent})}))


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize("which", ["best", "last"])
def test_a_class_that_is_never_predicted_is_noted_where_its_precision_would_stand(split: str, which: str) -> None:
    early_best = [replace(it, metrics=replace(it.metrics, val_loss=float(it.metrics.epoch))) for it in epochs_of(5)]
    job = silent_about(a_job(a_spec(epochs=5), early_best), "fair", split=split, which=which)
    [note] = notes(job)
    assert f"six-models/vgg16 never predicts fair for any {split} image at its {which} epoch" in note.text
    assert "has no precision" in note.text
    assert note.touches == {Quantity.PRECISION}
    [table] = [class_table(which, figures_of([job]))]
    found = {str(record["class"]): record for record in table.records()}
    other = "test" if split == "validation" else "validation"
    assert found["fair"][f"{split}_precision"] is None
    assert found["fair"][f"{split}_recall"] == 0.0
    assert found["fair"][f"{other}_precision"] is not None
    assert None not in found["good"].values()
    assert UNKNOWN in table.said(table.rows[1])


def test_of_a_run_whose_best_epoch_is_its_last_it_is_said_once() -> None:
    job = a_job(a_spec(epochs=5), epochs_of(5))
    for which in ("best", "last"):
        for split in ("validation", "test"):
            job = silent_about(job, "fair", split=split, which=which)
    [note] = notes(job)
    assert "never predicts fair for any validation or test image at its best epoch: a class" in note.text


def test_early_stopping_is_no_hole_but_is_said() -> None:
    [note] = notes(a_job(a_spec(early_stopping=20), epochs_of(44)))
    assert "early stopping after 44 of 100 epochs" in note.text


def test_epochs_of_a_single_step_have_no_step_time() -> None:
    timing = replace(an_epoch(1).timing, step_s_p50=None, step_s_p95=None)
    [note] = notes(a_job(a_spec(epochs=1), [replace(an_epoch(1), timing=timing)]))
    assert note.touches == {Quantity.TIMES}


def test_jobs_that_differ_in_more_than_the_model_are_noted_at_all_of_them() -> None:
    first = a_job(a_spec("VGG16", epochs=3), epochs_of(3))
    other = a_job(a_spec("Xception", epochs=3, batch_size=8, dataset="other"), epochs_of(3))
    other = replace(other, dataset_sha256="e" * 64, epochs=tuple(replace(row, identity=L4) for row in other.epochs))
    texts = [note.text for note in notes(first, other)]
    assert [note.about_all for note in notes(first, other)] == [True] * 3
    assert "qc-images and other" in texts[0]
    assert "batch size is 32 or 8" in texts[1]
    assert "different processors (Tesla T4 and NVIDIA L4)" in texts[2]


def test_the_note_of_a_dataset_is_at_the_numbers_measured_on_it() -> None:
    models = figures_of([a_job(a_spec(epochs=1), epochs_of(1))])
    [note] = notes_on(models, [a_dataset()])
    assert "synthetic degradations, not clinical data" in note.text
    assert note.touches == {Quantity.ACCURACY, Quantity.TEST_ACCURACY, Quantity.PRECISION}
    assert notes_on(models, [replace(a_dataset(), blob=Blob(sha256="e" * 64, size_bytes=1))]) == ()


def test_notes_are_numbered_from_one() -> None:
    details = [a_job(a_spec(model), state=State.QUEUED) for model in ("VGG16", "Xception")]
    assert [note.number for note in notes(*details)] == [1, 2]


@pytest.mark.parametrize(
    ("numbers", "said"), [([3], "3"), ([1, 2, 3, 4, 7], "1–4 and 7"), ([1, 3, 5], "1, 3 and 5"), ([], "")]
)
def test_ranges(numbers: list[int], said: str) -> None:
    assert ranges(numbers) == said
