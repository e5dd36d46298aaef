"""A study as the page of its report, without the files around it."""

from qcqueue.reports.figures.registry import pictures_of
from qcqueue.reports.page.page import report_page
from qcqueue.reports.quantities.findings import findings_of
from qcqueue.reports.study import ReportInput
from qcqueue.reports.tables.catalogue import tables_of


def page_of(study: ReportInput) -> str:
    findings = findings_of(study)
    return report_page(findings, tables_of(findings), pictures_of(findings))
