"""The calendar entry: read back by the rules of RFC 5545, whatever stands in it, and never put over another's file."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcqueue.app.calendar import CalendarEvent, calendar_text, write_calendar
from qcqueue.errors import UserError

ENTRY = CalendarEvent(
    queue="folder:/somewhere/queue",
    title="qcqueue: a GPU is likely to be had",
    says=("Likely tomorrow.", "Left: 6 jobs, about 4 h"),
    begins_s=1_800_000_000.0,
    ends_s=1_800_007_200.0,
    made_at_s=1_799_990_000.0,
)


def properties(text: str) -> dict[str, str]:
    """Read the entry as a calendar program does: unfold, then take name and value of each line; without the alarm."""
    event = text.replace("\r\n ", "").partition("BEGIN:VALARM")[0]
    return dict(line.split(":", 1) for line in event.split("\r\n") if line)


def unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), value)


def test_an_entry_has_what_every_calendar_asks_for() -> None:
    text = calendar_text(ENTRY)
    assert text.startswith("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//qcqueue//plan//EN\r\n")
    assert text.endswith("END:VEVENT\r\nEND:VCALENDAR\r\n")
    found = properties(text)
    assert found["DTSTART"] == "20270115T080000Z"
    assert found["DTEND"] == "20270115T100000Z"
    assert found["DTSTAMP"] == "20270115T051320Z"
    assert found["SUMMARY"] == "qcqueue: a GPU is likely to be had"
    assert unescaped(found["DESCRIPTION"]) == "Likely tomorrow.\nLeft: 6 jobs, about 4 h"
    assert found["TRANSP"] == "TRANSPARENT"
    assert "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:PT0S\r\n" in text


def test_a_queue_has_one_entry_of_which_the_newest_counts() -> None:
    later = replace(ENTRY, begins_s=ENTRY.begins_s + 9e4, ends_s=ENTRY.ends_s + 9e4, made_at_s=ENTRY.made_at_s + 60)
    before, after = properties(calendar_text(ENTRY)), properties(calendar_text(later))
    assert before["UID"] == after["UID"]
    assert int(after["SEQUENCE"]) == int(before["SEQUENCE"]) + 1
    other = properties(calendar_text(replace(ENTRY, queue="gdrive:another")))
    assert other["UID"] != before["UID"]
    assert "somewhere" not in before["UID"]


def test_a_window_of_no_length_is_a_minute_long() -> None:
    assert properties(calendar_text(replace(ENTRY, ends_s=ENTRY.begins_s)))["DTEND"] == "20270115T080100Z"


@given(title=st.text(), says=st.lists(st.text()))
def test_whatever_is_said_comes_back_and_no_line_is_too_long(title: str, says: list[str]) -> None:
    text = calendar_text(replace(ENTRY, title=title, says=says))
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    assert "\n" not in text.replace("\r\n", "")
    found = properties(text)
    assert unescaped(found["SUMMARY"]) == plain(title)
    assert unescaped(found["DESCRIPTION"]) == plain("\n".join(says))


def plain(text: str) -> str:
    return "".join(char for char in text.replace("\r\n", "\n") if char == "\n" or char.isprintable())


def test_a_file_is_written_whole_and_replaced_by_the_next(tmp_path: Path) -> None:
    file = tmp_path / "come-back.ics"
    write_calendar(file, ENTRY)
    assert file.read_bytes() == calendar_text(ENTRY).encode()
    assert file.stat().st_mode & 0o777 == 0o644
    newer = replace(ENTRY, made_at_s=ENTRY.made_at_s + 60)
    write_calendar(file, newer)
    assert file.read_bytes() == calendar_text(newer).encode()
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("content", [b"", b"BEGIN:VCALENDAR\r\nPRODID:-//other//EN\r\n", b"\xff" * 1000])
def test_a_file_of_another_is_left_alone(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "mine.ics"
    file.write_bytes(content)
    with pytest.raises(UserError, match="exists and is no calendar of qcqueue"):
        write_calendar(file, ENTRY)
    assert file.read_bytes() == content
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(UserError, match="exists and is no calendar"):
            write_calendar(place, ENTRY)
    with pytest.raises(UserError, match="cannot be written: No such file"):
        write_calendar(tmp_path / "nowhere" / "x.ics", ENTRY)
