"""Intervals lie where their numbers say; an end without a bound is an arrow at the edge."""

import math
from xml.etree import ElementTree

import pytest

from qcqueue.reports.charts.intervals import LEFT, Estimate, Intervals, Row, draw
from qcqueue.reports.charts.scales import Scale, Tick
from tests.reports.charts.parsed import number_of, parse, path_points, plotted, words_of

X = Scale(low=0.0, high=1.0, ticks=(Tick(value=0.0, label="0"), Tick(value=1.0, label="100")))


def an_estimate(value: float | None = 0.5, low: float | None = 0.25, high: float | None = 0.75) -> Estimate:
    return Estimate(value=value, low=low, high=high, said="said")


def drawn(*estimates: Estimate) -> ElementTree.Element:
    return parse(
        draw(
            Intervals(
                key="a",
                title="title",
                description="description",
                x_name="accuracy (%)",
                x=X,
                names=("validation", "test"),
                interval="95 % interval",
                rows=(Row(label="vgg16", paint="var(--model-1)", estimates=estimates),),
            )
        )
    )


def right_of(svg: ElementTree.Element) -> float:
    """Return where the axis ends."""
    return max(number_of(line, "x1") for line in plotted(svg, "line") if line.attrib["class"] == "grid")


def share(svg: ElementTree.Element, x: float) -> float:
    return (x - LEFT) / (right_of(svg) - LEFT)


def marks(svg: ElementTree.Element) -> list[ElementTree.Element]:
    return [line for line in plotted(svg, "line") if line.attrib["class"] == "mark"]


def test_the_dot_and_both_ends_lie_where_their_numbers_say() -> None:
    svg = drawn(an_estimate(0.5, 0.25, 0.75))
    [dot] = plotted(svg, "circle")
    line, low, high = marks(svg)
    assert share(svg, number_of(dot, "cx")) == pytest.approx(0.5, abs=1e-3)
    assert [share(svg, number_of(line, end)) for end in ("x1", "x2")] == pytest.approx([0.25, 0.75], abs=1e-3)
    assert [share(svg, number_of(cap, "x1")) for cap in (low, high)] == pytest.approx([0.25, 0.75], abs=1e-3)


@pytest.mark.parametrize("unknown", [None, math.nan, -math.inf])
def test_an_end_without_a_bound_is_an_arrow_that_points_to_the_edge(unknown: float | None) -> None:
    svg = drawn(an_estimate(low=unknown))
    [arrow] = plotted(svg, "path")
    (back, _), (tip, _), _ = path_points(arrow.attrib["d"])
    assert share(svg, tip) == pytest.approx(0, abs=1e-3)
    assert back > tip
    assert len(marks(svg)) == 2  # the line and the cap of the other end


def test_the_first_of_a_row_is_filled_and_the_second_hollow() -> None:
    first, second = plotted(drawn(an_estimate(), an_estimate()), "circle")
    assert first.attrib["style"] == "fill:var(--model-1)"
    assert second.attrib["style"].startswith("fill:var(--paper);stroke:var(--model-1)")
    assert number_of(first, "cy") < number_of(second, "cy")


@pytest.mark.parametrize("missing", [None, math.nan])
def test_what_was_not_measured_is_only_said(missing: float | None) -> None:
    svg = drawn(an_estimate(value=missing))
    assert not plotted(svg, "circle")
    assert "said" in [word.text for word in words_of(svg)]


@pytest.mark.parametrize(("value", "low", "high"), [(1.0, 0.9, None), (0.0, None, 0.1)])
def test_a_value_at_the_edge_does_not_hide_the_arrow(value: float, low: float | None, high: float | None) -> None:
    svg = drawn(an_estimate(value=value, low=low, high=high))
    [arrow], [dot] = plotted(svg, "path"), plotted(svg, "circle")
    reach = [abs(x - number_of(dot, "cx")) for x, _ in path_points(arrow.attrib["d"])]
    assert min(reach) >= number_of(dot, "r")
    assert reach[1] == max(reach)
