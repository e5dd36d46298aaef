"""A calendar entry for the next likely window (RFC 5545). It reminds, and does nothing else.

A queue has one entry: its UID is made of the queue's name, so the entry of today takes the place of yesterday's where
both are imported. Always true: a file that qcqueue has not written is not replaced.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from qcqueue.app.plan import Plan
from qcqueue.errors import UserError
from qcqueue.stores.files import move_whole, unfinished
from qcqueue.text.humanize import DAY_S, MINUTE_S, count, date, duration

PRODUCT = "-//qcqueue//plan//EN"
LONGEST_LINE_BYTES = 75


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEvent:
    """One window that is likely to come. Moments are seconds since the epoch.

    queue: names the queue for ever, such as by its URL. title: one line; says: the lines below it.
    """

    queue: str
    title: str
    says: Sequence[str]
    begins_s: float
    ends_s: float
    made_at_s: float


def come_back(plan: Plan, *, queue: str) -> CalendarEvent:
    """Return the entry for the next window of a plan. Raises: UserError: there is nothing to wait for."""
    stats, likely = plan.seen.stats, plan.next_gpu
    if not stats.lends_gpus:
        raise UserError(
            f"nothing is known to keep a GPU away ({stats.profile.title}), so there is no window to wait for",
            hint="qcqueue work",
        )
    if stats.quota.is_spent:
        raise UserError("no GPU time is left, and when more comes is not known", hint="qcqueue quota")
    begins_s = likely.p50_s if likely else plan.now_s
    held_s = min(plan.life.quantile(0.5), DAY_S)
    return CalendarEvent(
        queue=queue,
        title="qcqueue: a GPU is likely to be had",
        says=tuple(_says(plan)),
        begins_s=begins_s,
        ends_s=begins_s + held_s,
        made_at_s=plan.now_s,
    )


def calendar_text(entry: CalendarEvent) -> str:
    """Return a calendar with this entry and a reminder at its beginning. It does not block the time."""
    uid = hashlib.sha256(entry.queue.encode()).hexdigest()[:32]
    made, title = _utc(entry.made_at_s), _escaped(entry.title)
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{PRODUCT}",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{uid}@qcqueue",
        f"DTSTAMP:{made}",
        f"LAST-MODIFIED:{made}",
        f"SEQUENCE:{int(entry.made_at_s // MINUTE_S)}",
        f"DTSTART:{_utc(entry.begins_s)}",
        f"DTEND:{_utc(max(entry.ends_s, entry.begins_s + MINUTE_S))}",
        f"SUMMARY:{title}",
        f"DESCRIPTION:{_escaped(chr(10).join(entry.says))}",
        "TRANSP:TRANSPARENT",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        "TRIGGER:PT0S",
        f"DESCRIPTION:{title}",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{part}\r\n" for line in lines for part in _folded(line))


def write_calendar(path: Path, entry: CalendarEvent) -> None:
    """Write the calendar to a file, whole. Raises: UserError: there is another file, or it cannot be written."""
    try:
        if path.exists() and not (path.is_file() and _is_ours(path)):
            raise UserError(f"{path} exists and is no calendar of qcqueue", hint="qcqueue plan --ics come-back.ics")
        with unfinished(path.absolute().parent) as writing:
            writing.write(calendar_text(entry).encode())
            move_whole(writing, path)
        path.chmod(0o644)
    except OSError as exc:
        hint = "qcqueue plan --ics FILE, in a folder that is there"
        raise UserError(f"{path} cannot be written: {exc.strerror}", hint=hint) from exc


def _says(plan: Plan) -> Iterator[str]:
    if likely := plan.next_gpu:
        span = f"between {date(likely.p10_s)} and {date(likely.p90_s)}"
        yield f"Likely from {date(likely.p50_s)} on, {span} ({likely.basis})."
    else:
        yield f"A GPU can be had now, as far as is known ({plan.seen.stats.quota.returns_because.basis})."
    yield "Open the notebook and run its cell, or type: qcqueue work"
    left = f"{count(len(plan.rows), 'job')}, about {duration(plan.left_s)} of training ({plan.known})"
    done = plan.forecast.all
    by = f"; likely done by {date(plan.now_s + done.p50_s)} ({plan.label})" if done else ""
    yield f"Left: {left}{by}."
    if first := next(iter(plan.forecast.jobs), None):
        yield f"Likely the first to be done: {first}."
    yield "This is a forecast, and nothing is done for you: qcqueue keeps no session alive."


def _is_ours(path: Path) -> bool:
    with path.open("rb") as reading:
        return f"PRODID:{PRODUCT}\r\n".encode() in reading.read(200)


def _utc(at_s: float) -> str:
    """Return the second that `humanize.iso` names too, which rounds to milliseconds."""
    return f"{datetime.fromtimestamp(round(at_s, 3), UTC):%Y%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    """Return a text as a value, where some characters would end it or begin a line."""
    text = "".join(char for char in text.replace("\r\n", "\n") if char == "\n" or char.isprintable())
    for char in "\\;,":
        text = text.replace(char, f"\\{char}")
    return text.replace("\n", "\\n")


def _folded(line: str) -> Iterator[str]:
    """Cut a line into parts of at most 75 octets, none within a character; all but the first begin with a space."""
    part, used = "", 0
    for char in line:
        size = len(char.encode())
        if used + size > LONGEST_LINE_BYTES:
            yield part
            part, used = " ", 1
        part, used = part + char, used + size
    yield part
