"""Some measurements in three numbers: the middle one, and between which nine of ten of them lie."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """In the unit of what was measured; between two measurements they are interpolated linearly, as numpy does."""

    p5: float
    p50: float
    p95: float


def percentiles_of(values: Iterable[float | None]) -> Percentiles | None:
    """Return the percentiles of the values that are known, or None where none is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = np.percentile(known, (5, 95))
    return Percentiles(p5=float(low), p50=median(known), p95=float(high))
