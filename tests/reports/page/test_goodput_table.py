"""The table of held time has every part, its colour and its meaning."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from qcqueue.core.goodput import Goodput, Part, goodput_of
from qcqueue.reports.page.goodput import goodput_table
from qcqueue.reports.page.style import style
from qcqueue.reports.palette import paint_of_time
from qcqueue.reports.tables.goodput import GROUPS

OF_EACH = goodput_of([{part.value: 10.0 for part in Part}])
NOT_HELD = goodput_of([])


def table(*rows: tuple[str, Goodput]) -> list[list[str]]:
    """Return the text of each cell of each row of the body."""
    found = ElementTree.fromstring(goodput_table(rows))
    return [[" ".join(cell.itertext()) for cell in row] for row in found.iterfind(".//tbody/tr")]


def heads(goodput: Goodput) -> Sequence[ElementTree.Element]:
    return list(ElementTree.fromstring(goodput_table([("vgg16", goodput)])).iterfind(".//thead/tr/th"))


def test_the_groups_hold_every_part_once_in_at_most_seven_colours() -> None:
    parts = [part for group in GROUPS for part in group.parts]
    assert sorted(parts) == sorted(Part)
    assert len({paint_of_time(group.kind) for group in GROUPS}) == len(GROUPS) <= 7


def test_every_colour_is_one_of_the_page_so_that_it_has_a_light_and_a_dark_face() -> None:
    for group in GROUPS:
        for name in re.findall(r"var\((--[\w-]+)\)", paint_of_time(group.kind)):
            assert style().count(f"{name}:") == 3  # light, dark and print
        assert "#" not in paint_of_time(group.kind)


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
    markup = goodput_table([(hostile, OF_EACH)])
    assert "<script" not in markup
    assert hostile in "".join(ElementTree.fromstring(markup).itertext())
