"""Figures from predictions."""

import math

import numpy as np
import pytest

from qcqueue.core.evaluation import ClassScore
from qcqueue.core.records import LossRule
from qcqueue.engines.batches import splitmix64
from qcqueue.engines.metrics import Floats, Predictions, accuracy, evaluation, mean_loss

CLASSES = ("good", "fair", "reject")
RULES: tuple[LossRule, ...] = ("clipped", "logits")


def of_probabilities(softmax: Floats) -> Predictions:
    return Predictions(softmax=softmax, logits=np.log(softmax))


def of_logits(logits: list[list[float]]) -> Predictions:
    """What a float32 softmax makes of them: a sure one is exactly 1, and the others are exactly 0."""
    exact = np.array(logits, np.float64)
    powers = np.exp(exact - exact.max(axis=1, keepdims=True))
    return Predictions(
        softmax=(powers / powers.sum(axis=1, keepdims=True)).astype(np.float32), logits=exact.astype(np.float32)
    )


def test_figures_of_a_small_case() -> None:
    labels = np.array([0, 0, 0, 1], np.uint8)
    predictions = np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.5, 0.25]], np.float32)
    found = evaluation(of_probabilities(predictions), labels, CLASSES, "logits")

    assert found.loss == pytest.approx((3 * math.log(2) + math.log(4)) / 4)
    assert found.accuracy == 0.75
    assert found.confusion_matrix == ((2, 1, 0), (0, 1, 0), (0, 0, 0))
    assert found.per_class["good"] == ClassScore(precision=1.0, recall=2 / 3, f1=0.8, support=3)
    assert found.per_class["fair"] == ClassScore(precision=0.5, recall=1.0, f1=2 / 3, support=1)
    assert found.per_class["reject"] == ClassScore(precision=0.0, recall=0.0, f1=0.0, support=0)


def test_the_scores_are_those_of_scikit_learn_to_the_bit() -> None:
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    draws = splitmix64(np.arange(4000, dtype=np.uint64)) % np.uint64(997)
    for count in (7, 40, 400):
        softmax = (draws[: 3 * count].reshape(count, 3) + np.uint64(1)).astype(np.float32) / np.float32(998)
        labels = (draws[-count:] % np.uint64(2)).astype(np.uint8)  # of the third class there is none
        found = evaluation(of_probabilities(softmax), labels, CLASSES, "clipped")
        guesses = softmax.argmax(axis=1)
        theirs = precision_recall_fscore_support(labels, guesses, labels=range(3), zero_division=0)
        ours = [(it.precision, it.recall, it.f1, it.support) for it in found.per_class.values()]
        assert ours == [*zip(*(part.tolist() for part in theirs), strict=True)]
        assert [[*row] for row in found.confusion_matrix] == confusion_matrix(labels, guesses, labels=range(3)).tolist()


@pytest.mark.parametrize("rule", RULES)
def test_a_number_that_is_none_stays_visible(rule: LossRule) -> None:
    nothing = np.full((1, 3), np.nan, np.float32)
    assert math.isnan(mean_loss(Predictions(softmax=nothing, logits=nothing), np.array([1], np.uint8), rule))


@pytest.mark.parametrize("wrong_by", [0.0, 5.0, 16.0, 17.0, 40.0, 192.5, 1000.0, 3e38])
def test_a_sure_mistake_costs_as_much_as_it_was_sure(wrong_by: float) -> None:
    labels = np.array([1], np.uint8)
    loss = mean_loss(of_logits([[wrong_by, 0.0, -1000.0]]), labels, "logits")
    assert loss == pytest.approx(math.log1p(math.exp(-wrong_by)) + wrong_by, rel=1e-6)


def test_the_older_rule_has_a_bound_and_stays_for_the_runs_that_began_with_it() -> None:
    labels = np.array([1], np.uint8)
    for wrong_by in (20.0, 200.0):
        assert mean_loss(of_logits([[wrong_by, 0.0, 0.0]]), labels, "clipped") == -math.log(1e-7)
    sure = of_logits([[0.0, 20.0, 0.0]])
    assert mean_loss(sure, labels, "clipped") == -math.log(1 - 1e-7)


def test_both_rules_agree_where_nothing_is_sure() -> None:
    drawn = np.sin(np.arange(600.0)).reshape(200, 3) * 4
    labels = (np.arange(200) % 3).astype(np.uint8)
    said = of_logits(drawn.tolist())
    assert mean_loss(said, labels, "logits") == pytest.approx(mean_loss(said, labels, "clipped"), rel=1e-6)


def test_the_logits_decide_and_not_the_softmax_that_has_lost_them() -> None:
    """A float32 softmax cannot tell 200 from 900 below the top: both are 0."""
    labels = np.array([1], np.uint8)
    near, far = of_logits([[200.0, 0.0, 0.0]]), of_logits([[900.0, 0.0, 0.0]])
    assert np.array_equal(near.softmax, far.softmax)
    assert mean_loss(far, labels, "logits") - mean_loss(near, labels, "logits") == 700


def test_the_order_of_samples_does_not_change_a_figure() -> None:
    draws = np.linspace(0.001, 1, 300, dtype=np.float32).reshape(100, 3)
    labels = (np.arange(100) % 3).astype(np.uint8)
    there, back = of_probabilities(draws), of_probabilities(draws[::-1])
    for rule in RULES:
        assert mean_loss(there, labels, rule) == mean_loss(back, labels[::-1], rule)
    assert accuracy(there, labels) == accuracy(back, labels[::-1])
