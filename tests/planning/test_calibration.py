"""Past forecasts are counted as right or wrong only where what came tells."""

from dataclasses import dataclass

import pytest

from qcqueue.planning.calibration import HitRate, calibration


@dataclass(frozen=True, kw_only=True)
class A:
    low_s: float = 100.0
    high_s: float = 200.0
    came_at_s: float | None = None
    not_before_s: float | None = None


@pytest.mark.parametrize(
    ("forecast", "judged", "inside"),
    [
        (A(came_at_s=100.0), 1, 1),
        (A(came_at_s=200.0), 1, 1),
        (A(came_at_s=99.9), 1, 0),
        (A(came_at_s=200.1), 1, 0),
        (A(), 0, 0),
        (A(not_before_s=150.0), 0, 0),
        (A(not_before_s=200.1), 1, 0),
    ],
)
def test_a_forecast_is_judged_by_what_came(forecast: A, judged: int, inside: int) -> None:
    assert calibration([forecast]) == HitRate(judged=judged, inside=inside)


def test_it_reads_as_a_sentence() -> None:
    assert str(calibration([])) == "no forecast has been put to the test yet"
    assert str(calibration([A(came_at_s=150.0)])) == "1 of 1 past forecast fell inside its range; 80 % are meant to"
    both = [A(came_at_s=150.0), A(came_at_s=1.0)]
    assert str(calibration(both)) == "1 of 2 past forecasts fell inside their ranges; 80 % are meant to"
