"""How sure and how right a model is, recomputed with numpy and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.reports.quantities.calibration import calibration_of
from tests.reports.quantities.answers import judged_as, probabilities


def test_bins_error_and_score_equal_a_recomputation_image_by_image() -> None:
    from sklearn.metrics import brier_score_loss

    labels = [number % 3 for number in range(500)]
    answers = probabilities(labels, seed="calibration")
    found = calibration_of(judged_as(labels, answers.tolist()))
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(10)]
    for label, row in zip(labels, answers.astype(float).tolist(), strict=True):
        confidence = max(row)
        [place] = [place for place in range(10) if place / 10 < confidence <= (place + 1) / 10]
        bins[place].append((confidence, row.index(confidence) == label))
    error = 0.0
    for expected, stored in zip(bins, found.bins, strict=True):
        assert stored.images == len(expected)
        if expected:
            confidence = sum(it for it, _ in expected) / len(expected)
            accuracy = sum(it for _, it in expected) / len(expected)
            assert (stored.confidence, stored.accuracy) == pytest.approx((confidence, accuracy))
            error += len(expected) / 500 * abs(accuracy - confidence)
    assert found.expected_error == pytest.approx(error)
    assert found.brier == pytest.approx(
        brier_score_loss(labels, _to_one(answers), labels=[0, 1, 2], scale_by_half=False), rel=1e-5
    )
    assert found.confidence == pytest.approx(answers.max(axis=1).mean(), rel=1e-6)
    assert found.accuracy == np.mean(answers.argmax(axis=1) == labels)


def _to_one(
    answers: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    exact = answers.astype(np.float64)
    return np.asarray(exact / exact.sum(axis=1, keepdims=True))


def test_a_confidence_on_an_edge_is_in_the_bin_below_it() -> None:
    found = calibration_of(judged_as([0, 0, 0], [[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]]))
    assert [place.images for place in found.bins] == [0, 0, 0, 0, 1, 0, 0, 1, 0, 1]


def test_an_empty_bin_has_no_accuracy() -> None:
    found = calibration_of(judged_as([0], [[0.75, 0.25]]))
    assert [(it.confidence, it.accuracy) for it in found.bins if not it.images] == [(None, None)] * 9


def test_who_is_always_sure_and_right_has_no_error_and_who_is_sure_and_wrong_has_all_of_it() -> None:
    right = calibration_of(judged_as([0, 1], [[1.0, 0.0], [0.0, 1.0]]))
    wrong = calibration_of(judged_as([1, 0], [[1.0, 0.0], [0.0, 1.0]]))
    assert (right.expected_error, right.brier) == (0, 0)
    assert (wrong.expected_error, wrong.brier) == (1, 2)


def test_a_certainty_that_was_rounded_up_is_in_the_last_bin() -> None:
    found = calibration_of(judged_as([0], [[1.0000001, 0.0]]))
    assert found.bins[-1].images == 1


def test_one_class_is_certain() -> None:
    found = calibration_of(judged_as([0, 0], [[1.0], [1.0]]))
    assert (found.expected_error, found.brier, found.accuracy) == (0, 0, 1)


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1, width=32)), min_size=1, max_size=50))
def test_every_image_is_in_one_bin_and_no_error_leaves_its_range(images: list[tuple[int, float]]) -> None:
    found = calibration_of(judged_as([label for label, _ in images], [[it, 1 - it] for _, it in images]))
    assert sum(place.images for place in found.bins) == len(images)
    assert 0 <= found.expected_error <= 1
    assert 0 <= found.brier <= 2
    for place in found.bins:
        assert place.confidence is None or place.low < place.confidence + 1e-9 <= place.high + 2e-9
