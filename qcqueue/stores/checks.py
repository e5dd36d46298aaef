"""What looking at a store finds: one thing each, how that is, and what to do about it.

What every kind of store is asked is judged here, all else where it is looked at. A problem is an error that another
command would end with, so it has that error's sentence and exit code.
"""

from dataclasses import dataclass
from enum import StrEnum

from qcqueue.errors import QcqueueError, StoreFull
from qcqueue.text.humanize import duration, size

# A large model's state takes 650 MB; the last two, the best one and the next one lie there at the same time.
ROOM_BYTES = 3_000_000_000

# What the database itself and one small state take.
LEAST_BYTES = 50_000_000
CLOCK_OFF_S = 300.0

DOCTOR = "qcqueue doctor"
TIDY_DISK = "delete what you do not need from this disk"
ODD = "run it again in a minute; if it still says so, report this sentence"


class CheckStatus(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """hint: what to type or click. exit_code: what a command that meets this problem ends with."""

    what: str
    verdict: CheckStatus
    says: str
    hint: str | None = None
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The store answers for its queue. free_bytes: how much more it takes, None where it has no limit."""

    free_bytes: int | None


def fine(what: str, says: str) -> Check:
    return Check(what=what, verdict=CheckStatus.OK, says=says)


def warning(what: str, says: str, hint: str) -> Check:
    return Check(what=what, verdict=CheckStatus.WARNING, says=says, hint=hint)


def problem(what: str, error: QcqueueError) -> Check:
    """Whoever already asks the doctor is not sent there."""
    hint = ODD if error.hint in (None, DOCTOR) else error.hint
    return Check(what=what, verdict=CheckStatus.PROBLEM, says=str(error), hint=hint, exit_code=error.exit_code)


def room(what: str, where: str, free_bytes: int | None, *, needed_bytes: int, hint: str) -> Check:
    """Judge free space, None being without a limit. needed_bytes: without so much, nothing works."""
    if free_bytes is None:
        return fine(what, f"{where}, without a limit")
    says = f"{where}, {size(free_bytes)} free"
    if free_bytes < needed_bytes:
        return problem(what, StoreFull(f"{says}: nothing can be saved", hint=hint))
    return fine(what, says) if free_bytes >= ROOM_BYTES else warning(what, f"{says}: large models need more", hint)


def clock_against(theirs_s: float, now_s: float, whose: str) -> Check:
    """Judge this machine's clock by another one's."""
    off_s = now_s - theirs_s
    if abs(off_s) <= CLOCK_OFF_S:
        return fine("clock", f"goes with {whose}")
    says = f"this machine's clock is {duration(abs(off_s))} {'ahead of' if off_s > 0 else 'behind'} {whose}"
    return warning("clock", says, "switch on automatic date and time in the settings of this machine")
