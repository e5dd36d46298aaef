"""The picture of held time is true to its lengths, says in words what it shows, and the table has every part."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

import pytest

from qcqueue.core.goodput import Goodput, Part, goodput_of
from qcqueue.reports.charts.bars import LEFT, RIGHT, WIDTH
from qcqueue.reports.charts.goodput import GROUPS, goodput_figure
from qcqueue.reports.page.goodput import goodput_table
from qcqueue.reports.page.style import style

WHOLE = RIGHT - LEFT
OF_EACH = goodput_of([{part.value: 10.0 for part in Part}])
NOT_HELD = goodput_of([])
A_SESSION = goodput_of([{"boot": 20.0, "import": 10.0, "train": 60.0, "validate": 6.0, "upload_tail": 4.0}])


def drawn(*rows: tuple[str, Goodput]) -> ElementTree.Element:
    return ElementTree.fromstring(goodput_figure(rows).svg)


def segments(figure: ElementTree.Element) -> list[ElementTree.Element]:
    return [rect for rect in figure.iter("rect") if rect.attrib.get("class") == "segment"]


def table(*rows: tuple[str, Goodput]) -> list[list[str]]:
    """Return the text of each cell of each row of the body."""
    found = ElementTree.fromstring(goodput_table(rows))
    return [[" ".join(cell.itertext()) for cell in row] for row in found.iterfind(".//tbody/tr")]


def heads(goodput: Goodput) -> Sequence[ElementTree.Element]:
    return list(ElementTree.fromstring(goodput_table([("vgg16", goodput)])).iterfind(".//thead/tr/th"))


def test_the_groups_hold_every_part_once_in_at_most_seven_colours() -> None:
    parts = [part for group in GROUPS for part in group.parts]
    assert sorted(parts) == sorted(Part)
    assert len({group.paint for group in GROUPS}) == len(GROUPS) <= 7


def test_every_colour_is_one_of_the_page_so_that_it_has_a_light_and_a_dark_face() -> None:
    for group in GROUPS:
        for name in re.findall(r"var\((--[\w-]+)\)", group.paint):
            assert style().count(f"{name}:") == 3  # light, dark and print
        assert "#" not in group.paint


def test_a_bar_has_the_length_of_each_share_and_no_hole() -> None:
    found = segments(drawn(("vgg16", OF_EACH)))
    assert [float(rect.attrib["width"]) / WHOLE for rect in found] == pytest.approx(
        [len(group.parts) / 16 for group in GROUPS], abs=1e-3
    )
    at = float(LEFT)
    for rect in found:
        assert float(rect.attrib["x"]) == pytest.approx(at, abs=0.02)
        at += float(rect.attrib["width"])
    assert at == pytest.approx(RIGHT, abs=0.1)


def test_what_was_of_use_comes_first() -> None:
    first, *_ = segments(drawn(("vgg16", A_SESSION)))
    assert first.findtext("title") == "train: 60.0 %, 1 min 00 s"


def test_what_took_no_time_is_not_drawn() -> None:
    assert [rect.findtext("title") for rect in segments(drawn(("vgg16", goodput_of([{"idle": 5.0}]))))] == [
        "waiting: 100.0 %, 5.0 s"
    ]


def test_a_job_that_held_no_machine_has_a_name_and_no_bar() -> None:
    figure = drawn(("vgg16", NOT_HELD))
    assert segments(figure) == []
    assert "no machine held yet" in "".join(figure.itertext())


def test_it_says_in_words_what_it_shows() -> None:
    svg = drawn(("vgg16", A_SESSION), ("resnet", NOT_HELD))
    named = {element.attrib["id"]: element.text for element in svg if "id" in element.attrib}
    assert svg.attrib["role"] == "img"
    assert [named[name] for name in svg.attrib["aria-labelledby"].split()] == [
        "Where held time went, in percent of it",
        "One bar each, split into train, validate, start-up, stall, waiting, lost and redone. "
        "vgg16: goodput 66.0 % of 1 min 40 s; resnet: no machine held yet. The values stand in the table.",
    ]


@pytest.mark.parametrize("count", [0, 1, 6, 40])
def test_all_that_is_drawn_lies_inside_the_frame(count: int) -> None:
    svg = drawn(*[(f"job-{place}" * 9, OF_EACH) for place in range(count)])
    height = float(svg.attrib["viewBox"].split()[3])
    for rect in segments(svg):
        assert 0 <= float(rect.attrib["x"]) <= float(rect.attrib["x"]) + float(rect.attrib["width"]) <= WIDTH
        assert 0 <= float(rect.attrib["y"]) <= float(rect.attrib["y"]) + float(rect.attrib["height"]) <= height
    for text in svg.iter("text"):
        assert 0 <= float(text.attrib["x"]) <= WIDTH
        assert 0 <= float(text.attrib["y"]) <= height


def test_a_long_name_is_cut_and_kept_in_full_beside() -> None:
    name = "a-study-with-a-name-as-long-as-names-may-be"
    [label] = [text for text in drawn((name, OF_EACH)).iter("text") if "label" in text.attrib.get("class", "")]
    assert "".join(label.itertext()).removeprefix(name) == "a-study-with-a…s-may-be"
    assert label[0].text == name


def test_the_key_in_the_picture_names_what_a_colour_stands_for() -> None:
    figure = drawn(("vgg16", OF_EACH))
    shown = ["".join(text.itertext()) for text in figure.iter("text")]
    details = [title.text for title in figure.iter("title")]
    assert shown[0] == "train"
    assert [text for group in GROUPS for text in shown if text.endswith(group.name)] == shown[: len(GROUPS)]
    assert "start-up: boot, install, import, download, data, restore and compile" in details


def test_the_table_has_every_part_as_a_share_and_in_seconds() -> None:
    [row] = table(("vgg16", OF_EACH))
    assert row[:3] == ["vgg16", "2 min 40 s", "12.5 %"]
    assert row[3:] == ["6.2 % 10.0 s"] * 16


def test_what_took_no_time_is_a_zero_and_what_took_little_is_not() -> None:
    [row] = table(("vgg16", goodput_of([{"train": 10_000.0, "validate": 1.0}])))
    assert row[3:6] == ["100.0 % 2 h 47 min", "< 0.1 % 1.0 s", "0"]


def test_what_is_not_known_is_a_dash() -> None:
    [row] = table(("vgg16", NOT_HELD))
    assert row == ["vgg16", *["–"] * 18]


def test_every_part_has_its_meaning_at_its_head() -> None:
    assert sorted(head.attrib["title"] for head in heads(OF_EACH) if "title" in head.attrib) == sorted(
        part.meaning for part in Part
    )


def test_the_heads_span_as_many_columns_as_a_row_has() -> None:
    [row] = table(("vgg16", OF_EACH))
    upper = [head for head in heads(OF_EACH) if head.attrib.get("class") != "unit"]
    assert sum(int(head.attrib.get("colspan", 1)) for head in upper) == len(row)


def test_a_hostile_name_stays_text() -> None:
    hostile = '"><script>alert(1)</script>'
    for markup in (goodput_figure([(hostile, OF_EACH)]).svg, goodput_table([(hostile, OF_EACH)])):
        assert "<script" not in markup
        assert hostile in "".join(ElementTree.fromstring(markup).itertext())
