"""Where time went, in sentences: the largest first, little told as little, and nothing said that is not known."""

import pytest

from qcqueue.core.goodput import Part, goodput_of, queue_said, session_said, start_said
from qcqueue.text.humanize import whole_percent

A_SESSION = {"compile": 22.0, "import": 3.1, "train": 2.6, "validate": 2.5, "stall": 0.3, "restore": 0.01}


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.0, "0 %"), (0.001, "< 1 %"), (0.155, "16 %"), (0.9, "90 %"), (0.999, "> 99 %"), (1.0, "100 %")],
)
def test_only_nothing_is_0_and_only_all_is_100(share: float, said: str) -> None:
    assert whole_percent(share) == said


def test_a_session_says_where_its_seconds_went() -> None:
    said = "This session: 31 s, 17 % of it saved training (details: show)"
    assert session_said(goodput_of([A_SESSION])) == said
    assert session_said(goodput_of([])) == "This session: 0 s, 0 % of it saved training (details: show)"


@pytest.mark.parametrize(
    ("held_s", "said"),
    [
        (59.4, "59 s"),
        (59.6, "1 min"),
        (122.0, "2 min"),
        (3568.0, "59 min"),
        (3580.0, "1 h 00 min"),
        (4000, "1 h 07 min"),
    ],
)
def test_a_session_lasted_so_many_seconds_minutes_or_hours(held_s: float, said: str) -> None:
    assert session_said(goodput_of([{"train": held_s}])) == (
        f"This session: {said}, 100 % of it saved training (details: show)"
    )


def test_a_queue_says_what_was_of_use_and_the_worst_of_the_rest() -> None:
    held = goodput_of([{"train": 21600.0, "validate": 120.0, "compile": 720.0, "import": 360.0, "boot": 300.0}])
    assert queue_said(held) == (
        "94 % of 6 h 25 min saved training; most of the rest: compile 12 min 00 s and import 6 min 00 s."
    )
    assert queue_said(goodput_of([{"train": 10.0}])) == "100 % of 10.0 s saved training."


def test_what_a_person_reads_needs_no_explanation() -> None:
    waited = goodput_of([{"train": 10.0, "contention": 5.0, "upload_tail": 2.0}])
    assert queue_said(waited) == (
        "59 % of 17.0 s saved training; the rest: waiting for the queue 5.0 s and last uploads 2.0 s."
    )


def test_a_first_step_says_what_lay_before_it_and_not_what_came_after() -> None:
    seconds = {"import": 3.1, "data": 0.2, "compile": 22.0, "train": 99.0, "stall": 5.0}
    assert start_said(seconds, resumes=False) == "first step after 25.3 s: import 3.1 s, data 200 ms, compile 22.0 s"


def test_a_state_that_came_in_time_has_cost_nothing() -> None:
    seconds = {"import": 3.1, "compile": 22.0, "restore": 0.2, "download": 0.01}
    hidden = "first step after 25.3 s: import 3.1 s, compile 22.0 s, restore 200 ms, download hidden"
    assert start_said(seconds, resumes=True) == hidden
    waited = start_said({**seconds, "download": 4.0}, resumes=True)
    assert waited == "first step after 29.3 s: import 3.1 s, compile 22.0 s, restore 200 ms, download 4.0 s"


def test_before_anything_is_compiled_there_was_no_step() -> None:
    assert start_said({Part.IMPORT: 3.0}, resumes=True) is None
