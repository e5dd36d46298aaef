"""A picture as a file is complete: well-formed, its colours and rules inside, nothing from anywhere else."""

import re
from collections.abc import Mapping
from xml.etree import ElementTree

import pytest

from qcqueue.reports.charts.picture import Picture, picture
from qcqueue.reports.charts.standalone import MARGIN, standalone
from qcqueue.reports.markup import tag
from qcqueue.reports.palette import DARK, LIGHT
from tests.reports.charts.gallery import PICTURES, SIX, every_picture, picture_of

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=PICTURES)
def one(request: pytest.FixtureRequest) -> Picture:
    return picture_of(request.param, SIX)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_a_file_needs_nothing_else(one: Picture, colours: Mapping[str, str]) -> None:
    file = standalone(one, colours)
    for foreign in ("var(", "color-mix", "url(", "href", "@import", "@font-face", "<script", "<image"):
        assert foreign not in file
    # The name of the language itself is no request.
    assert re.findall(r"https?://[^\"]*", file) == ["http://www.w3.org/2000/svg"]


def test_a_file_is_svg_with_the_size_of_its_picture_and_a_margin(one: Picture) -> None:
    file = standalone(one)
    assert file.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<svg ')
    svg = ElementTree.fromstring(file.encode())
    assert svg.tag == f"{SVG}svg"
    left, top, width, height = (float(value) for value in svg.attrib["viewBox"].split())
    assert (float(svg.attrib["width"]), float(svg.attrib["height"])) == (width, height)
    assert left == -MARGIN
    assert width == one.width + 2 * MARGIN
    assert top + height == one.height + MARGIN


def test_a_file_has_the_paper_of_its_light_behind_it() -> None:
    for colours in (LIGHT, DARK):
        ground = next(ElementTree.fromstring(standalone(a_picture(), colours).encode()).iter(f"{SVG}rect"))
        assert ground.attrib["style"] == f"fill:{colours['paper']}"


def test_the_title_stands_above_the_picture() -> None:
    svg = ElementTree.fromstring(standalone(a_picture("What <it> shows")).encode())
    [head] = [text for text in svg.iter(f"{SVG}text") if text.attrib.get("class") == "head"]
    assert head.text == "What <it> shows"
    assert float(head.attrib["y"]) < 0


def test_every_class_of_a_picture_has_a_rule() -> None:
    used = {
        name
        for one in every_picture(SIX)
        for value in re.findall(r'class="([^"]*)"', one.svg)
        for name in value.split()
    }
    ruled = set(re.findall(r"svg \.([a-z]+)", standalone(a_picture())))
    assert used - {"signs", "cell"} <= ruled


def test_the_same_picture_gives_the_same_bytes() -> None:
    assert standalone(a_picture()) == standalone(a_picture())


def a_picture(title: str = "title") -> Picture:
    return picture("a", title, "description", tag("circle", r=4), width=400, height=100)


def test_a_line_below_the_picture_stands_within_the_file() -> None:
    one = picture_of("curves", SIX)
    plain, noted = (ElementTree.fromstring(standalone(one, foot=foot).encode()) for foot in ("", "See note 3 of it."))
    _, top, _, height = (float(value) for value in noted.attrib["viewBox"].split())
    [line] = [text for text in noted.iter(f"{SVG}text") if text.text == "See note 3 of it."]
    assert float(line.attrib["y"]) < top + height
    assert height > float(plain.attrib["viewBox"].split()[3])
