"""Figures from predictions."""

import math

import numpy as np
import pytest

from qcqueue.core.evaluation import ClassScore
from qcqueue.training.evaluate import accuracy, evaluation, mean_loss

CLASSES = ("good", "fair", "reject")


def test_figures_of_a_small_case() -> None:
    labels = np.array([0, 0, 0, 1], np.uint8)
    predictions = np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.5, 0.25]], np.float32)
    found = evaluation(predictions, labels, CLASSES)

    assert found.loss == pytest.approx((3 * math.log(2) + math.log(4)) / 4)
    assert found.accuracy == 0.75
    assert found.confusion_matrix == ((2, 1, 0), (0, 1, 0), (0, 0, 0))
    assert found.per_class["good"] == ClassScore(precision=1.0, recall=2 / 3, f1=0.8, support=3)
    assert found.per_class["fair"] == ClassScore(precision=0.5, recall=1.0, f1=2 / 3, support=1)
    assert found.per_class["reject"] == ClassScore(precision=0.0, recall=0.0, f1=0.0, support=0)


def test_a_sure_mistake_is_not_infinite_and_not_a_number_stays_visible() -> None:
    labels = np.array([1], np.uint8)
    assert mean_loss(np.array([[1, 0, 0]], np.float32), labels) == pytest.approx(-math.log(1e-7))
    assert math.isnan(mean_loss(np.full((1, 3), np.nan, np.float32), labels))


def test_the_order_of_samples_does_not_change_a_figure() -> None:
    draws = np.linspace(0.001, 1, 300, dtype=np.float32).reshape(100, 3)
    labels = (np.arange(100) % 3).astype(np.uint8)
    assert mean_loss(draws, labels) == mean_loss(draws[::-1], labels[::-1])
    assert accuracy(draws, labels) == accuracy(draws[::-1], labels[::-1])
