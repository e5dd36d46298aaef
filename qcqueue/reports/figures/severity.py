"""Test accuracy by how badly an image was degraded: one line a model."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from qcqueue.reports.figures.curves import Curve, best_of, draw_curves, said_of_named
from qcqueue.reports.figures.figure import ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.marks import percent_axis, share_limits
from qcqueue.reports.figures.sheet import Sheet
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.tables.judgements import SEVERITIES
from qcqueue.text.humanize import listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield it for images that know their severity."""
    places = {model.name: place for place, model in enumerate(findings.models)}
    found = findings.severities["test", "best"]
    levels = sorted({one.severity for it in found for one in it.levels})
    curves = [
        Curve(
            label=it.label,
            place=places[it.job],
            x=tuple(float(levels.index(one.severity)) for one in it.levels),
            y=tuple(one.accuracy for one in it.levels),
            best=best_of([one.accuracy for one in it.levels]),
        )
        for it in found
    ]
    if curves:
        yield ReportFigure(
            name="severity",
            section=Section.CALIBRATION,
            title="Test accuracy by severity of what is wrong with an image, best epochs",
            caption=f"One line a model, named at its end.{said_of_named(len(curves))}",
            alt=f"One line each for {listed([it.label for it in curves])}; the values stand in the table by severity.",
            notes=notes_on_figure(findings, Quantity.TEST_ACCURACY),
            draw=partial(_draw, curves, [SEVERITIES[level] for level in levels]),
        )


def _draw(curves: Sequence[Curve], levels: Sequence[str]) -> Sheet:
    def scale(axes: "Axes") -> None:
        axes.set_xlim((0, len(levels) - 1) if len(levels) > 1 else (-0.5, 0.5))
        axes.set_xticks(range(len(levels)), ["\n".join(name.rsplit(" ", 1)) for name in levels])
        axes.set_ylim(share_limits([value for it in curves for value in it.y]))
        percent_axis(axes.yaxis)

    return draw_curves(curves, "", "accuracy (%)", scale)
