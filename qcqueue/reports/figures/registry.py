"""The table of figures: one row each, in the order of the report, which numbers them.

A new figure is a file of its own and one row here. Pure; nothing is drawn.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from qcqueue.reports.figures import (
    accuracy_by_epoch,
    accuracy_by_minutes,
    accuracy_intervals,
    confusion,
    correlation,
    cost_scatter,
    held_time,
    loss_by_epoch,
    model_confusion,
    model_curves,
    model_panels,
    pairs,
    precision_recall,
    reliability,
    roc,
    severity,
    timeline,
    total_time,
)
from qcqueue.reports.figures.figure import ReportFigure
from qcqueue.reports.quantities.findings import Findings

FigureRow = Callable[[Findings], Iterable[ReportFigure]]
"""From the numbers of a study to the figures of one kind: none where nothing was measured, several if of each model."""

FIGURES: tuple[FigureRow, ...] = (
    accuracy_intervals.figures,
    pairs.figures,
    accuracy_by_epoch.figures,
    loss_by_epoch.figures,
    accuracy_by_minutes.figures,
    correlation.figures,
    cost_scatter.figures,
    confusion.figures,
    roc.figures,
    precision_recall.figures,
    reliability.figures,
    severity.figures,
    model_curves.figures,
    model_panels.figures,
    timeline.figures,
    total_time.figures,
    held_time.figures,
    model_confusion.figures,
)


def figures_of(findings: Findings, rows: Iterable[FigureRow] = FIGURES) -> tuple[ReportFigure, ...]:
    """Return every figure for which something was measured, numbered from 1; their names are unique."""
    found = [figure for row in rows for figure in row(findings)]
    return tuple(replace(figure, number=number) for number, figure in enumerate(found, start=1))
