"""Reliability diagrams: of the images with a confidence, how many were classified correctly? One panel a model.

A dot on the diagonal is as accurate as it is confident, below it overconfident. The area of a dot is the number of
images, and a line shows how far it is off; the expected calibration error (ECE) is the mean of these lines. Of a model
that predicts one class only it means nothing, and its panel says so.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from qcqueue.reports.figures.figure import MOST_ALONE, ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.marks import grid, little, panel_places, percent_axis
from qcqueue.reports.figures.sheet import INK, QUIET, SMALL_SIZE, Sheet, fitted
from qcqueue.reports.palette import hex_of, model_hex
from qcqueue.reports.quantities.calibration import Calibration
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.quantities.warnings import predicts_one_class
from qcqueue.text.humanize import listed, percent

_LEFT, _HEAD, _FOOT, _GAP = 9.4, 8.4, 8.5, 0.6
_LARGEST_DOT, _SMALLEST_DOT = 7.0, 1.4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    found: Calibration
    colour: str
    means_nothing: bool


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield it where test images were evaluated."""
    models = {model.name: (place, model) for place, model in enumerate(findings.models)}
    panels = []
    for it in findings.calibrations["test", "best"]:
        place, model = models[it.job]
        constant = bool(model.result and predicts_one_class(model.result.best.test))
        panels.append(_Panel(found=it, colour=model_hex(place), means_nothing=constant))
    if panels:
        constant_ones = [it.found.label for it in panels if it.means_nothing]
        warning = (
            f" It means nothing for {listed(constant_ones)}: one class only is predicted." if constant_ones else ""
        )
        said = listed([f"{it.found.label} {percent(it.found.expected_error)}" for it in panels])
        yield ReportFigure(
            name="reliability",
            section=Section.CALIBRATION,
            title="Calibration: confidence and accuracy, test images, best epochs",
            caption="Ten bins of confidence; the area of a dot is its images, the dashed diagonal perfect calibration, "
            f"ECE the expected calibration error.{warning}",
            alt=f"Expected calibration errors: {said}.{warning}",
            notes=notes_on_figure(findings, Quantity.TEST_ACCURACY),
            draw=partial(_draw, panels),
        )


def _draw(panels: Sequence[_Panel]) -> Sheet:
    columns = min(len(panels), 2 if len(panels) <= 4 else 3 if len(panels) <= MOST_ALONE else 4)
    places = list(panel_places(len(panels), columns, row_mm=0, left=_LEFT, gap=_GAP))
    side = min(places[0][2], 46.0)
    block = _HEAD + side + _FOOT
    sheet = Sheet(block * -(-len(panels) // columns) + 1)
    most = max(one.images for it in panels for one in it.found.bins)
    for place, panel in enumerate(panels):
        row, column = divmod(place, columns)
        _panel(sheet, panel, places[place][0], block * row + _HEAD, side, most, is_first=column == 0)
    return sheet


def _panel(sheet: Sheet, panel: _Panel, left: float, top: float, side: float, most: int, *, is_first: bool) -> None:
    axes = sheet.axes(left, top, side, side)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    for axis in (axes.xaxis, axes.yaxis):
        ticks = axis.get_ticklocs()
        percent_axis(axis)
        axis.set_ticks(ticks)
    grid(axes)
    axes.set_xlabel("confidence (%)" if side > 12 else "conf. (%)")
    if is_first:
        axes.set_ylabel("accuracy (%)")
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.5, linestyle=(0, (4, 3)))
    name = fitted(panel.found.label, side + 2, bold=True)
    sheet.words(name, left, top - 5.6, color=panel.colour, weight="bold")
    known = [
        (one.confidence, one.accuracy, max(_SMALLEST_DOT, _LARGEST_DOT * math.sqrt(one.images / most)))
        for one in sorted(panel.found.bins, key=lambda it: -it.images)
        if one.confidence is not None and one.accuracy is not None
    ]
    confidences, accuracies = [it[0] for it in known], [it[1] for it in known]
    axes.vlines(confidences, confidences, accuracies, color=panel.colour, linewidth=0.8, zorder=2)
    areas = [size**2 for *_, size in known]
    axes.scatter(confidences, accuracies, s=areas, color=panel.colour, linewidth=0, clip_on=False, zorder=2.1)
    if panel.means_nothing:
        said = fitted("one class only: void", side + 2, size=SMALL_SIZE)
        little(sheet, said, left, top - 2.4, color=hex_of("bad"))
    else:
        little(sheet, f"ECE {100 * panel.found.expected_error:.1f} %", left, top - 2.4, color=INK)
