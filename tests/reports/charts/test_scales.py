"""Axes hold their data, carry ticks a person would choose, and bear any finite input."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.reports.charts.scales import Scale, counted, measured, nice_step, shares

losses = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=30)
parts = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def labels(scale: Scale) -> list[str]:
    return [tick.label for tick in scale.ticks]


@pytest.mark.parametrize(
    ("rough", "step"), [(0.7, 1), (1, 1), (1.1, 2), (3, 5), (7, 10), (0.03, 0.05), (0.2, 0.2), (120, 200)]
)
def test_nice_step(rough: float, step: float) -> None:
    assert nice_step(rough) == pytest.approx(step)


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (1, ["1"]),
        (2, ["1", "2"]),
        (3, ["1", "2", "3"]),
        (100, ["1", "20", "40", "60", "80", "100"]),
        (300, ["1", "50", "100", "150", "200", "250", "300"]),
    ],
)
def test_epochs_have_whole_ticks(last: int, said: list[str]) -> None:
    assert labels(counted(last)) == said


def test_one_epoch_stands_in_the_middle() -> None:
    assert counted(1).place(1) == 0.5


def test_accuracies_are_in_percent_and_never_leave_their_range() -> None:
    assert labels(shares([0.62, 0.985])) == ["60", "70", "80", "90", "100"]
    assert shares([0.0, 1.0]).low == 0
    assert labels(shares([1.0, 1.0]))[-1] == "100"


def test_a_tiny_difference_of_accuracy_is_not_blown_up() -> None:
    scale = shares([0.9001, 0.9002])
    assert scale.high - scale.low >= 0.04


def test_an_early_spike_makes_the_axis_of_losses_logarithmic() -> None:
    scale = measured([80.0, 3.0, 0.9, 0.5, 0.4])
    assert scale.logarithmic
    assert labels(scale) == ["0.2", "0.5", "1", "2", "5", "10", "20", "50", "100"] or labels(scale) == [
        "1",
        "10",
        "100",
    ]


def test_a_loss_that_nears_zero_leaves_the_axis_linear() -> None:
    scale = measured([1.1, 0.6, 0.6, 0.5, 1e-9])
    assert not scale.logarithmic
    assert labels(scale)[0] == "0.0"


@given(losses)
def test_losses_always_fit(values: list[float]) -> None:
    _holds(measured(values), values)


@given(parts)
def test_accuracies_always_fit(values: list[float]) -> None:
    scale = shares(values)
    _holds(scale, values)
    assert scale.low >= -1e-9
    assert scale.high <= 1 + 1e-9


@given(st.integers(1, 100_000))
def test_epochs_always_fit(last: int) -> None:
    _holds(counted(last), [1, last])


def _holds(scale: Scale, values: list[float]) -> None:
    assert all(-1e-6 <= scale.place(value) <= 1 + 1e-6 for value in values)
    assert all(-1e-6 <= scale.place(tick.value) <= 1 + 1e-6 for tick in scale.ticks)
    assert 1 <= len(scale.ticks) <= 14
    assert len(set(labels(scale))) == len(scale.ticks)
