"""What `doctor` finds: one thing it looked at, how that is, and what to do about it.

What every kind of store is asked is judged here, all else where it is looked at. A problem is an error that another
command would end with, so it has that error's sentence and exit code.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from qcqueue.app.context import QueueContext
from qcqueue.app.space_check import ADVICE, whose
from qcqueue.errors import QcqueueError, StoreFull
from qcqueue.text.humanize import ago, count, duration, size

# A large model's state takes 650 MB; the last two, the best one and the next one lie there at the same time.
ROOM_BYTES = 3_000_000_000
CLOCK_OFF_S = 300.0

DOCTOR = "qcqueue doctor"
ODD = "run it again in a minute; if it still says so, report this sentence"


class CheckStatus(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """hint: what to type or click. exit_code: what a command that meets this problem ends with."""

    what: str
    verdict: CheckStatus
    says: str
    hint: str | None = None
    exit_code: int = 0


def fine(what: str, says: str) -> Finding:
    return Finding(what=what, verdict=CheckStatus.OK, says=says)


def warning(what: str, says: str, hint: str) -> Finding:
    return Finding(what=what, verdict=CheckStatus.WARNING, says=says, hint=hint)


def problem(what: str, error: QcqueueError) -> Finding:
    """Whoever already asks the doctor is not sent there."""
    hint = ODD if error.hint in (None, DOCTOR) else error.hint
    return Finding(what=what, verdict=CheckStatus.PROBLEM, says=str(error), hint=hint, exit_code=error.exit_code)


def room(what: str, where: str, free_bytes: int | None, *, needed_bytes: int, hint: str) -> Finding:
    """Judge free space, None being without a limit. needed_bytes: without so much, nothing works."""
    if free_bytes is None:
        return fine(what, f"{where}, without a limit")
    says = f"{where}, {size(free_bytes)} free"
    if free_bytes < needed_bytes:
        return problem(what, StoreFull(f"{says}: nothing can be saved", hint=hint))
    return fine(what, says) if free_bytes >= ROOM_BYTES else warning(what, f"{says}: large models need more", hint)


def forecast_of(place: QueueContext, free_bytes: int | None) -> Iterator[Finding]:
    """Judge whether what is still to run fits; nothing where nothing is, or where the queue cannot be read."""
    from qcqueue.core.space_forecast import forecast
    from qcqueue.queue.pending import unfinished

    try:
        with place.read() as tx:
            needs = forecast(unfinished(tx))
    except QcqueueError:  # which `database_of` says
        return
    if not needs.jobs:
        return
    free = "there is no limit" if free_bytes is None else f"{size(free_bytes)} are free"
    says = f"{whose(needs)} will take about {size(needs.more_bytes)} more, and {free}"
    if free_bytes is None or needs.more_bytes <= free_bytes:
        yield fine("forecast", says)
    else:
        yield warning("forecast", f"{says}: work stops when it is full", ADVICE)


def clock_against(theirs_s: float, now_s: float, whose: str) -> Finding:
    """Judge this machine's clock by another one's."""
    off_s = now_s - theirs_s
    if abs(off_s) <= CLOCK_OFF_S:
        return fine("clock", f"goes with {whose}")
    says = f"this machine's clock is {duration(abs(off_s))} {'ahead of' if off_s > 0 else 'behind'} {whose}"
    return warning("clock", says, "switch on automatic date and time in the settings of this machine")


def database_of(place: QueueContext) -> Finding:
    """Read the queue, as `status` would."""
    from qcqueue.queue.job_lines import job_lines

    try:
        with place.read() as tx:
            lines = job_lines(tx)
    except QcqueueError as exc:
        return problem("database", exc)
    jobs, now_s = count(len(lines), "job"), place.clock.now_s()
    if behind := place.behind():
        says = f"{jobs}, as this machine last saw them, {ago(behind.since_s, now_s)}: {behind.why}"
        return warning("database", says, "try again when the store answers")
    changed = f", changed {ago(max(line.updated_at_s for line in lines), now_s)}" if lines else ""
    return fine("database", f"{jobs}{changed}")
