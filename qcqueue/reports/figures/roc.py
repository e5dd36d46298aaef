"""ROC curves, each class against the rest, all models, with the mean AUC and its interval."""

from collections.abc import Iterator
from functools import partial

from qcqueue.reports.figures.figure import ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.rank_curves import RankedModel, RankLine, draw_rank_curves
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.comparison import LEVEL
from qcqueue.reports.quantities.curves import RankCurve
from qcqueue.reports.quantities.findings import Findings
from qcqueue.text.humanize import listed


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield it for each set of classes that models were tested on, where their probabilities are known."""
    places = {model.name: place for place, model in enumerate(findings.models)}
    by_classes: dict[tuple[str, ...], list[RankedModel]] = {}
    for it in findings.rankings:
        by_classes.setdefault(it.classes, []).append(
            RankedModel(
                label=it.label,
                place=places[it.job],
                lines=tuple(map(line_of, it.roc)),
                area=it.macro_auc,
                interval=it.macro_auc_interval,
            )
        )
    for number, (classes, models) in enumerate(by_classes.items(), start=1):
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


def line_of(curve: RankCurve | None) -> RankLine | None:
    return RankLine(x=curve.x, y=curve.y, area=curve.area) if curve else None
