"""A profile goes through its values at its levels, and breaks where there is none."""

from xml.etree import ElementTree

from qcqueue.reports.charts.lines import LEFT
from qcqueue.reports.charts.profiles import Profile, Profiles, draw
from qcqueue.reports.charts.scales import shares
from tests.reports.charts.parsed import number_of, parse, plotted, words_of


def drawn(*values: float | None, first: str = "none") -> ElementTree.Element:
    return parse(
        draw(
            Profiles(
                key="a",
                title="title",
                description="description",
                levels_name="severity",
                levels=(first, "1", "2", "3"),
                y_name="accuracy (%)",
                y=shares([0.0, 1.0]),
                profiles=(Profile(label="vgg16", paint="var(--model-1)", values=values),),
            )
        )
    )


def curves(svg: ElementTree.Element) -> list[str]:
    return [path.attrib["d"] for path in plotted(svg, "path") if path.attrib["class"] == "curve"]


def test_levels_are_evenly_apart_and_named() -> None:
    svg = drawn(1.0, 0.9, 0.8, 0.0)
    at = [number_of(dot, "cx") for dot in plotted(svg, "circle")]
    assert at[0] == LEFT
    assert max(at[place + 1] - at[place] for place in range(3)) - (at[3] - at[0]) / 3 < 0.2
    assert {"none", "1", "2", "3", "severity"} <= {word.text for word in words_of(svg)}
    heights = [number_of(dot, "cy") for dot in plotted(svg, "circle")]
    assert heights == sorted(heights)


def test_a_level_without_a_value_is_not_bridged() -> None:
    [curve] = curves(drawn(0.9, 0.8, None, 0.5))
    assert curve.count("M") == 1
    assert curve.count("L") == 1
    assert len(plotted(drawn(0.9, 0.8, None, 0.5), "circle")) == 3


def test_a_level_with_a_long_name_has_it_on_two_lines() -> None:
    said = [word.text for word in words_of(drawn(0.9, 0.8, 0.7, 0.6, first="none or unknown"))]
    assert "none or" in said
    assert "unknown" in said


def test_a_model_without_any_value_is_not_drawn() -> None:
    svg = drawn(None, None, None, None)
    assert not curves(svg)
    assert "vgg16" not in [word.text for word in words_of(svg)]
