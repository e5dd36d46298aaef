"""The confusion matrices of one model at its best epoch, in validation and test."""

from collections.abc import Iterator
from functools import partial

from qcqueue.reports.figures.confusion import Confusion, draw_confusions
from qcqueue.reports.figures.figure import MOST_ALONE, ReportFigure, Section, notes_on_figure
from qcqueue.reports.palette import model_hex
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.findings import Findings
from qcqueue.text.humanize import percent


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield one for each model that is evaluated, unless there are many."""
    if len(findings.models) > MOST_ALONE:
        return
    for place, model in enumerate(findings.models):
        if model.result is None:
            continue
        best = model.result.best
        both = [
            Confusion(
                title=split,
                accuracy=it.accuracy,
                colour=model_hex(place),
                classes=tuple(it.per_class),
                matrix=it.confusion_matrix,
            )
            for split, it in (("validation", best.validation), ("test", best.test))
        ]
        yield ReportFigure(
            name=f"model-{place + 1:02d}-confusion",
            section=Section.FILES,
            title=f"{model.label}: confusion at the best epoch, {best.epoch}",
            caption="Rows are true and columns predicted classes; beside the name of a part stands its accuracy.",
            alt=f"On the diagonal are {percent(best.validation.accuracy)} of the validation images and "
            f"{percent(best.test.accuracy)} of the test images.",
            notes=notes_on_figure(findings, Quantity.TEST_ACCURACY, jobs=[model.name]),
            draw=partial(draw_confusions, both),
            job=model.name,
        )
