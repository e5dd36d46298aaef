"""Charts are well-formed SVG that stays inside its frame, for one epoch as for hundreds."""

import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from qcqueue.reports.charts.lines import BOTTOM, HEIGHT, TOP, WIDTH, Chart, Line, Ring, Seam, draw, spread
from qcqueue.reports.charts.scales import counted, measured, spent
from tests.reports.charts.parsed import number_of, parse, plotted, words_of


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
        rings=(Ring(x=count, y=points[-1][1], paint="var(--model-0)"),),
    )


def drawn(chart: Chart) -> ElementTree.Element:
    return parse(draw(chart))


def curves(svg: ElementTree.Element) -> list[ElementTree.Element]:
    return [path for path in svg.iter("path") if path.attrib["class"] == "curve"]


@pytest.mark.parametrize("count", [1, 2, 15, 16, 300])
def test_all_that_is_drawn_lies_inside_the_frame(count: int) -> None:
    svg = drawn(a_chart(count, seams=tuple(Seam(at=epoch - 0.5, label=f"#{epoch}") for epoch in range(2, count, 7))))
    for path in svg.iter("path"):
        for x, y in re.findall(r"[ML](\S+) ([^ML]+)", path.attrib["d"]):
            assert 0 <= float(x) <= WIDTH
            assert 0 <= float(y) <= HEIGHT + 24
    for text in svg.iter("text"):
        assert 0 <= float(text.attrib["x"]) <= WIDTH
        assert 0 <= float(text.attrib["y"]) <= HEIGHT + 24


def test_one_epoch_is_a_dot_and_no_line() -> None:
    svg = drawn(a_chart(1))
    assert not curves(svg)
    assert len(plotted(svg, "circle")) == 2


def test_many_epochs_are_a_line_without_dots() -> None:
    svg = drawn(a_chart(300))
    [curve] = curves(svg)
    assert curve.attrib["d"].count("L") == 299
    assert len(plotted(svg, "circle")) == 1


def test_it_has_a_title_and_a_description_to_be_read_aloud() -> None:
    svg = drawn(a_chart(3))
    named = {element.attrib["id"]: element.text for element in svg if "id" in element.attrib}
    assert svg.attrib["role"] == "img"
    assert [named[name] for name in svg.attrib["aria-labelledby"].split()] == ["loss by epoch", "falls"]


def test_a_long_label_is_cut_and_kept_in_full_beside() -> None:
    svg = drawn(a_chart(3, label="a-very-long-name-of-a-model-of-many-words"))
    [label] = [text for text in svg.iter("text") if text.attrib.get("class") == "label"]
    assert "".join(label.itertext()).removeprefix(label[0].text or "") == "a-very-long…y-words"
    assert label[0].text == "a-very-long-name-of-a-model-of-many-words"


def test_labels_of_seams_that_are_close_make_room() -> None:
    svg = drawn(a_chart(300, seams=tuple(Seam(at=epoch - 0.5, label=f"#{epoch}") for epoch in range(2, 300, 3))))
    seams = [line for line in plotted(svg, "line") if line.attrib["class"] == "seam"]
    names = [text.text for text in svg.iter("text") if (text.text or "").startswith("#")]
    assert len(seams) == 100
    assert names[0] == "#2"
    assert len(names) < 15


def test_what_is_not_finite_is_left_out() -> None:
    chart = a_chart(2)
    line = Line(label="loss", points=((1, math.inf), (2, 1.0)), paint="red")
    text = draw(replace(chart, lines=(line,))).svg
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


def test_what_is_not_finite_breaks_a_curve() -> None:
    points = ((1, 1.5), (2, 1.4), (3, math.nan), (4, 1.2), (5, 1.1))
    [curve] = curves(drawn(replace(a_chart(5), lines=(Line(label="loss", points=points, paint="var(--model-0)"),))))
    assert curve.attrib["d"].count("M") == 2


def test_points_lie_where_their_values_say() -> None:
    chart = replace(a_chart(3), x=spent(200), x_name="GPU time")
    line = Line(
        label="loss", points=((0, chart.y.low), (100, chart.y.high), (200, chart.y.low)), paint="var(--model-0)"
    )
    svg = drawn(replace(chart, lines=(line,), rings=()))
    left, middle, right = (number_of(dot, "cx") for dot in plotted(svg, "circle"))
    assert middle - left == pytest.approx(right - middle, abs=0.2)
    assert [number_of(dot, "cy") for dot in plotted(svg, "circle")] == [HEIGHT - BOTTOM, TOP, HEIGHT - BOTTOM]
    assert "GPU time (min)" in [word.text for word in words_of(svg)]


def test_signs_are_explained_in_the_picture_only_where_they_occur() -> None:
    said = [word.text for word in words_of(drawn(a_chart(3, seams=(Seam(at=1.5, label="#2"),))))]
    assert {"best epoch", "another attempt takes over"} <= set(said)
    for rings in ((), (Ring(x=1, y=math.nan, paint="var(--model-0)"),)):
        bare = [word.text for word in words_of(drawn(replace(a_chart(3), rings=rings)))]
        assert not {"best epoch", "another attempt takes over"} & set(bare)


def test_a_chart_of_nothing_that_is_a_number_has_its_axes_and_no_curve() -> None:
    line = Line(label="loss", points=((1, math.nan), (2, math.inf)), paint="var(--model-0)")
    svg = drawn(replace(a_chart(2), y=measured([y for _, y in line.points]), lines=(line,), rings=()))
    assert not curves(svg)
    assert "loss" in [word.text for word in words_of(svg)]
