"""The keys of a profile: what each may be, and how the hours of a figure become its value and its words.

A reader takes one TOML value, or refuses it in half a sentence: what was found and what is allowed.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from qcqueue.core.study_keys import Reader, Refused, one_of, real_number
from qcqueue.core.words import HOUR_S
from qcqueue.scheduling.profiles.base import Allowance, Confidence
from qcqueue.scheduling.spread import Basis, Spread

LONGEST_TEXT = 200
YEAR_H = 366 * 24
# Half a minute. Sessions that take no time at all would be planned without end.
LEAST_H = 0.01


def read_text(value: Any) -> str:
    """Read a title, a note or a source: one line that a person can read."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > LONGEST_TEXT:
        raise Refused(value, f"is text in quotes, of one line and up to {LONGEST_TEXT} characters")
    return value


def read_day(value: Any) -> date:
    """Read a day; a time of day is not one."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise Refused(value, "is a day such as 2026-11-23, without quotes")
    return value


def read_variables(value: Any) -> tuple[str, ...]:
    """Read the names of environment variables."""
    names = value if isinstance(value, list) else []
    if not names or not all(isinstance(name, str) and re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in names):
        raise Refused(value, 'is a list of variables such as ["SLURM_JOB_ID"]')
    return tuple(names)


def read_confidence(value: Any) -> Confidence:
    """Read how much a figure is worth."""
    return Confidence(one_of(Confidence)(value))


HOURS_OR_NONE = real_number(f"of hours from 0 up to {YEAR_H}", lambda hours: 0 <= hours <= YEAR_H)
HOURS = real_number(f"of hours from {LEAST_H} up to {YEAR_H}", lambda hours: LEAST_H <= hours <= YEAR_H)

# The keys that make the value of a figure, the least first: none may be more than the one after it.
FIGURES: Mapping[str, Mapping[str, Reader]] = {
    "session": {"low_hours": HOURS_OR_NONE, "likely_hours": HOURS, "high_hours": HOURS},
    "ceiling": {"hours": HOURS},
    "window": {"allowed_hours": HOURS, "period_hours": HOURS},
    "cool_off": dict.fromkeys(("low_hours", "likely_hours", "high_hours"), HOURS_OR_NONE),
}
PROVENANCE: Mapping[str, Reader] = {"source": read_text, "checked": read_day, "confidence": read_confidence}
WORDS: Mapping[str, Reader] = {"title": read_text, "note": read_text}
DETECT: Mapping[str, Reader] = {
    "environment": read_variables,
    "environment_unset": read_variables,
    "user": read_text,
}


def value_of(figure: str, hours: Sequence[float], basis: Basis) -> Spread | Allowance | float:
    """Return the value that the keys of a figure make, in seconds."""
    match figure, [hour * HOUR_S for hour in hours]:
        case "window", [allowed_s, period_s]:
            return Allowance(allowed_s=allowed_s, period_s=period_s, basis=basis)
        case "ceiling", [ceiling_s]:
            return ceiling_s
        case _, [low_s, likely_s, high_s]:
            return Spread(low_s=low_s, likely_s=likely_s, high_s=high_s, basis=basis)
    raise AssertionError(f"{figure} is not made of {len(hours)} numbers")


def said_of(figure: str, hours: Sequence[float]) -> str:
    """Return the value of a figure as it is written in its file: "1 to 5 h, likely 2 h", "30 h in any 168 h"."""
    match figure, hours:
        case "window", [allowed, period]:
            return f"{allowed:g} h in any {period:g} h"
        case "ceiling", [ceiling]:
            return f"{ceiling:g} h"
        case _, [low, likely, high] if low < high:
            return f"{low:g} to {high:g} h, likely {likely:g} h"
        case _:
            return f"{hours[0]:g} h"
