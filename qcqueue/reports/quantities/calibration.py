"""Whether confidence and accuracy agree: the reliability diagram and what it comes down to in one number. Pure."""

from dataclasses import dataclass

import numpy as np

from qcqueue.reports.quantities.predictions import Judged

BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """The images whose predicted class was given a probability above `low` and up to `high`.

    confidence is the mean of those probabilities and accuracy the share classified correctly, 0..1; None where there is
    no image.
    """

    low: float
    high: float
    images: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """One model on one split: ten bins of equal width, and what they come down to.

    expected_error is the expected calibration error (ECE) of Guo, Pleiss, Sun and Weinberger, On Calibration of Modern
    Neural Networks (ICML 2017), equation 3: the sum over bins of images in it / all images · |accuracy - confidence|,
    0 where they agree in every bin. brier is Brier's score (1950): the mean over images of the sum over
    classes of (probability - 1 for the true class, else 0)², 0 at best and 2 at worst. confidence is the mean over all.
    """

    job: str
    label: str
    images: int
    bins: tuple[CalibrationBin, ...]
    confidence: float
    accuracy: float
    expected_error: float
    brier: float


def calibration_of(judged: Judged) -> Calibration:
    """Return confidence and accuracy of a model."""
    confidences, is_right = judged.confidences, judged.is_right
    edges = np.arange(BINS + 1) / BINS
    # float32 can round a certainty to just above 1; it belongs to the last bin all the same.
    places = np.searchsorted(edges[1:-1], confidences)
    counts = np.bincount(places, minlength=BINS).tolist()
    sure = np.bincount(places, weights=confidences, minlength=BINS).tolist()
    right = np.bincount(places, weights=is_right, minlength=BINS).tolist()
    truth = np.eye(len(judged.classes))[judged.labels]
    return Calibration(
        job=judged.job,
        label=judged.label,
        images=judged.images,
        bins=tuple(
            CalibrationBin(
                low=float(edges[place]),
                high=float(edges[place + 1]),
                images=count,
                confidence=sure[place] / count if count else None,
                accuracy=right[place] / count if count else None,
            )
            for place, count in enumerate(counts)
        ),
        confidence=float(confidences.mean()),
        accuracy=judged.accuracy,
        expected_error=sum(abs(right[place] - sure[place]) for place in range(BINS)) / judged.images,
        brier=float(np.square(judged.probabilities - truth).sum(axis=1).mean()),
    )
