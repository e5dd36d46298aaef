"""A matrix has each value in its place, a dash where there is none, and words that can be read on every ground."""

import math
import re

import pytest

from qcqueue.reports.charts.heatmap import Cell, Heatmap, draw
from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.palette import DARK, LIGHT, heat, model_heat, paint, written_out
from tests.reports.charts.gallery import LONG_CLASSES, TWELVE, confusion, pairs
from tests.reports.charts.parsed import number_of, parse, words_of
from tests.reports.charts.perception import contrast


def drawn(*rows: tuple[Cell, ...], names: tuple[str, ...] = ("good", "fair")) -> Picture:
    return draw(
        Heatmap(key="a", title="title", description="description", row_names=names, column_names=names, cells=rows)
    )


def grounds(one: Picture) -> list[str]:
    return [rect.attrib["style"].removeprefix("fill:") for rect in parse(one).iter("rect")]


def test_each_value_stands_in_the_middle_of_its_cell() -> None:
    row = (Cell(share=0.1, text="first"), Cell(share=0.9, text="second"))
    svg = parse(drawn(row, row))
    for group in svg.iter("g"):
        for rect in group.iterfind("rect"):
            [text] = group.iter("text")
            assert number_of(text, "x") == pytest.approx(number_of(rect, "x") + number_of(rect, "width") / 2, abs=0.02)
            assert 0 < number_of(text, "y") - number_of(rect, "y") < number_of(rect, "height")
    assert len({number_of(rect, "x") for rect in svg.iter("rect")}) == 2
    assert len({number_of(rect, "y") for rect in svg.iter("rect")}) == 2


def test_above_nothing_is_blue_below_is_orange_and_nothing_is_paper() -> None:
    one = drawn((Cell(share=1.0, text="1"), Cell(share=-1.0, text="−1")), (Cell(share=0.0, text="0"),) * 2)
    assert [written_out(ground) for ground in grounds(one)] == [
        LIGHT["cool"].lower(),
        LIGHT["warm"].lower(),
        LIGHT["paper"],
        LIGHT["paper"],
    ]


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_a_missing_value_is_a_dash_on_plain_ground(missing: float | None) -> None:
    one = drawn((Cell(share=missing, text=""), Cell(share=0.5, text="x")))
    assert "–" in [word.text for word in words_of(parse(one))]
    assert grounds(one)[0] == "var(--raised)"


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_ink_can_be_read_on_every_ground(colours: dict[str, str]) -> None:
    shares = [step / 50 for step in range(-50, 51)]
    found = [heat(share) for share in shares]
    found += [model_heat(share, paint(index)) for share in shares for index in range(8)]
    assert min(contrast(colours["ink"], written_out(ground, colours)) for ground in found) >= 4.5
    assert contrast(colours["quiet"], colours["raised"]) >= 4.5


def test_few_short_names_are_level_and_many_or_long_ones_turned() -> None:
    turned = {
        name: set(re.findall(r"rotate\((\S+) ", one.svg))
        for name, one in (
            ("few", confusion(("good", "fair", "reject"))),
            ("long", confusion(LONG_CLASSES)),
            ("many", pairs(TWELVE)),
        )
    }
    assert turned == {"few": set(), "long": {"-55"}, "many": {"-90"}}


def test_a_picture_grows_where_its_values_would_not_fit() -> None:
    wide = Cell(share=0.1, text="1,234,567.89")
    names = tuple(f"model {place}" for place in range(9))
    assert drawn((Cell(share=0.1, text="1"),) * 9, names=names).width == 400
    assert drawn((wide,) * 9, names=names).width > 400
