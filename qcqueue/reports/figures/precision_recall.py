"""Precision-recall curves, each class against the rest, all models, with the mean average precision."""

from collections.abc import Iterator
from functools import partial

from qcqueue.reports.figures.figure import ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.rank_curves import by_classes, draw_rank_curves
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.comparison import LEVEL
from qcqueue.reports.quantities.findings import Findings
from qcqueue.text.humanize import listed


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield it for each set of classes that models were tested on, where their probabilities are known."""
    ranked = by_classes(
        findings, lambda it: (it.precision_recall, it.macro_average_precision, it.macro_average_precision_interval)
    )
    for number, (classes, models) in enumerate(ranked.items(), start=1):
        yield ReportFigure(
            name="precision-recall" if number == 1 else f"precision-recall-{number}",
            section=Section.CLASSES,
            title="Precision-recall curves by class, test images, best epochs",
            caption="Each class against the rest. Below, the mean of the average precisions over classes with its "
            f"{LEVEL} bootstrap interval.",
            alt=f"Mean average precision: {listed([f'{it.label} {it.said}' for it in models])}.",
            notes=notes_on_figure(findings, Quantity.TEST_ACCURACY),
            draw=partial(
                draw_rank_curves,
                models,
                classes,
                names=("recall (%)", "precision (%)"),
                area="mean average precision",
                has_diagonal=False,
            ),
        )
