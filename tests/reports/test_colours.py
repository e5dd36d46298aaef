"""The colours of models stay apart for every kind of sight, can be read as text, and are written out for files."""

from collections.abc import Mapping
from itertools import combinations

import pytest

from qcqueue.reports.palette import DARK, LIGHT, dash, paint, paint_of_time, resolved
from qcqueue.reports.tables.goodput import GROUPS
from tests.reports.perception import SIGHTS, contrast, distance

LIGHTS = pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])


@LIGHTS
def test_every_colour_of_words_can_be_read_on_its_ground(colours: Mapping[str, str]) -> None:
    words = [f"model-{index}" for index in range(8)] + ["ink", "quiet", "link", "bad", "good", "busy"]
    assert min(contrast(colours[name], colours["paper"]) for name in words) >= 4.5


@LIGHTS
@pytest.mark.parametrize("sight", SIGHTS)
def test_the_first_six_models_stay_apart(colours: Mapping[str, str], sight: str) -> None:
    six = [colours[f"model-{index}"] for index in range(6)]
    assert min(distance(one, other, sight) for one, other in combinations(six, 2)) >= 0.1


@LIGHTS
@pytest.mark.parametrize("sight", SIGHTS)
def test_what_time_went_into_stays_apart(colours: Mapping[str, str], sight: str) -> None:
    paints = [colours[paint_of_time(group.kind)[len("var(--") : -1]] for group in GROUPS]
    assert not {colours[f"model-{index}"] for index in range(8)} & {*paints}
    assert min(distance(one, other, sight) for one, other in combinations(paints, 2)) >= 0.09


@LIGHTS
@pytest.mark.parametrize("sight", SIGHTS)
def test_more_and_less_look_different_to_everyone(colours: Mapping[str, str], sight: str) -> None:
    assert distance(colours["cool"], colours["warm"], sight) >= 0.1


def test_models_of_one_colour_differ_in_their_dashes() -> None:
    looks = [(paint(index), dash(index)) for index in range(12)]
    assert len(set(looks)) == 12


def test_no_two_names_have_one_colour_so_that_a_figure_can_be_told_its_names() -> None:
    assert len({colour.lower() for colour in LIGHT.values()}) == len(LIGHT) == len(DARK)


def test_names_are_written_out_in_styles_alone() -> None:
    markup = '<text style="fill:var(--ink)">var(--ink)</text>'
    assert resolved(markup, {"ink": "#000000"}) == '<text style="fill:#000000">var(--ink)</text>'


def test_a_name_that_is_no_colour_is_an_error() -> None:
    with pytest.raises(KeyError):
        resolved('<text style="fill:var(--nowhere)">')
