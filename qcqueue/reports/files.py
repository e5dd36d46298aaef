"""The files of a report, as bytes: a page for people, pictures and tables for papers, everything for programs. Pure.

report.html        the page, complete in itself
figures/           every picture of it as SVG, and as PNG where that can be drawn
tables/            every table as CSV, Markdown and LaTeX
report.json        all tables and notes
provenance.zip     what the numbers come from: specs, machines, sessions, digests, certificates
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from qcqueue.errors import ExtraMissing
from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.charts.png import drawing
from qcqueue.reports.charts.standalone import standalone
from qcqueue.reports.figures.registry import notes_beside, pictures_of
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
from qcqueue.text.humanize import listed

PAGE = "report.html"
DOCUMENT = "report.json"
"""It also names every file of its report, so that another report knows what it may replace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Every file by its path within the folder. lacks: why some are not there that could be, and what would help;
    unread: sentences on what could not be read and is in none of them."""

    contents: Mapping[PurePosixPath, bytes]
    lacks: ExtraMissing | None
    unread: tuple[str, ...]


def files_of(study: ReportInput) -> Files:
    """Return every file of the report; the same study gives the same bytes."""
    findings = findings_of(study)
    tables, pictures = tables_of(findings), pictures_of(findings)
    drawn = {picture.key: standalone(picture, foot=_foot(picture, findings)) for picture in pictures}
    contents: dict[str, bytes] = {f"figures/{key}.svg": svg.encode() for key, svg in drawn.items()}
    lacks = None
    with drawing(drawn.values()) as drawn_as_png:
        contents |= _texts(findings, tables, pictures)
        try:
            contents |= {f"figures/{key}.png": png for key, png in zip(drawn, drawn_as_png(), strict=True)}
        except ExtraMissing as exc:
            lacks = exc
    document = document_of(findings, tables, title=heading_of(findings))
    contents[DOCUMENT] = json_of({**document, "files": sorted([*contents, DOCUMENT])})
    found = {PurePosixPath(name): content for name, content in contents.items()}
    return Files(contents=found, lacks=lacks, unread=findings.unread)


def _foot(picture: Picture, findings: Findings) -> str:
    """Say of a picture that stands alone which notes of the report belong to it."""
    numbers = [str(number) for number in notes_beside(picture.key, findings)]
    return f"See {'notes' if len(numbers) > 1 else 'note'} {listed(numbers)} of the report." if numbers else ""


def _texts(findings: Findings, tables: Sequence[Table], pictures: Sequence[Picture]) -> Iterator[tuple[str, bytes]]:
    yield PAGE, report_page(findings, tables, pictures).encode()
    for table in tables:
        yield f"tables/{table.key}.csv", to_csv(table, findings.notes).encode()
        if len(table.rows) <= MOST_ROWS:
            yield f"tables/{table.key}.md", to_markdown(table, findings.notes).encode()
            yield f"tables/{table.key}.tex", to_latex(table, findings.notes).encode()
    yield "provenance.zip", provenance_zip(findings)
