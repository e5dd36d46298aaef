"""Dots of a reliability diagram lie where confidence and accuracy meet, with an area of their images."""

import math
from xml.etree import ElementTree

import pytest

from qcqueue.reports.charts.reliability import LARGEST_DOT, Bin, Panel, Reliability, draw
from tests.reports.charts.parsed import number_of, parse, path_points, plotted, words_of


def drawn(*bins: Bin, ece: float = 0.043) -> ElementTree.Element:
    panel = Panel(label="vgg16", paint="var(--model-1)", bins=bins, ece=ece)
    return parse(draw(Reliability(key="a", title="title", description="description", panels=(panel,))))


def place_of(svg: ElementTree.Element, x: float, y: float) -> tuple[float, float]:
    """Return a point as confidence and accuracy; the diagonal goes from (0, 0) to (1, 1)."""
    [diagonal] = [path for path in plotted(svg, "path") if path.attrib["class"] == "ideal"]
    (left, bottom), (right, top) = path_points(diagonal.attrib["d"])
    return (x - left) / (right - left), (y - bottom) / (top - bottom)


def test_a_dot_lies_at_its_confidence_and_accuracy() -> None:
    svg = drawn(Bin(confidence=0.9, accuracy=0.7, count=10))
    [dot] = plotted(svg, "circle")
    assert place_of(svg, number_of(dot, "cx"), number_of(dot, "cy")) == pytest.approx((0.9, 0.7), abs=1e-3)


def test_a_line_leads_from_the_dot_to_the_diagonal() -> None:
    svg = drawn(Bin(confidence=0.9, accuracy=0.7, count=10))
    [line] = [line for line in plotted(svg, "line") if line.attrib["class"] == "mark"]
    ends = [place_of(svg, number_of(line, f"x{end}"), number_of(line, f"y{end}")) for end in (1, 2)]
    assert ends == [pytest.approx((0.9, 0.9), abs=1e-3), pytest.approx((0.9, 0.7), abs=1e-3)]


def test_areas_are_as_the_numbers_of_images() -> None:
    svg = drawn(Bin(confidence=0.9, accuracy=0.9, count=400), Bin(confidence=0.5, accuracy=0.5, count=100))
    large, small = plotted(svg, "circle")
    assert number_of(large, "r") == LARGEST_DOT
    assert number_of(large, "r") ** 2 / number_of(small, "r") ** 2 == pytest.approx(4)


@pytest.mark.parametrize(
    "empty",
    [Bin(confidence=0.5, accuracy=math.nan, count=3), Bin(confidence=0.5, accuracy=0.5, count=0)],
    ids=["not a number", "no image"],
)
def test_a_bin_without_an_accuracy_is_not_drawn(empty: Bin) -> None:
    assert not plotted(drawn(empty), "circle")


def test_the_error_and_the_images_are_written_in_the_picture() -> None:
    said = [word.text for word in words_of(drawn(Bin(confidence=0.9, accuracy=0.7, count=1_234)))]
    assert {"ECE 4.3 %", "1,234 images", "sure (%)", "right (%)"} <= set(said)
