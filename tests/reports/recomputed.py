"""The measures of a report once more, from labels and probabilities alone, by scikit-learn and scipy: cell by cell."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy  # type: ignore[import-untyped]  # its parts come when they are asked for

from qcqueue.clock import seeded

Row = Mapping[str, str]
Labels = Mapping[str, npt.NDArray[Any]]
Answers = Mapping[str, npt.NDArray[Any]]


def same(written: str, value: float | None) -> bool:
    """Say whether a cell of a spreadsheet is a number, to the last bits of its arithmetic."""
    return written == "" if value is None else float(written) == pytest.approx(value, rel=1e-9, abs=1e-12)


def differing(row: Row, expected: Mapping[str, float | None]) -> list[str]:
    """Return the columns of a row that are not as expected."""
    return [f"{key}: {row[key]!r}, not {value}" for key, value in expected.items() if not same(row[key], value)]


def check_scores(rows: Sequence[Row], job: str, labels: Labels, answers: Answers) -> None:
    """Check every row of one job in the table of averages."""
    found = {(row["split"], row["weights"]): row for row in rows if row["job"] == job}
    assert found.keys() == {tuple(reversed(key.split("/"))) for key in answers}
    for (split, weights), row in found.items():
        truth, probabilities = labels[split], answers[f"{weights}/{split}"].astype(np.float64)
        expected = averages(truth, probabilities.argmax(axis=1))
        assert differing(row, {"images": len(truth), **expected}) == []
        is_shown = (split, weights) == ("test", "best")
        if not is_shown:
            assert row["macro_auc"] == row["macro_average_precision"] == ""
        else:
            assert differing(row, macro_areas(truth, probabilities)) == []


def averages(truth: npt.NDArray[Any], predicted: npt.NDArray[Any]) -> dict[str, float | None]:
    from sklearn import metrics

    found: dict[str, float | None] = {"accuracy": metrics.accuracy_score(truth, predicted)}
    for average in ("macro", "weighted"):
        scores = metrics.precision_recall_fscore_support(truth, predicted, average=average, zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), scores[:3], strict=True):
            found[f"{average}_{name}"] = float(value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a class that occurs on one side only
        found["balanced_accuracy"] = metrics.balanced_accuracy_score(truth, predicted)
        kappa = metrics.cohen_kappa_score(truth, predicted)
        found["mcc"] = metrics.matthews_corrcoef(truth, predicted)
    return found | {"kappa": None if np.isnan(kappa) else float(kappa)}


def macro_areas(truth: npt.NDArray[Any], probabilities: npt.NDArray[Any]) -> dict[str, float | None]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    classes = [number for number in range(probabilities.shape[1]) if 0 < (truth == number).sum() < len(truth)]
    aucs = [roc_auc_score(truth == number, probabilities[:, number]) for number in classes]
    precisions = [average_precision_score(truth == number, probabilities[:, number]) for number in classes]
    return {
        "macro_auc": float(np.mean(aucs)) if aucs else None,
        "macro_average_precision": float(np.mean(precisions)) if precisions else None,
    }


def check_rates(rows: Sequence[Row], job: str, classes: Sequence[str], labels: Labels, answers: Answers) -> None:
    """Check every row of one job in the table by class."""
    from sklearn.metrics import average_precision_score, multilabel_confusion_matrix, roc_auc_score

    found = {(row["split"], row["weights"], row["class"]): row for row in rows if row["job"] == job}
    assert len(found) == len(answers) * len(classes)
    for (split, weights, name), row in found.items():
        number, truth = classes.index(name), labels[split]
        probabilities = answers[f"{weights}/{split}"].astype(np.float64)
        [[[tn, fp], [fn, tp]]] = multilabel_confusion_matrix(truth, probabilities.argmax(axis=1), labels=[number])
        expected = {
            "images": tp + fn,
            "predicted": tp + fp,
            "precision": tp / (tp + fp) if tp + fp else None,
            "sensitivity": tp / (tp + fn) if tp + fn else None,
            "specificity": tn / (tn + fp) if tn + fp else None,
            "f1": 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None,
        }
        area: dict[str, float | None] = dict.fromkeys(("auc", "auc_low", "auc_high", "average_precision"))
        is_class, scores = truth == number, probabilities[:, number]
        if (split, weights) == ("test", "best") and 0 < is_class.sum() < len(truth):
            low, high = auc_interval(is_class, scores)
            area = {
                "auc": roc_auc_score(is_class, scores),
                "auc_low": low,
                "auc_high": high,
                "average_precision": average_precision_score(is_class, scores),
            }
        assert differing(row, {**expected, **area}) == [], (job, split, weights, name)


def auc_interval(is_class: npt.NDArray[Any], scores: npt.NDArray[Any]) -> tuple[float | None, float | None]:
    """Return the percentile bootstrap of the AUC, each resample by Mann and Whitney's statistic of its ranks."""
    images = len(is_class)
    bits = np.frombuffer(seeded(images).randbytes(4 * images * 1000), "<u4").astype(object)
    drawn = (bits * images // 2**32).astype(np.int64).reshape(1000, images)
    ranks, inside = scipy.stats.rankdata(scores[drawn], axis=1), is_class[drawn]
    positives = inside.sum(axis=1)
    both = (positives > 0) & (positives < images)
    above = (ranks * inside).sum(axis=1) - positives * (positives + 1) / 2
    areas = above[both] / (positives * (images - positives))[both]
    if not len(areas) or np.ptp(areas) == 0:
        return None, None
    low, high = np.quantile(areas, (0.025, 0.975))
    return float(low), float(high)


def check_accuracies(rows: Sequence[Row], job: str, labels: Labels, answers: Answers) -> None:
    """Check every accuracy of one job with its interval."""
    found = {(row["split"], row["weights"]): row for row in rows if row["job"] == job}
    assert len(found) == len(answers)
    for (split, weights), row in found.items():
        right = int((answers[f"{weights}/{split}"].argmax(axis=1) == labels[split]).sum())
        images = len(labels[split])
        wilson = scipy.stats.binomtest(right, images).proportion_ci(0.95, method="wilson")
        assert differing(row, {"accuracy": right / images, "low": wilson.low, "high": wilson.high}) == []
        assert row["interval_is"] == "Wilson"


def choice_by(metric: str, jobs: Mapping[str, Answers], labels: Labels) -> list[str]:
    """Return the names of the jobs that validation chooses, all of equals."""
    from sklearn.metrics import accuracy_score, f1_score

    truth = labels["validation"]
    values = {}
    for name, answers in jobs.items():
        predicted = answers["best/validation"].argmax(axis=1)
        values[name] = (
            accuracy_score(truth, predicted)
            if metric == "accuracy"
            else f1_score(truth, predicted, average="macro", zero_division=0)
        )
    return [name for name, value in values.items() if value == pytest.approx(max(values.values()), abs=1e-12)]
