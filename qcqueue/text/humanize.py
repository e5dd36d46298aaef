"""Times, sizes, dates and counts as a person says them; the CLI and the report speak with one voice.

Everything here is pure: the present is a parameter, months are English whatever the machine's language, and a
zone is the machine's own unless one is given. `iso` is for machines; the rest is for reading and never parsed.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S

EARLIEST_S, LATEST_S = -6e10, 2.5e11
"""The years 68 to 9892: what a calendar can show in every zone. A moment beyond them is shown as the last of them."""

_FIRST_S, _LAST_S = -62_135_596_800.0, 253_402_300_799.0
"""The first and the last second of all that ISO 8601 can write with four digits."""

SOON_S = 5 * MINUTE_S
"""Nothing is foreseen that is nearer than this: whoever looks sees it by then."""

_STEPS = ((2 * HOUR_S, 5 * MINUTE_S), (12 * HOUR_S, 30 * MINUTE_S))
"""How finely a moment to come is said: up to so far ahead, to so much; what is further, to the hour."""

UNKNOWN = "–"
"""What stands for a number that is not known; a zero would be one."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SIZES = ("kB", "MB", "GB", "TB", "PB")


def duration(seconds: float) -> str:
    """Return a span of time to about three digits: "48 ms", "3.2 s", "1 min 05 s", "2 h 10 min", "3 days 4 h"."""
    if seconds < 0:
        # Two machines' clocks were compared; a minus shows it, a zero would hide it.
        return f"−{duration(-seconds)}"
    # Each limit is where rounding would reach the next unit, so that nothing reads "1000 ms" or "60.0 s".
    if seconds < 0.9995:
        return _milliseconds(seconds * 1000)
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if round(seconds) < HOUR_S:
        minutes, rest_s = divmod(round(seconds), MINUTE_S)
        return f"{minutes} min {rest_s:02d} s"
    if round(seconds / MINUTE_S) < 24 * 60:
        hours, rest_min = divmod(round(seconds / MINUTE_S), 60)
        return f"{hours} h {rest_min:02d} min"
    days, rest_h = divmod(round(seconds / HOUR_S), 24)
    return f"{count(days, 'day')} {rest_h} h" if rest_h else count(days, "day")


def size(size_bytes: int) -> str:
    """Return a number of bytes in decimal units: "512 B", "1.6 GB", "84 MB"."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    value = float(size_bytes)
    for unit in _SIZES:
        value /= 1000
        if value < 9.95:
            return f"{value:.1f} {unit}"
        if value < 999.5 or unit == _SIZES[-1]:
            break
    return f"{value:,.0f} {unit}"


def ago(at_s: float, now_s: float) -> str:
    """Return how long ago something was: "just now", "3 min ago", "2 h ago", "5 days ago"; ahead, "in 3 min"."""
    gap_s = now_s - at_s
    # Clocks of two machines differ by seconds, so a little in the future is now as well.
    if abs(gap_s) < MINUTE_S:
        return "just now"
    span = _one_unit(abs(gap_s))
    return f"{span} ago" if gap_s > 0 else f"in {span}"


def moment(at_s: float, now_s: float, zone: tzinfo | None = None) -> str:
    """Return when something was, as seen at now_s: "3 min ago", "today 14:05", "yesterday 23:10", "21 Nov 14:05"."""
    if abs(now_s - at_s) < HOUR_S:
        return ago(at_s, now_s)
    at, now = _local(at_s, zone), _local(now_s, zone)
    return f"{_day(at, now)} {at:%H:%M}"


def by(at_s: float, now_s: float, zone: tzinfo | None = None) -> str:
    """Return a moment to come as finely as it can be foreseen, to stand after "by": "tomorrow 14:00", "30 Nov"."""
    if at_s <= now_s:
        return fixed(at_s, now_s, zone)
    step_s = next((step_s for limit_s, step_s in _STEPS if at_s - now_s < limit_s), HOUR_S)
    return fixed(_rounded(_local(at_s, zone), step_s).timestamp(), now_s, zone)


def fixed(at_s: float, now_s: float, zone: tzinfo | None = None) -> str:
    """Return a moment that is known, such as a deadline, as seen at now_s: "yesterday 12:07", "30 Nov"."""
    at, now = _local(at_s, zone), _local(now_s, zone)
    is_near = abs(at.date() - now.date()) <= timedelta(days=1)
    return f"{_day(at, now)} {at:%H:%M}" if is_near else _day(at, now)


def by_likely(likely_s: float, low_s: float, high_s: float, now_s: float, zone: tzinfo | None = None) -> str:
    """Return a foreseen moment with its range, where that is more than one moment: "22 Jun, 21 Jun to 26 Jun"."""
    likely, low, high = (by(at_s, now_s, zone) for at_s in (likely_s, low_s, high_s))
    return likely if low == high else f"{likely}, {low} to {high}"


def date(at_s: float, zone: tzinfo | None = None) -> str:
    """Return a day and time in full, the same whenever it is read: "21 Nov 2025 14:05"."""
    at = _local(at_s, zone)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year} {at:%H:%M}"


def iso(at_s: float) -> str:
    """Return ISO 8601 in UTC with milliseconds, for JSON: "2025-11-21T14:05:03.250Z"."""
    at = datetime.fromtimestamp(round(min(max(at_s, _FIRST_S), _LAST_S), 3), UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: "1 epoch", "3 epochs", "2,200 images"; `plural` where an s is not enough."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(share: float | None) -> str:
    """Return a share of 0..1 in percent, such as an accuracy; a dash for one that is not known."""
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def whole_percent(share: float) -> str:
    """Return a share that is known roughly, such as a chance, as whole percent; only all is 100, only nothing is 0."""
    if 0 < share < 0.01:
        return "< 1 %"
    return "> 99 %" if 0.99 < share < 1 else f"{100 * share:.0f} %"


def listed(items: Sequence[str], *, last: str = "and") -> str:
    """Return "a", "a and b" or "a, b and c"; nothing for no items."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def _milliseconds(value_ms: float) -> str:
    if value_ms == 0:
        return "0 s"
    return f"{value_ms:.1f} ms" if value_ms < 9.95 else f"{value_ms:.0f} ms"


def _one_unit(seconds: float) -> str:
    """Return a span cut down to its largest unit: after 119 s only one minute has passed."""
    if seconds < HOUR_S:
        return f"{int(seconds // MINUTE_S)} min"
    return f"{int(seconds // HOUR_S)} h" if seconds < DAY_S else count(int(seconds // DAY_S), "day")


def _local(at_s: float, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(min(max(at_s, EARLIEST_S), LATEST_S), UTC).astimezone(zone)


def _rounded(at: datetime, step_s: int) -> datetime:
    """Return the nearest moment that is a whole number of steps after midnight, the earlier of two."""
    rest_s = (at - at.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds() % step_s
    return at + timedelta(seconds=-rest_s if rest_s <= step_s / 2 else step_s - rest_s)


def _day(at: datetime, now: datetime) -> str:
    named = {
        now.date() - timedelta(days=1): "yesterday",
        now.date(): "today",
        now.date() + timedelta(days=1): "tomorrow",
    }
    if at.date() in named:
        return named[at.date()]
    day = f"{at.day} {_MONTHS[at.month - 1]}"
    return day if at.year == now.year else f"{day} {at.year}"
