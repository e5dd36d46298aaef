"""A study as the page of its report, without the files around it; and files whose figures take no time to draw."""

import pytest

from qcqueue.reports.figures import printed
from qcqueue.reports.figures.picture import pictures_of
from qcqueue.reports.figures.registry import figures_of
from qcqueue.reports.page.page import report_page
from qcqueue.reports.quantities.findings import findings_of
from qcqueue.reports.study import ReportInput
from qcqueue.reports.tables.catalogue import tables_of


def page_of(study: ReportInput, *, with_figures: bool = False) -> str:
    """Return the page; figures take seconds, so that only tests which look at them ask for them."""
    findings = findings_of(study)
    figures = figures_of(findings) if with_figures else ()
    return report_page(findings, tables_of(findings), tuple(pictures_of(figures)))


def draw_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every figure be drawn as always, here and small, and one alone go into the PDF: most of a report's time."""
    all_pages = printed.as_pdf
    monkeypatch.setattr(printed, "PNG_DPI", 30)
    monkeypatch.setattr(printed, "FEWEST_ELSEWHERE", 1000)
    monkeypatch.setattr(printed, "as_pdf", lambda figures: all_pages(figures[:1]))
