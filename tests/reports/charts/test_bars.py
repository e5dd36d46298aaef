"""Bars are as long as what they stand for, in one order, and say what their colours mean."""

import math

import pytest

from qcqueue.reports.charts.bars import LEFT, RIGHT, Bar, Bars, Kind, draw
from qcqueue.reports.charts.scales import spent
from tests.reports.charts.parsed import number_of, parse, words_of

KINDS = (Kind(name="useful", paint="var(--model-2)"), Kind(name="lost", paint="var(--model-5)", detail="never saved"))


def segments(*bars: Bar, last_s: float = 1000.0) -> list[tuple[float, float]]:
    """Return the left end and the length of each piece, in seconds."""
    svg = parse(draw(a_chart(*bars, last_s=last_s)))
    second = (RIGHT - LEFT) / last_s
    rects = [rect for rect in svg.iter("rect") if rect.attrib.get("class") == "segment"]
    return [((number_of(rect, "x") - LEFT) / second, number_of(rect, "width") / second) for rect in rects]


def a_chart(*bars: Bar, last_s: float = 1000.0) -> Bars:
    return Bars(key="time", title="time", description="time", x_name="time", x=spent(last_s), kinds=KINDS, bars=bars)


def a_bar(*pieces: float) -> Bar:
    return Bar(label="vgg16", said="16 min", pieces=pieces, piece_titles=tuple(str(piece) for piece in pieces))


def test_pieces_are_as_long_as_their_seconds_and_follow_each_other() -> None:
    useful, lost = segments(a_bar(400.0, 600.0))
    assert useful == pytest.approx((0, 400), abs=0.1)
    assert lost == pytest.approx((400, 600), abs=0.1)


@pytest.mark.parametrize("missing", [0.0, math.nan, math.inf])
def test_what_is_no_number_or_took_no_time_has_no_length(missing: float) -> None:
    [only] = segments(a_bar(missing, 600.0))
    assert only == pytest.approx((0, 600), abs=0.1)


def test_the_axis_bears_the_unit_of_its_ticks() -> None:
    said = [word.text for word in words_of(parse(draw(a_chart(a_bar(1.0, 2.0)))))]
    assert "time (min)" in said
    assert said[:2] == ["useful", "lost"]
