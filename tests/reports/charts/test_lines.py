"""Charts are well-formed SVG that stays inside its frame, for one epoch as for hundreds."""

import math
import re
from xml.etree import ElementTree

import pytest

from qcqueue.reports.charts.lines import HEIGHT, WIDTH, Chart, Line, Seam, draw, spread
from qcqueue.reports.charts.scales import counted, measured


def a_chart(count: int, *, label: str = "validation", seams: tuple[Seam, ...] = ()) -> Chart:
    points = tuple((epoch, 0.5 + 1 / epoch) for epoch in range(1, count + 1))
    return Chart(
        key="loss-0",
        title="loss by epoch",
        description="falls",
        y_name="loss",
        x=counted(count),
        y=measured([value for _, value in points]),
        lines=(Line(label=label, points=points, paint="var(--model-0)"),),
        seams=seams,
        rings=((count, points[-1][1], "var(--model-0)"),),
    )


def drawn(chart: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(draw(chart))


@pytest.mark.parametrize("count", [1, 2, 15, 16, 300])
def test_all_that_is_drawn_lies_inside_the_frame(count: int) -> None:
    svg = drawn(a_chart(count, seams=tuple(Seam(epoch=epoch, label=f"#{epoch}") for epoch in range(2, count, 7))))
    for path in svg.iter("path"):
        for x, y in re.findall(r"[ML](\S+) ([^ML]+)", path.attrib["d"]):
            assert 0 <= float(x) <= WIDTH
            assert 0 <= float(y) <= HEIGHT
    for text in svg.iter("text"):
        assert 0 <= float(text.attrib["x"]) <= WIDTH
        assert 0 <= float(text.attrib["y"]) <= HEIGHT


def test_one_epoch_is_a_dot_and_no_line() -> None:
    svg = drawn(a_chart(1))
    assert not [path for path in svg.iter("path") if path.attrib["class"] == "curve"]
    assert len(list(svg.iter("circle"))) == 2


def test_many_epochs_are_a_line_without_dots() -> None:
    svg = drawn(a_chart(300))
    [curve] = [path for path in svg.iter("path") if path.attrib["class"] == "curve"]
    assert curve.attrib["d"].count("L") == 299
    assert len(list(svg.iter("circle"))) == 1


def test_it_has_a_title_and_a_description_to_be_read_aloud() -> None:
    svg = drawn(a_chart(3))
    named = {element.attrib["id"]: element.text for element in svg if "id" in element.attrib}
    assert svg.attrib["role"] == "img"
    assert [named[name] for name in svg.attrib["aria-labelledby"].split()] == ["loss by epoch", "falls"]


def test_a_long_label_is_cut_and_kept_in_full_beside() -> None:
    svg = drawn(a_chart(3, label="a-very-long-name-of-a-model"))
    [label] = [text for text in svg.iter("text") if text.attrib.get("class") == "label"]
    assert "".join(label.itertext()).endswith("a-very-long-name-o…")
    assert label[0].text == "a-very-long-name-of-a-model"


def test_labels_of_seams_that_are_close_make_room() -> None:
    svg = drawn(a_chart(300, seams=tuple(Seam(epoch=epoch, label=f"#{epoch}") for epoch in range(2, 300, 3))))
    seams = [line for line in svg.iter("line") if line.attrib["class"] == "seam"]
    names = [text.text for text in svg.iter("text") if (text.text or "").startswith("#")]
    assert len(seams) == 100
    assert names[0] == "#2"
    assert len(names) < 15


def test_what_is_not_finite_is_left_out() -> None:
    chart = a_chart(2)
    line = Line(label="loss", points=((1, math.inf), (2, 1.0)), paint="red")
    text = draw(Chart(**{name: getattr(chart, name) for name in chart.__slots__} | {"lines": (line,)}))
    assert "inf" not in text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("wanted", "placed"),
    [
        ([10, 50], [10, 50]),
        ([10, 12], [10, 20]),
        ([95, 96], [90, 100]),
        ([50, 50, 50], [50, 60, 70]),
        ([12, 10], [20, 10]),
        ([], []),
    ],
)
def test_spread(wanted: list[float], placed: list[float]) -> None:
    assert spread(wanted, gap=10, low=0, high=100) == placed
