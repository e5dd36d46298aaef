"""The days of a study: a time without a machine is called a cool-off by nobody, and told from a kill only after one."""

from dataclasses import replace

from qcqueue.queue.sessions import SessionLine
from qcqueue.reports.figures.time import time_pictures
from qcqueue.reports.quantities.findings import findings_of
from tests.reports.charts.parsed import parse, words_of
from tests.reports.studies import START_S, some_sessions, the_study

HOUR_S = 3600.0


def later(line: SessionLine, name: str, by_s: float) -> SessionLine:
    """The same session so much later."""
    ended_at_s = None if line.ended_at_s is None else line.ended_at_s + by_s
    attempts = tuple(
        replace(it, started_at_s=it.started_at_s + by_s, ended_at_s=it.ended_at_s + by_s if it.ended_at_s else None)
        for it in line.attempts
    )
    return replace(
        line,
        id=name,
        started_at_s=START_S + by_s,
        ended_at_s=ended_at_s,
        seen_at_s=START_S + by_s + 360.0,
        attempts=attempts,
    )


def test_a_gap_is_no_machine_and_one_after_a_kill_says_so() -> None:
    left, killed = some_sessions()
    sessions = (
        left,
        later(killed, "killed", 10 * HOUR_S),
        later(left, "last", 30 * HOUR_S),
    )
    [picture] = [it for it in time_pictures(findings_of(the_study(sessions=sessions))) if it.key == "timeline"]
    svg = parse(picture)
    titles = [title.text or "" for title in svg.iter("title")]
    gaps = [title for title in titles if title.startswith("no machine")]
    assert [title.rpartition(",")[0] for title in gaps] == ["no machine", "no machine after a kill"]
    assert "no machine" in [word.text for word in words_of(svg)]
    assert "cool-off" not in picture.svg
