"""Areas and their intervals equal scikit-learn's, resample by resample, also with ties and missing classes."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from qcqueue.clock import seeded
from qcqueue.reports.quantities import curves
from qcqueue.reports.quantities.curves import precision_recall, ranking_of, resamples_of, roc
from qcqueue.reports.quantities.predictions import Judged
from tests.reports.quantities.answers import an_answered_study, judged_as, judged_in, some_images

IMAGES = 49


@pytest.fixture
def judged() -> Judged:
    return judged_in(an_answered_study(["VGG16", "Xception"], dataset=some_images(test=IMAGES)))[1]


def resamples(images: int) -> npt.NDArray[np.int64]:
    """Draw as the module says: 32 bits an image from a generator of that many images."""
    bits = np.frombuffer(seeded(images).randbytes(4 * images * resamples_of(images)), "<u4")
    return (bits.astype(object) * images // 2**32).astype(np.int64).reshape(-1, images)


def check(judged: Judged) -> None:
    """Compare every class with a thousand calls of scikit-learn."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    found = ranking_of(judged)
    drawn = resamples(judged.images)
    for number in range(len(judged.classes)):
        is_class = judged.labels == number
        scores = judged.probabilities[:, number].astype(float)
        both = [each for each in drawn if 0 < is_class[each].sum() < judged.images]
        for curve, area in (
            (found.roc[number], roc_auc_score),
            (found.precision_recall[number], average_precision_score),
        ):
            assert curve is not None
            assert curve.area == pytest.approx(area(is_class, scores), abs=1e-12)
            low, high = np.quantile([area(is_class[each], scores[each]) for each in both], (0.025, 0.975))
            assert curve.interval is not None
            assert (curve.interval.low, curve.interval.high) == pytest.approx((low, high), abs=1e-12)
            assert (curve.positives, curve.negatives) == (is_class.sum(), (~is_class).sum())


def test_areas_and_intervals_are_those_of_a_thousand_calls(judged: Judged) -> None:
    check(judged)


def test_images_of_equal_score_are_one_step(judged: Judged) -> None:
    check(replace(judged, probabilities=np.round(judged.probabilities, 1)))


def test_many_images_are_resampled_in_parts_with_the_same_result(
    judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ranking_of(judged)
    monkeypatch.setattr(curves, "_DRAWN_AT_ONCE", 300 * IMAGES)
    monkeypatch.setattr(curves, "_MOST_KEPT", 0)
    parts = ranking_of(judged)
    assert [it and it.interval for it in parts.roc] == [it and it.interval for it in whole.roc]
    assert parts.macro_auc_interval == whole.macro_auc_interval


def test_the_more_images_the_fewer_resamples_tell_an_end_as_well() -> None:
    assert [resamples_of(images) for images in (1, 486, 1000, 2000, 5000, 10**6)] == [1000, 1000, 1000, 500, 200, 200]


def test_the_points_are_scikit_learns_and_go_from_corner_to_corner(judged: Judged) -> None:
    from sklearn.metrics import roc_curve

    found = roc(judged.labels, judged.probabilities, 0)
    assert found is not None
    x, y, _ = roc_curve(judged.labels == 0, judged.probabilities[:, 0])
    assert (found.x.tolist(), found.y.tolist()) == (x.tolist(), y.tolist())
    assert (found.x[0], found.y[0], found.x[-1], found.y[-1]) == (0, 0, 1, 1)
    assert found.area == pytest.approx(np.trapezoid(found.y, found.x))
    other = precision_recall(judged.labels, judged.probabilities, 0)
    assert other is not None
    assert (other.x[0], other.y[0], other.x[-1]) == (0, 1, 1)
    assert np.all(np.diff(other.x) >= 0)


def test_a_class_without_an_image_has_no_curve_and_is_in_no_mean() -> None:
    found = ranking_of(judged_as([0, 1, 0, 1], [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.4, 0.5, 0.1], [0.5, 0.4, 0.1]]))
    assert found.roc[2] is None
    assert found.precision_recall[2] is None
    assert found.macro_auc == pytest.approx(np.mean([it.area for it in found.roc if it]))


def test_where_all_images_are_of_one_class_there_is_no_curve_at_all() -> None:
    found = ranking_of(judged_as([0, 0], [[0.6, 0.4], [0.2, 0.8]]))
    assert found.roc == (None, None)
    assert found.macro_auc is None
    assert found.macro_auc_interval is None


def test_a_class_told_apart_without_an_error_has_an_area_and_no_interval() -> None:
    one = judged_as([0, 0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]])
    found = roc(one.labels, one.probabilities, 0)
    assert found is not None
    assert (found.area, found.interval) == (1, None)
