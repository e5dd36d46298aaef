"""A table as CSV, with every digit: for a spreadsheet, which must never take a name for a formula."""

import csv
import io
import re
from collections.abc import Sequence

from qcqueue.reports.markup import visible
from qcqueue.reports.quantities.honesty import Note
from qcqueue.reports.tables.table import Marked, Table, Value

# What a spreadsheet takes for the beginning of a formula. Some separate cells by a semicolon, whatever the file says.
_SIGNS = "=+@\\-\uff1d\uff0b\uff0d\uff20"
_FORMULA = re.compile(rf"(^|;)(?=[\s'\"]*[{_SIGNS}])")


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
    return _FORMULA.sub(r"\1'", " ".join(visible(text).split()))
