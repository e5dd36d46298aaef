"""Every picture keeps to its frame, its words keep apart, and nothing a name holds becomes markup or colour."""

from itertools import combinations
from xml.etree import ElementTree

import pytest

from qcqueue.reports.charts.picture import Picture, picture
from qcqueue.reports.palette import DARK, LIGHT, written_out
from tests.reports.charts.gallery import LONG, PICTURES, SIX, TWELVE, every_picture, picture_of
from tests.reports.charts.parsed import level_words, parse, points_of

HOSTILE = (
    "<script>alert(1)</script>",
    '"><image href="http://evil/x.png"/>',
    "]]></style><style>*{fill:url(http://evil)}",
    "&lt;b&gt; \u202egnp.exe",
    "x\x00\x1b[31my",
    "",
)
WIDE = ("漢字" * 30, "𝔐𝔬𝔡𝔢𝔩" * 9, "WWWWWWWWWWWWWWWWWWWWWWWWWWWW", "é" * 60, "‰" * 40, "a b " * 30)
# Names of models, and how many epochs they trained.
WORLDS = {
    "one": (SIX[:1], 100),
    "six": (SIX, 100),
    "twelve": (TWELVE, 300),
    "twenty-four": (tuple(f"{name}-{turn}" for turn in (1, 2) for name in TWELVE), 3),
    "long": (LONG, 100),
    "first epoch": (SIX, 1),
    "hostile": (HOSTILE, 2),
    "wide": (WIDE, 2),
}


@pytest.fixture(params=[pytest.param((world, kind), id=f"{world}, {kind}") for world in WORLDS for kind in PICTURES])
def one(request: pytest.FixtureRequest) -> Picture:
    world, kind = request.param
    return picture_of(kind, *WORLDS[world])


def test_all_that_is_drawn_lies_inside_the_frame(one: Picture) -> None:
    for x, y in points_of(parse(one)):
        assert 0 <= x <= one.width
        assert 0 <= y <= one.height


def test_no_word_runs_into_another(one: Picture) -> None:
    clashes = [(a.text, b.text) for a, b in combinations(level_words(parse(one)), 2) if a.runs_into(b)]
    assert not clashes


def test_it_names_its_size_its_title_and_what_it_shows(one: Picture) -> None:
    svg = parse(one)
    assert svg.attrib["viewBox"] == f"0 0 {one.width:g} {one.height:g}"
    named = {element.attrib["id"]: element.text for element in svg if "id" in element.attrib}
    assert svg.attrib["role"] == "img"
    title, description = (named[name] for name in svg.attrib["aria-labelledby"].split())
    assert title
    assert description


@pytest.mark.parametrize("kind", PICTURES)
def test_every_colour_has_a_light_and_a_dark_face(kind: str) -> None:
    one = picture_of(kind, SIX)
    for colours in (LIGHT, DARK):
        shown = written_out(one.svg, colours)
        assert "var(" not in shown
        assert "color-mix" not in shown


def test_a_hostile_name_adds_no_element() -> None:
    kinds = {element.tag for one in every_picture(HOSTILE) for element in parse(one).iter()}
    assert kinds <= {"svg", "title", "desc", "g", "text", "line", "path", "rect", "circle"}
    for hostile, tame in zip(every_picture(HOSTILE), every_picture(SIX), strict=True):
        assert {element.tag for element in parse(hostile).iter()} <= {element.tag for element in parse(tame).iter()}


def test_the_same_values_give_the_same_bytes() -> None:
    assert every_picture(SIX) == every_picture(SIX)


@pytest.mark.parametrize("key", ["", "../up", "A", "a b", "a--b", 'a"b'])
def test_a_key_that_could_leave_its_folder_or_attribute_is_refused(key: str) -> None:
    with pytest.raises(AssertionError, match="a key becomes a file name"):
        picture(key, "title", "description", width=1, height=1)


def test_what_is_drawn_is_well_formed_with_characters_xml_forbids() -> None:
    one = picture("a", "\x01\ufffe\ud800", "\x0c", width=1, height=1)
    assert ElementTree.fromstring(one.svg).findtext("title") == "\ufffd\ufffd\ufffd"
