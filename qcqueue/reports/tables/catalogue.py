"""Every table of a report, in the order in which they are told."""

from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.tables.article import models_table
from qcqueue.reports.tables.by_model import (
    class_table,
    confusion_table,
    cost_table,
    epoch_table,
    quality_table,
    time_table,
)
from qcqueue.reports.tables.held_time import (
    correlation_table,
    goodput_table,
    purpose_table,
    segment_table,
    session_table,
    spending_table,
)
from qcqueue.reports.tables.judgements import (
    accuracy_table,
    calibration_table,
    misjudged_table,
    pair_table,
    severity_table,
)
from qcqueue.reports.tables.measures import (
    choice_table,
    rate_table,
    repeat_table,
    score_table,
    warning_table,
)
from qcqueue.reports.tables.table import Table


def tables_of(findings: Findings) -> tuple[Table, ...]:
    """Return all tables; one for which nothing was stored has heads and no rows."""
    models = findings.models
    return (
        models_table(findings),
        choice_table(findings),
        warning_table(findings),
        quality_table(models),
        cost_table(models),
        time_table(models),
        purpose_table(findings),
        accuracy_table(findings),
        pair_table(findings),
        score_table(findings),
        rate_table(findings),
        repeat_table(findings),
        class_table("best", models),
        class_table("last", models),
        confusion_table(models),
        calibration_table(findings),
        severity_table(findings),
        misjudged_table(findings),
        correlation_table(findings),
        epoch_table(models),
        segment_table(findings),
        spending_table(findings),
        session_table(findings),
        goodput_table(findings),
    )
