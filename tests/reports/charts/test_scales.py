"""Axes hold their data, carry ticks a person would choose, and bear any input."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.reports.charts.scales import Scale, counted, measured, named, nice_step, parts, shares, spent

losses = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=30)
some_shares = st.lists(st.floats(0, 1), min_size=1, max_size=30)


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


@given(some_shares)
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


@pytest.mark.parametrize(
    ("last_s", "name", "said"),
    [
        (3, "time (s)", ["0", "1", "2", "3"]),
        (100, "time (s)", ["0", "20", "40", "60", "80", "100"]),
        (4_000, "time (min)", ["0", "20", "40", "60"]),
        (90_000, "time (h)", ["0", "5", "10", "15", "20", "25"]),
        (864_000, "time (days)", ["0", "2", "4", "6", "8", "10"]),
    ],
)
def test_time_is_told_in_the_unit_a_person_would_use(last_s: float, name: str, said: list[str]) -> None:
    scale = spent(last_s)
    assert scale.called("time") == name
    assert labels(scale) == said
    _holds(scale, [0, last_s])


@given(st.floats(0, 1e8, allow_subnormal=False))
def test_times_always_fit(last_s: float) -> None:
    if last_s == 0 or last_s > 1e-6:
        _holds(spent(last_s), [0, last_s])


def mixed(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[list[float]]:
    return st.lists(numbers | st.sampled_from([math.nan, math.inf, -math.inf]), max_size=20)


@given(mixed(st.floats(0, width=32)))
def test_losses_that_are_no_numbers_leave_an_axis_to_the_others(values: list[float]) -> None:
    _holds(measured(values), [value for value in values if math.isfinite(value)])


@given(mixed(st.floats(0, 1)))
def test_accuracies_that_are_no_numbers_leave_an_axis_to_the_others(values: list[float]) -> None:
    _holds(shares(values), [value for value in values if math.isfinite(value)])


@pytest.mark.parametrize("values", [[3e38, math.inf], [1e30, 3e30], [1e-12, 2e-12], [5.0, 2e7, 4e7]])
def test_the_loss_of_a_run_that_diverged_is_told_in_few_characters(values: list[float]) -> None:
    assert max(map(len, labels(measured(values)))) <= 7


def test_named_levels_are_evenly_apart_and_one_stands_in_the_middle() -> None:
    assert [named(["none", "1", "2"]).place(level) for level in range(3)] == [0, 0.5, 1]
    assert named(["none"]).place(0) == 0.5


def test_parts_go_from_nothing_to_the_whole() -> None:
    assert labels(parts()) == ["0", "25", "50", "75", "100"]
    _holds(parts(), [0, 1])
