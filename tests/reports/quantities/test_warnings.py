"""What a referee would ask is asked where it should be, with its numbers, and nowhere else."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from qcqueue.core.evaluation import ClassScore, Evaluation
from qcqueue.core.records import EpochMetrics
from qcqueue.queue.values import EpochLine, JobDetail
from qcqueue.reports.quantities.findings import findings_of
from qcqueue.reports.quantities.warnings import FALLING_EPOCHS, FEW_IMAGES, FEW_OF_A_CLASS
from tests.reports.studies import a_dataset, a_job, a_spec, an_epoch, the_study

CLASSES = ("good", "fair", "reject")
SOUND = ((60, 5, 5), (5, 60, 5), (5, 5, 60))


def an_evaluation(matrix: Sequence[Sequence[int]]) -> Evaluation:
    counts = np.array(matrix)
    right, rows, columns = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    scores = {
        name: ClassScore(
            precision=float(right[at] / columns[at]) if columns[at] else 0.0,
            recall=float(right[at] / rows[at]) if rows[at] else 0.0,
            f1=float(2 * right[at] / (rows[at] + columns[at])) if rows[at] + columns[at] else 0.0,
            support=int(rows[at]),
        )
        for at, name in enumerate(CLASSES)
    }
    return Evaluation(
        loss=0.5,
        accuracy=float(right.sum() / counts.sum()),
        per_class=scores,
        confusion_matrix=tuple(tuple(int(cell) for cell in row) for row in matrix),
    )


def epochs(losses: Sequence[float], *, accuracy: float = 0.8, val_accuracy: float = 0.8) -> list[EpochLine]:
    return [
        replace(
            an_epoch(number),
            metrics=EpochMetrics(
                epoch=number,
                loss=0.5,
                accuracy=accuracy,
                val_loss=loss,
                val_accuracy=val_accuracy,
                learning_rate=1e-4,
            ),
        )
        for number, loss in enumerate(losses, start=1)
    ]


SETTLED = (0.9, 0.7, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6)


def a_finished_job(
    *,
    model: str = "VGG16",
    validation: Sequence[Sequence[int]] = SOUND,
    test: Sequence[Sequence[int]] = SOUND,
    rows: Sequence[EpochLine] | None = None,
) -> JobDetail:
    trained = epochs(SETTLED) if rows is None else rows
    job = a_job(a_spec(model, epochs=len(trained)), trained)
    assert job.result is not None
    best = replace(job.result.best, validation=an_evaluation(validation), test=an_evaluation(test))
    return replace(job, result=replace(job.result, best=best))


def warned(*jobs: JobDetail) -> dict[str, str]:
    found = findings_of(the_study(jobs, datasets=(a_dataset(),))).warnings
    return {it.kind: it.text for it in found}


def test_of_a_sound_model_nothing_is_said() -> None:
    assert warned(a_finished_job()) == {}


def test_a_model_that_predicts_one_class_only_is_named_with_the_share_of_it() -> None:
    constant = ((70, 0, 0), (70, 0, 0), (70, 0, 0))
    found = warned(a_finished_job(test=constant), a_finished_job(model="Xception"))
    assert found["Predicts one class only"].startswith(
        "VGG16 predicts good for all 210 test images, so that the accuracy there, 33.3 %, is the share of that class."
    )
    assert "Xception" not in found["Predicts one class only"]
    assert "VGG16 (33.3 %) is not above that by more than luck" in found["No better than the largest class"]
    assert "Never predicts a class" not in found, "that is said already"


def test_a_class_that_is_there_and_never_predicted_is_named() -> None:
    found = warned(a_finished_job(test=((60, 0, 10), (30, 0, 40), (5, 0, 65))))
    assert found["Never predicts a class"].startswith("VGG16 never predicts fair for any test image.")


def test_a_class_without_an_image_is_said_to_be_unknown_and_not_to_be_never_predicted() -> None:
    found = warned(a_finished_job(test=((95, 0, 10), (0, 0, 0), (10, 0, 95))))
    assert "No test image is of fair, so nothing is known of it there." in found["Few images"]
    assert "Never predicts a class" not in found


@pytest.mark.parametrize(("right", "is_said"), [(30, True), (58, False)])
def test_accuracies_of_validation_and_test_that_luck_does_not_explain_are_said_to_disagree(
    right: int, is_said: bool
) -> None:
    wrong = 70 - right
    found = warned(a_finished_job(test=((right, wrong, 0), (0, right, wrong), (wrong, 0, right))))
    assert ("Validation and test disagree" in found) is is_said


def test_a_choice_that_another_beats_on_the_test_images_is_said() -> None:
    better = ((69, 1, 0), (0, 69, 1), (1, 0, 69))
    found = warned(a_finished_job(validation=better), a_finished_job(model="Xception", test=better))
    assert (
        "Validation chooses VGG16, yet the test accuracy of Xception is higher (98.6 % against 85.7 %)"
        in found["Validation and test disagree"]
    )


def test_few_images_are_counted_by_split_and_by_class() -> None:
    few = ((20, 2, 2), (2, 20, 2), (2, 2, 20))
    assert f"There are only {3 * 24} test images" in warned(a_finished_job(test=few))["Few images"]
    assert FEW_IMAGES > 3 * 24
    uneven = ((100, 5, 5), (5, 100, 5), (2, 2, 20))
    found = warned(a_finished_job(test=uneven))
    assert "Of the test images only 24 of reject are there." in found["Few images"]
    assert FEW_OF_A_CLASS > 24
    assert "110 are of good and 24 of reject" in found["Unbalanced classes"]


def test_a_training_accuracy_far_above_that_of_validation_is_overfitting() -> None:
    found = warned(a_finished_job(rows=epochs(SETTLED, accuracy=0.99, val_accuracy=0.85)))
    assert found == {
        "Overfitting": "At its best epoch the training accuracy lies far above that of validation: VGG16 99.0 % "
        "against 85.0 %."
    }


def test_a_best_epoch_at_either_end_is_said() -> None:
    rising = [0.5 + 0.01 * epoch for epoch in range(12)]
    assert "VGG16 is the first" in warned(a_finished_job(rows=epochs(rising)))["Best epoch at an end"]
    falling = warned(a_finished_job(rows=epochs(rising[::-1])))
    assert "VGG16 is the last that was planned" in falling["Best epoch at an end"]
    assert "still falls at the end" in falling["Loss still falling"]


def test_a_short_run_is_not_said_to_be_falling() -> None:
    falling = [1 - 0.05 * epoch for epoch in range(2 * FALLING_EPOCHS - 1)]
    assert "Loss still falling" not in warned(a_finished_job(rows=epochs(falling)))


def test_models_on_other_images_are_warned_of_apart() -> None:
    constant = ((70, 0, 0), (70, 0, 0), (70, 0, 0))
    here, there = a_finished_job(), a_finished_job(model="Xception", test=constant)
    found = warned(here, replace(there, dataset_sha256="e" * 64))
    assert "other images: Predicts one class only" in found
