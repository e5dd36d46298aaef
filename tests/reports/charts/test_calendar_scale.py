"""Axes of dates have ticks at whole minutes, hours or days, in UTC, and never too many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.reports.charts.calendar import MOST_TICKS, days_said, moments
from qcqueue.text.humanize import DAY_S, HOUR_S
from tests.reports.studies import START_S


@pytest.mark.parametrize(
    ("lasted_s", "said"),
    [
        (180, ["04:40", "04:41", "04:42", "04:43"]),
        (30, ["04:40:00", "04:40:15", "04:40:30"]),
        (5 * HOUR_S, ["05:00", "06:00", "07:00", "08:00", "09:00"]),
        (2 * DAY_S, ["12:00", "22 Nov", "12:00", "23 Nov"]),
        (21 * DAY_S, ["24 Nov", "28 Nov", "2 Dec", "6 Dec", "10 Dec"]),
    ],
)
def test_ticks_are_those_a_person_would_choose(lasted_s: float, said: list[str]) -> None:
    assert [tick.label for tick in moments(START_S, START_S + lasted_s).ticks] == said


@given(st.floats(0, 4e9), st.floats(0, 5 * 364 * DAY_S))
def test_any_span_has_ticks_inside_it_and_few(low_s: float, lasted_s: float) -> None:
    scale = moments(low_s, low_s + lasted_s)
    assert all(0 <= scale.place(tick.value) <= 1 for tick in scale.ticks)
    assert len(scale.ticks) <= MOST_TICKS + 1


@pytest.mark.parametrize(
    ("lasted_s", "said"),
    [
        (0, "21 Nov 2025, UTC"),
        (21 * DAY_S, "21 Nov to 12 Dec 2025, UTC"),
        (60 * DAY_S, "21 Nov 2025 to 20 Jan 2026, UTC"),
    ],
)
def test_days_are_said_as_briefly_as_they_can_be(lasted_s: float, said: str) -> None:
    assert days_said(START_S, START_S + lasted_s) == said
