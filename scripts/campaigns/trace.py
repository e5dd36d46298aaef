"""A law from a trace: sessions that were written down, as CSV, one a line.

    begins_s,held_s
    0,7200
    86400,5400.5

The first column is when the session began, in seconds from any origin, or a date and time in ISO 8601; the second is
how many seconds it was held. A first line that names the columns may be left out, blank lines and those that begin
with # say nothing. The file is a stranger's: whatever stands in it, either a law comes back or one error that names
the line. Campaigns begin at any of its sessions, and after the last go on with the first, so each seed sees another
part of it.
"""

import csv
import itertools
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from qcqueue.clock import Rng
from qcqueue.errors import UserError
from qcqueue.planning.laws import Law, seen_as
from qcqueue.planning.windows import Window
from qcqueue.stores.regular import NotRegularError, read_regular
from qcqueue.text.humanize import DAY_S, count
from qcqueue.text.suggest import clipped

COLUMNS = ("begins_s", "held_s")
MOST_ROWS = 100_000
MOST_BYTES = 8 << 20
# From so many sessions, evenly chosen, it is learnt how long one lives.
MOST_LEARNT = 500
LONGEST_TRACE_S = 20 * 365.0 * DAY_S
# Beyond it, floats of seconds become too coarse; as a date, the year 33658.
LATEST_S = 1e12
FILE_HINT = "scripts/research FILE --trace FILE.csv, with begins_s,held_s in each line"
HINT = "write two columns, begins_s,held_s, such as 0,7200"


def read_trace(file: Path) -> Law:
    """Return the law of a trace. Raises: UserError: the file cannot be read, or its first line that is wrong."""
    try:
        text = read_regular(file, bytes_max=MOST_BYTES).decode("utf-8-sig")
    except NotRegularError as exc:
        raise UserError(f"{file} {exc}, and no trace", hint=FILE_HINT) from exc
    except UnicodeDecodeError as exc:
        raise UserError(f"{file} is not a text file in UTF-8 (byte {exc.start})", hint=FILE_HINT) from exc
    except OSError as exc:
        raise UserError(f"{file} cannot be read: {exc.strerror}", hint=FILE_HINT) from exc
    return law_of_trace(text, file=str(file))


def law_of_trace(text: str, *, file: str) -> Law:
    """Return the law of a trace. file: its name, for errors. Raises UserError: the first line that is wrong."""
    rows = _rows(text, file)
    held_s = math.fsum(length_s for _, length_s in rows)
    if held_s < len(rows):
        raise UserError(f"{file}: its sessions were held for less than a second on average", hint=HINT)
    round_s = _round_s(rows)
    return Law(
        name="trace",
        says=f"the {count(len(rows), 'session')} of {file}, from any of them on, again and again",
        mean_s=held_s / len(rows),
        windows=lambda rng: _from_anywhere(rows, round_s, rng),
        every_s=round_s / len(rows),
        life=seen_as(length_s for _, length_s in rows[:: 1 + len(rows) // MOST_LEARNT]),
    )


def _round_s(rows: Sequence[tuple[float, float]]) -> float:
    """Return from the first session to when it comes again.

    A trace does not say how long nothing came after its last session, so the mean wait is taken, or a day.
    """
    last_begins_s, last_s = rows[-1]
    span_s = last_begins_s - rows[0][0]
    waits_s = span_s - math.fsum(length_s for _, length_s in rows[:-1])
    return span_s + last_s + (max(0.0, waits_s) / (len(rows) - 1) if len(rows) > 1 else DAY_S)


def _from_anywhere(rows: Sequence[tuple[float, float]], round_s: float, rng: Rng) -> Iterator[Window]:
    first = rng.randrange(len(rows))
    for number in itertools.count(first):
        lap, row = divmod(number, len(rows))
        begins_s, held_s = rows[row]
        yield Window(begins_s=lap * round_s + begins_s - rows[first][0], held_s=held_s)


def _rows(text: str, file: str) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        for cells in reader:
            is_data = bool(cells) and not cells[0].lstrip().startswith("#")
            if is_data and not (not found and _are_names(cells)):
                _append(found, cells, f"{file}:{reader.line_num}")
    except csv.Error as exc:
        raise UserError(f"{file}:{reader.line_num}: not CSV: {exc}", hint=HINT) from exc
    if not found:
        raise UserError(f"{file} holds no session", hint=HINT)
    return found


def _are_names(cells: Sequence[str]) -> bool:
    return [cell.strip().lower() for cell in cells] == list(COLUMNS)


def _append(found: list[tuple[float, float]], cells: Sequence[str], where: str) -> None:
    if len(cells) != len(COLUMNS):
        raise UserError(f"{where}: {count(len(cells), 'column')} instead of two", hint=HINT)
    if len(found) == MOST_ROWS:
        raise UserError(f"{where}: more than {count(MOST_ROWS, 'session')}", hint="take a part of the trace")
    begins_s, held_s = _moment_s(cells[0], where), _seconds(cells[1], where)
    if held_s < 0:
        raise UserError(f"{where}: held_s {clipped(cells[1])} is less than nothing", hint=HINT)
    if found and begins_s < sum(found[-1]):
        raise UserError(f"{where}: it begins before the session above has ended", hint="sort the sessions by time")
    if begins_s + held_s - (found[0][0] if found else begins_s) > LONGEST_TRACE_S:
        raise UserError(f"{where}: it ends more than 20 years after the first began", hint=HINT)
    found.append((begins_s, held_s))


def _moment_s(cell: str, where: str) -> float:
    """Return a moment in seconds; a number first, for some numbers are dates without dashes as well."""
    try:
        moment_s = float(cell)
    except ValueError:
        moment_s = _date_s(cell, where)
    if not abs(moment_s) <= LATEST_S:  # neither infinite nor no number at all
        raise UserError(f"{where}: {clipped(cell)!r} is not a moment in seconds", hint=HINT)
    return moment_s


def _date_s(cell: str, where: str) -> float:
    try:
        at = datetime.fromisoformat(cell.strip())
    except ValueError as exc:
        raise UserError(f"{where}: {clipped(cell)!r} is neither seconds nor a date and time", hint=HINT) from exc
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _seconds(cell: str, where: str) -> float:
    try:
        seconds = float(cell)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise UserError(f"{where}: {clipped(cell)!r} is not a number of seconds", hint=HINT)
    return seconds
