"""The timeline has its blocks at their times, each end by its sign, and stays readable from minutes to weeks."""

from xml.etree import ElementTree

import pytest

from qcqueue.reports.charts.timeline import LEAST_WIDTH, LEFT, RIGHT, Block, Gap, JobRow, Timeline, draw
from qcqueue.reports.quantities.timeline import HowEnded
from qcqueue.text.humanize import DAY_S, HOUR_S, MINUTE_S
from tests.reports.charts.parsed import number_of, parse, plotted, words_of
from tests.reports.studies import START_S


def a_block(start_s: float, end_s: float, ending: HowEnded = HowEnded.LEFT) -> Block:
    return Block(start_s=START_S + start_s, end_s=START_S + end_s, ending=ending, said="session 1")


def drawn(*sessions: Block, lasted_s: float = 1000.0, gaps: tuple[Gap, ...] = ()) -> ElementTree.Element:
    return parse(
        draw(
            Timeline(
                key="a",
                title="title",
                description="description",
                start_s=START_S,
                end_s=START_S + lasted_s,
                sessions=sessions,
                sessions_said="",
                gaps=gaps,
                jobs=(JobRow(label="vgg16", paint="var(--model-1)", blocks=sessions, said=""),),
            )
        )
    )


def blocks(svg: ElementTree.Element) -> list[tuple[float, float]]:
    """Return where each block begins and ends, as shares of the whole; those of sessions first."""
    rects = plotted(svg, "rect")
    ends = [(number_of(rect, "x"), number_of(rect, "x") + number_of(rect, "width")) for rect in rects]
    return [((left - LEFT) / (RIGHT - LEFT), (right - LEFT) / (RIGHT - LEFT)) for left, right in ends]


def test_blocks_lie_at_their_times_in_the_row_of_sessions_and_of_their_job() -> None:
    found = blocks(drawn(a_block(100, 400), a_block(600, 1000)))
    assert found == [pytest.approx(ends, abs=1e-3) for ends in [(0.1, 0.4), (0.6, 1.0)] * 2]


def test_a_block_of_minutes_in_weeks_can_be_seen_and_begins_where_it_began() -> None:
    svg = drawn(a_block(10 * DAY_S, 10 * DAY_S + 3 * MINUTE_S), lasted_s=20 * DAY_S)
    assert blocks(svg)[0][0] == pytest.approx(0.5, abs=1e-3)
    assert number_of(plotted(svg, "rect")[0], "width") == LEAST_WIDTH


@pytest.mark.parametrize("ending", HowEnded)
def test_only_signs_that_occur_are_in_the_key(ending: HowEnded) -> None:
    said = [word.text for word in words_of(drawn(a_block(0, 10, ending)))]
    assert [sign for sign in HowEnded if sign.label in said] == [ending]
    assert "no machine" not in said


def test_a_kill_is_a_cross_at_the_end_of_its_block() -> None:
    svg = drawn(a_block(0, 500, HowEnded.KILLED))
    crosses = [path for path in plotted(svg, "path") if "var(--bad)" in path.attrib["style"]]
    assert len(crosses) == 2  # of the session, and of the job
    middle = (LEFT + RIGHT) / 2
    assert crosses[0].attrib["d"].startswith(f"M{middle - 2.6:g} ")


def a_gap(lasted_s: float) -> Gap:
    return Gap(start_s=START_S, end_s=START_S + lasted_s, said="no machine after a kill")


def test_a_gap_says_how_long_it_was_where_there_is_room() -> None:
    roomy = drawn(a_block(0, 10), lasted_s=1000, gaps=(a_gap(900),))
    narrow = drawn(a_block(0, 10), lasted_s=1000, gaps=(a_gap(60),))
    assert "15 min 00 s" in [word.text for word in words_of(roomy)]
    assert "1 min 00 s" not in [word.text for word in words_of(narrow)]
    assert [line.attrib["class"] for line in plotted(narrow, "line")].count("ideal") == 1


def test_a_gap_is_called_what_it_is_and_says_the_rest_to_whoever_points_at_it() -> None:
    svg = drawn(a_block(0, 10), gaps=(a_gap(900),))
    assert "no machine" in [word.text for word in words_of(svg)]
    assert "no machine after a kill" in [title.text for title in svg.iter("title")]


def test_its_axis_names_the_days_and_their_zone() -> None:
    assert "21 Nov 2025, UTC" in [word.text for word in words_of(drawn(a_block(0, 180), lasted_s=180))]
    weeks = drawn(a_block(0, 2 * HOUR_S), lasted_s=21 * DAY_S)
    assert {"21 Nov to 12 Dec 2025, UTC", "24 Nov", "10 Dec"} <= {word.text for word in words_of(weeks)}
