"""A study as the page of its report, without the files around it; and files whose pictures take no time to draw."""

import pytest

from qcqueue.reports.charts import png
from qcqueue.reports.figures.registry import pictures_of
from qcqueue.reports.page.page import report_page
from qcqueue.reports.quantities.findings import findings_of
from qcqueue.reports.study import ReportInput
from qcqueue.reports.tables.catalogue import tables_of


def page_of(study: ReportInput) -> str:
    findings = findings_of(study)
    return report_page(findings, tables_of(findings), pictures_of(findings))


def draw_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every picture be read and drawn as always, here and small: two thirds of a report's time go into its PNGs."""
    monkeypatch.setattr(png, "_drawn_together", drawn_small)


def drawn_small(svgs: list[str], *, elsewhere: bool) -> list[bytes]:
    return [png.to_png(svg, scale=0.1) for svg in svgs]
