"""ROC curves, each class against the rest, all models, with the mean AUC and its interval."""

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
    ranked = by_classes(findings, lambda it: (it.roc, it.macro_auc, it.macro_auc_interval))
    for number, (classes, models) in enumerate(ranked.items(), start=1):
        yield ReportFigure(
            name="roc" if number == 1 else f"roc-{number}",
            section=Section.CLASSES,
            title="ROC curves by class, test images, best epochs",
            caption="Each class against the rest; the dashed diagonal is chance. Below, the mean of the areas under "
            f"the curves (AUC) over classes with its {LEVEL} bootstrap interval.",
            alt=f"Mean AUC: {listed([f'{it.label} {it.said}' for it in models])}.",
            notes=notes_on_figure(findings, Quantity.TEST_ACCURACY),
            draw=partial(
                draw_rank_curves,
                models,
                classes,
                names=("1 − specificity (%)", "sensitivity (%)"),
                area="mean AUC",
                has_diagonal=True,
            ),
        )
