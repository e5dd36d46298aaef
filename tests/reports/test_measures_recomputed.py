"""Every measure of a written report equals scikit-learn's and scipy's, with 2 and with 11 classes, and where one is
never predicted, or is missing from the test images."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qcqueue.datasets.format import Dataset, Split, arrange
from qcqueue.reports.quantities.choice import Metric
from qcqueue.reports.study import Probabilities, ReportInput
from qcqueue.reports.write import write_report
from tests.reports.pages import draw_small
from tests.reports.quantities.answers import SHA256, an_answered_job, probabilities
from tests.reports.recomputed import Row, check_accuracies, check_rates, check_scores, choice_by
from tests.reports.studies import a_dataset, a_spec, the_study

MODELS = ("VGG16", "Xception", "DenseNet121")
NEVER_PREDICTED = 1


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_small(monkeypatch)


def images_of(classes: int, *, missing: int | None) -> Dataset:
    """Images of so many classes, unequal in number; of one, if it is named, there is none to test."""
    labels, splits = [], []
    for split, images in ((Split.TRAIN, classes), (Split.VALIDATION, 130), (Split.TEST, 120)):
        for number in range(images):
            label = (number * number + number) % (classes + 3) % classes if split is not Split.TRAIN else number
            if split is Split.TEST and label == missing:
                label = (label + 1) % classes
            labels.append(label)
            splits.append(split)
    count = len(labels)
    return arrange(
        names=[f"image-{number:05}.png" for number in range(count)],
        images=np.zeros((count, 1, 1, 3), np.uint8),
        columns=(np.array(labels, np.uint8), np.array(splits, np.uint8), np.zeros(count, np.uint8)),
        classes=[f"class-{number}" for number in range(classes)],
        source="a test",
    )


def study_of(images: Dataset) -> ReportInput:
    """Three models: a good one, one that never predicts a class, and one that predicts one class only."""
    classes = len(images.summary.classes)
    answers: dict[str, dict[str, Probabilities]] = {}
    for place, model in enumerate(MODELS):
        given = {}
        for weights in ("best", "last"):
            for split in (Split.VALIDATION, Split.TEST):
                labels = images.part(split)[1].tolist()
                found = probabilities(labels, classes=classes, seed=f"{model}/{weights}/{split}", skill=1.2).copy()
                if place == 1:
                    found[:, NEVER_PREDICTED] /= 40
                elif place == 2:
                    found[:, 0] += 1
                given[f"{weights}/{split.name.lower()}"] = found / found.sum(axis=1, keepdims=True)
        answers[a_spec(model).full_name] = given
    details = [an_answered_job(model, images, answers[a_spec(model).full_name]) for model in MODELS]
    return the_study(details, answers=answers, images={SHA256: images}, datasets=(a_dataset(),))


STUDIES = {
    "2 classes": images_of(2, missing=None),
    "11 classes": images_of(11, missing=None),
    "11 classes, one missing from the test images": images_of(11, missing=4),
    "2 classes, one missing from the test images": images_of(2, missing=1),
}


def rows(folder: Path, table: str) -> list[Row]:
    with (folder / "tables" / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("name", "by"), [*((name, Metric.ACCURACY) for name in STUDIES), ("11 classes", Metric.MACRO_F1)]
)
def test_every_measure_is_that_of_the_libraries(name: str, by: Metric, tmp_path: Path) -> None:
    images = STUDIES[name]
    study = replace(study_of(images), by=by.value)
    written = write_report(study, folder=tmp_path / "report")
    folder, page = written.page.parent, written.page.read_text(encoding="utf-8")
    labels = {split.name.lower(): images.part(split)[1] for split in (Split.VALIDATION, Split.TEST)}
    never = study.answers["six-models/xception"]["best/test"].argmax(axis=1)
    assert NEVER_PREDICTED not in never, "or this test would say nothing of a class that is never predicted"
    for job, answers in study.answers.items():
        check_scores(rows(folder, "scores"), job, labels, answers)
        check_rates(rows(folder, "class-rates"), job, images.summary.classes, labels, answers)
        check_accuracies(rows(folder, "accuracy"), job, labels, answers)
    [choice] = rows(folder, "choice")
    assert choice["by"] == by
    assert choice["job"] in choice_by(by, study.answers, labels)
    kinds = [row["kind"] for row in rows(folder, "warnings")]
    assert "Predicts one class only" in kinds
    said = page.partition("<strong>Predicts one class only. </strong>")[2].partition("</li>")[0]
    assert "DenseNet121 predict" in said
    assert "class-0 for all 120 test images" in said
    if "missing" in name:
        assert "so nothing is known of it there" in page
    if len(images.summary.classes) > 2:
        assert "Never predicts a class" in kinds
