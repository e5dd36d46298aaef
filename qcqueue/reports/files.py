"""The files of a report, as bytes: a page for people, pictures and tables for papers, everything for programs. Pure.

report.html        the page, complete in itself
figures/           every figure of it as SVG and PNG, where matplotlib is installed
figures.pdf        all of them, a page for each
tables/            every table as CSV, Markdown and LaTeX
report.json        all tables and notes, and what is said of each figure
provenance.zip     what the numbers come from: specs, machines, sessions, digests, certificates
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import PurePosixPath
from typing import Any

from qcqueue.errors import ExtraMissing
from qcqueue.reports.figures.figure import ReportFigure
from qcqueue.reports.figures.picture import Picture, pictures_of, standalone
from qcqueue.reports.figures.printed import PDF, printed
from qcqueue.reports.figures.registry import figures_of
from qcqueue.reports.page.opening import heading_of
from qcqueue.reports.page.page import report_page
from qcqueue.reports.provenance import json_of, provenance_zip
from qcqueue.reports.quantities.findings import Findings, findings_of
from qcqueue.reports.study import ReportInput
from qcqueue.reports.tables.catalogue import tables_of
from qcqueue.reports.tables.document import document_of
from qcqueue.reports.tables.paper import MOST_ROWS, to_latex, to_markdown
from qcqueue.reports.tables.spreadsheet import to_csv
from qcqueue.reports.tables.table import Table

PAGE = "report.html"
PAGE_READY = "the page and its tables are made"
DOCUMENT = "report.json"
"""It also names every file of its report, so that another report knows what it may replace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Every file by its path within the folder. lacks: why some are not there that could be, and what would help;
    unread: sentences on what could not be read and is in none of them."""

    contents: Mapping[PurePosixPath, bytes]
    lacks: ExtraMissing | None
    unread: tuple[str, ...]


def files_of(study: ReportInput, narrate: Callable[[str], None] = lambda text: None) -> Files:
    """Return every file of the report; the same study gives the same bytes. narrate is told how far it is."""
    findings = findings_of(study)
    tables, figures = tables_of(findings), figures_of(findings)
    lacks: ExtraMissing | None = None
    pictures: list[Picture] = []
    try:
        for picture in pictures_of(figures):
            pictures.append(picture)
            _every_tenth(narrate, len(pictures), len(figures), "figures drawn for the page")
    except ExtraMissing as exc:
        lacks = exc
    contents = dict(_texts(findings, tables, pictures, lacks))
    narrate(PAGE_READY)
    if lacks is None:
        counted = count(1)
        contents |= {f"figures/{it.figure.name}.svg": standalone(it).encode() for it in pictures}
        done = printed(
            figures, lambda: _every_tenth(narrate, next(counted), 2 * len(figures), "figures drawn as PNG and PDF")
        )
        contents |= {name if name == PDF else f"figures/{name}": content for name, content in done.items()}
    document = document_of(findings, tables, title=heading_of(findings))
    document |= {"figures": [_described(it) for it in figures], "files": sorted([*contents, DOCUMENT])}
    contents[DOCUMENT] = json_of(document)
    found = {PurePosixPath(name): content for name, content in contents.items()}
    return Files(contents=found, lacks=lacks or findings.lacks, unread=findings.unread)


def _every_tenth(narrate: Callable[[str], None], done: int, of: int, what: str) -> None:
    if done % 10 == 0:
        narrate(f"{done} of {of} {what}")


def _described(figure: ReportFigure) -> dict[str, Any]:
    """Return what is said of a figure, for whoever takes its file elsewhere; number is its page in the PDF."""
    return {
        "number": figure.number,
        "name": figure.name,
        "title": figure.title,
        "caption": figure.caption,
        "alt": figure.alt,
        "notes": list(figure.notes),
    }


def _texts(
    findings: Findings, tables: Sequence[Table], pictures: Sequence[Picture], lacks: ExtraMissing | None
) -> Iterator[tuple[str, bytes]]:
    yield PAGE, report_page(findings, tables, pictures, lacks=lacks).encode()
    for table in tables:
        yield f"tables/{table.key}.csv", to_csv(table, findings.notes).encode()
        if len(table.rows) <= MOST_ROWS:
            yield f"tables/{table.key}.md", to_markdown(table, findings.notes).encode()
            yield f"tables/{table.key}.tex", to_latex(table, findings.notes).encode()
    yield "provenance.zip", provenance_zip(findings)
