"""The whole page: what came out and what is missing first, then the comparison, each model, how the numbers were made.

Pure and complete in itself: no script, no font, no picture from anywhere, and a content policy that would refuse
them. Nothing in it depends on when it is written and every date is UTC, so the same values give the same bytes.
"""

from collections.abc import Iterable

from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.page import sections
from qcqueue.reports.page.evidence import method_section, proof_section
from qcqueue.reports.page.models import model_article
from qcqueue.reports.page.opening import header, heading_of, missing
from qcqueue.reports.page.shown import Shown, shown
from qcqueue.reports.page.style import style
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.tables.table import Table

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def report_page(findings: Findings, tables: Iterable[Table], pictures: Iterable[Picture]) -> str:
    """Return the report on some jobs, in their order, as one HTML document."""
    parts = shown(findings, tables, pictures)
    body = [
        header(findings),
        missing(findings),
        _compared(parts) if findings.models else None,
        proof_section(findings.study.proofs),
        method_section(findings.models, findings.study.datasets) if findings.models else None,
    ]
    return f"<!doctype html>\n{tag('html', _head(heading_of(findings)), tag('body', tag('main', body)), lang='en')}\n"


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


def _compared(parts: Shown) -> list[Content]:
    return [
        sections.comparison(parts),
        sections.learning(parts),
        sections.costs(parts),
        sections.judgements(parts),
        sections.days(parts),
        tag(
            "section",
            tag("h2", "Model by model"),
            [model_article(parts, model, place) for place, model in enumerate(parts.findings.models)],
        ),
    ]
