"""Accuracy at each level of severity, recomputed; and nothing where the dataset knows no severity."""

import numpy as np

from qcqueue.reports.quantities.comparison import accuracy_interval
from qcqueue.reports.quantities.severity import by_severity
from tests.reports.quantities.answers import SHA256, an_answered_study, judged_in, some_images


def test_accuracy_by_severity_equals_a_recomputation() -> None:
    study = an_answered_study(["VGG16"])
    dataset = study.images[SHA256]
    for split, number in (("validation", 1), ("test", 2)):
        [judged] = judged_in(study, split=split)
        found = by_severity(judged, dataset)
        assert found is not None
        assert [level.severity for level in found.levels] == [0, 1, 2, 3]
        guesses = study.answers[judged.job][f"best/{split}"].argmax(axis=1)
        for level in found.levels:
            chosen = dataset.severities[dataset.splits == number] == level.severity
            right = guesses[chosen] == dataset.labels[dataset.splits == number][chosen]
            assert (level.images, level.right, level.accuracy) == (chosen.sum(), right.sum(), np.mean(right))
            assert level.interval == accuracy_interval(level.right, level.images)
        assert sum(level.images for level in found.levels) == judged.images


def test_a_dataset_without_severities_has_no_levels() -> None:
    study = an_answered_study(["VGG16"], dataset=some_images(are_degraded=False))
    [judged] = judged_in(study)
    assert by_severity(judged, study.images[SHA256]) is None
