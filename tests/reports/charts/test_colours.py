"""The colours of models stay apart for every kind of sight, can be read as text, and are written out for files."""

from collections.abc import Mapping
from itertools import combinations

import pytest

from qcqueue.reports.charts.goodput import GROUPS
from qcqueue.reports.palette import DARK, LIGHT, dash, paint, tint, written_out
from tests.reports.charts.perception import SIGHTS, contrast, distance

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
    paints = [written_out(group.paint, colours) for group in GROUPS]
    assert min(distance(one, other, sight) for one, other in combinations(paints, 2)) >= 0.09


@LIGHTS
@pytest.mark.parametrize("sight", SIGHTS)
def test_more_and_less_look_different_to_everyone(colours: Mapping[str, str], sight: str) -> None:
    assert distance(colours["cool"], colours["warm"], sight) >= 0.1


def test_models_of_one_colour_differ_in_their_dashes() -> None:
    looks = [(paint(index), dash(index)) for index in range(12)]
    assert len(set(looks)) == 12


def test_mixtures_are_written_out() -> None:
    assert written_out(tint("var(--ink)", 0.5), {"ink": "#000000", "paper": "#ffffff"}) == "#808080"
    assert written_out("fill:var(--ink)", {"ink": "#000000"}) == "fill:#000000"


def test_a_name_that_is_no_colour_is_an_error() -> None:
    with pytest.raises(KeyError):
        written_out("var(--nowhere)")
