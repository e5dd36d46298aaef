"""All tables and notes of a report as one JSON document, for programs: every digit, unknown as null."""

from collections.abc import Sequence
from typing import Any

from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.tables.table import Marked, Table

FORMAT = 1


def document_of(findings: Findings, tables: Sequence[Table], *, title: str) -> dict[str, Any]:
    """Return {format, title, as_of_s, notes, unread, tables}; each row of a table names the notes that touch it."""
    return {
        "format": FORMAT,
        "title": title,
        "as_of_s": findings.study.as_of_s,
        "notes": [
            {
                "number": note.number,
                "text": note.text,
                "touches": sorted(quantity.name.lower() for quantity in note.touches),
                "jobs": sorted(note.jobs),
            }
            for note in findings.notes
        ],
        "unread": list(findings.unread),
        "tables": {table.key: _table(findings, table) for table in tables},
    }


def _table(findings: Findings, table: Table) -> dict[str, Any]:
    marked = Marked(table, findings.notes)
    return {
        "caption": table.caption,
        "columns": [{"key": column.key, "head": column.head, "unit": column.unit} for column in table.columns],
        "rows": [record | {"notes": marked.row(row)} for record, row in zip(table.records(), table.rows, strict=True)],
    }
