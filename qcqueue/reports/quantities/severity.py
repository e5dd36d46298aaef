"""How accuracy falls with how badly an image was degraded, for datasets that know it. Pure."""

from dataclasses import dataclass

import numpy as np

from qcqueue.datasets.format import Dataset
from qcqueue.reports.quantities.comparison import Interval, accuracy_interval
from qcqueue.reports.quantities.predictions import Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The images of one severity: 0 none or unknown, 1 mild .. 3 severe. accuracy and interval are shares, 0..1."""

    severity: int
    images: int
    right: int
    accuracy: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class BySeverity:
    """One model on one split, by the severities that occur in it, ascending."""

    job: str
    label: str
    levels: tuple[Level, ...]


def by_severity(judged: Judged, dataset: Dataset) -> BySeverity | None:
    """Return the accuracy at each level of severity, or None where no image of the split has one."""
    severities = dataset.severities[judged.places]
    if not severities.any():
        return None
    is_right = judged.is_right
    return BySeverity(
        job=judged.job,
        label=judged.label,
        levels=tuple(
            _level(severity, int(chosen.sum()), int(is_right[chosen].sum()))
            for severity in np.unique(severities).tolist()
            for chosen in [severities == severity]
        ),
    )


def _level(severity: int, images: int, right: int) -> Level:
    return Level(
        severity=severity,
        images=images,
        right=right,
        accuracy=right / images,
        interval=accuracy_interval(right, images),
    )
