"""Every table of the report as a value for a program: a pandas DataFrame where pandas is installed, else records.

The only home of pandas. A number is the same as in the report, to the last digit; one that is not known is None, which
pandas shows as missing. What the report says of a number stands beside it: the column `notes` of each row names rows of
the table `notes`.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from qcqueue.app.reports import read_study
from qcqueue.app.workplace import Workplace
from qcqueue.reports.quantities.findings import findings_of
from qcqueue.reports.quantities.honesty import Note
from qcqueue.reports.tables.catalogue import tables_of
from qcqueue.reports.tables.table import Marked, Table, Value

NOTES = "notes"

Records = list[dict[str, Value]]


def results_of(workplace: Workplace) -> dict[str, Any]:
    """Return the tables of the whole queue by their keys. Raises: StoreError: the queue itself does not answer."""
    findings = findings_of(read_study(workplace))
    records = records_of(tables_of(findings), findings.notes, findings.unread)
    return {key: _framed(columns, rows) for key, (columns, rows) in records.items()}


def records_of(
    tables: Sequence[Table], notes: Sequence[Note], unread: Sequence[str]
) -> Mapping[str, tuple[list[str], Records]]:
    """Return the columns and rows of each table, and last the notes on them; what could not be read is a note without
    a number."""
    found: dict[str, tuple[list[str], Records]] = {}
    for table in tables:
        marked = Marked(table, notes)
        rows: Records = [
            record | {NOTES: _numbers(marked.row(row))} for record, row in zip(table.records(), table.rows, strict=True)
        ]
        found[table.key] = ([*(column.key for column in table.columns), NOTES], rows)
    said: Records = [
        {
            "number": note.number,
            "text": note.text,
            "touches": " ".join(sorted(quantity.name.lower() for quantity in note.touches)),
            "jobs": " ".join(sorted(note.jobs)),
        }
        for note in notes
    ]
    said += [{"number": None, "text": text, "touches": "", "jobs": ""} for text in unread]
    return {**found, NOTES: (["number", "text", "touches", "jobs"], said)}


def _numbers(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers))


def _framed(columns: list[str], rows: Records) -> Any:
    if importlib.util.find_spec("pandas") is None:
        return rows
    import pandas

    return pandas.DataFrame(rows, columns=columns)
