"""The whole page: what came out, what is missing, the comparison, each model, methods, how the study was run.

Pure and complete in itself: no script, no font, no picture from anywhere, and a content policy that would refuse
them. Nothing in it depends on when it is written and every date is UTC, so the same values give the same bytes.
"""

from collections.abc import Iterable, Iterator

from qcqueue.errors import ExtraMissing
from qcqueue.reports.figures.figure import Section
from qcqueue.reports.figures.picture import Picture
from qcqueue.reports.markup import Markup, tag
from qcqueue.reports.page import sections
from qcqueue.reports.page.contents import PagePart, contents
from qcqueue.reports.page.methods import methods_part
from qcqueue.reports.page.models import models_part as each_model
from qcqueue.reports.page.opening import header, heading_of, missing, without_figures
from qcqueue.reports.page.operations import operations_part
from qcqueue.reports.page.results import models_part
from qcqueue.reports.page.shown import Shown, shown
from qcqueue.reports.page.style import style
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.tables.table import Table

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def report_page(
    findings: Findings, tables: Iterable[Table], pictures: Iterable[Picture], *, lacks: ExtraMissing | None = None
) -> str:
    """Return the report on some jobs, in their order, as one HTML document. lacks: why it has no figures."""
    shown_pictures = (it for it in pictures if it.figure.section is not Section.FILES)
    all_shown = shown(findings, tables, shown_pictures)
    parts = list(_parts(all_shown)) if findings.models else []
    body = [
        contents(parts, numbered=all_shown.numbered()) if parts else None,
        tag("main", header(findings), without_figures(lacks), missing(findings), [part.markup() for part in parts]),
    ]
    return f"<!doctype html>\n{tag('html', _head(heading_of(findings)), tag('body', body), lang='en')}\n"


def _head(heading: str) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=CONTENT_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="generator", content="qcqueue"),
        tag("title", heading),
        style(),
    )


def _parts(all_shown: Shown) -> Iterator[PagePart]:
    found = (
        models_part(all_shown),
        sections.accuracy(all_shown),
        sections.learning(all_shown),
        sections.times(all_shown),
        sections.classes(all_shown),
        sections.misclassified(all_shown),
        each_model(all_shown),
        methods_part(all_shown.findings),
        operations_part(all_shown),
    )
    return (part for part in found if part is not None)
