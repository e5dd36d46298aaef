"""Plain columns for a terminal. Written here because importing a table library would double the time to answer."""

import os
import sys
from collections.abc import Sequence

from qcqueue.cli.streams import as_written, takes
from qcqueue.text.suggest import printable

COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def columns(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Return one line a row, cells padded to the widest of their column; `right` columns are right-aligned.

    Whatever a cell holds, it stays one line and gives no orders to the terminal.
    """
    rows = [[as_written(printable(cell)) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))] if rows else []
    return [
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def bar(done: int, total: int, width: int = 12) -> str:
    """Return a bar that is full only when all is done."""
    filled = 0 if total == 0 else min(width, done * width // total)
    full, empty = "█·" if takes("█·") else "#."
    return full * filled + empty * (width - filled)


def colour(text: str, name: str) -> str:
    """Colour a text on a terminal; leave it alone elsewhere and under NO_COLOR."""
    return f"\033[{COLOURS[name]}m{printable(text)}\033[0m" if _coloured() else text


def _coloured() -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or bool(sys.stdout and sys.stdout.isatty())
