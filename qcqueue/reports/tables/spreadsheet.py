"""A table as CSV, with every digit: for a spreadsheet, which must never take a name for a formula."""

import csv
import io
import re
import unicodedata
from collections.abc import Sequence

from qcqueue.reports.markup import visible
from qcqueue.reports.quantities.caveats import Note
from qcqueue.reports.tables.table import Marked, Table, Value

# What a spreadsheet takes for the beginning of a formula. Some separate cells by a semicolon, whatever the file says.
_SIGNS = tuple("=+-@")
_SEPARATOR = re.compile("([;\u037e\ufe54\uff1b])")


def to_csv(table: Table, notes: Sequence[Note]) -> str:
    """Return the table, UTF-8 and RFC 4180: keys, then rows of values; unknown is empty, the last column is `notes`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*(column.key for column in table.columns), "notes"])
    marked = Marked(table, notes)
    for row in table.rows:
        writer.writerow([*map(_cell, row), " ".join(map(str, marked.row(row)))])
    return text.getvalue()


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return harmless(value)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def harmless(text: str) -> str:
    """Return text on one line that no spreadsheet reads as a formula: an apostrophe before it says that it is text."""
    cells = _SEPARATOR.split(" ".join(visible(text).split()))
    return "".join(f"'{cell}" if _is_formula(cell) else cell for cell in cells)


def _is_formula(cell: str) -> bool:
    """Return whether a cell begins with a sign, in whatever form, behind what is not seen or is skipped."""
    # Decomposed, a sign of any width is the plain one, also where it would melt into another with what follows it.
    plain = unicodedata.normalize("NFKD", cell)
    seen = "".join(character for character in plain if unicodedata.category(character) != "Cf")
    return seen.lstrip(" '\"").startswith(_SIGNS)
