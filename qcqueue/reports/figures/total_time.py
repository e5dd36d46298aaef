"""What machines were held for, by model and purpose, in hours or minutes."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from qcqueue.core.goodput import PartGroup
from qcqueue.reports.figures.figure import ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.marks import time_unit
from qcqueue.reports.figures.sheet import Sheet
from qcqueue.reports.figures.time_bars import TimeBar, draw_time_bars
from qcqueue.reports.palette import time_hex
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.findings import Findings
from qcqueue.text.humanize import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield it where sessions have written down their time."""
    known = [it for it in findings.spending if it.held_s]
    bars = [
        TimeBar(
            label=it.label,
            said=duration(it.held_s or 0.0),
            pieces=tuple(it.seconds[group] if it.seconds else 0.0 for group in PartGroup),
        )
        for it in known
    ]
    if bars:
        yield ReportFigure(
            name="total-time",
            section=Section.OPERATIONS,
            title="Held time of each model, by purpose",
            caption="One bar a model; what a session spent outside its attempts, such as its boot, is of none of them.",
            alt=f"{'; '.join(f'{it.label} {it.said}' for it in bars)}. The parts stand in the table.",
            notes=notes_on_figure(findings, Quantity.TOTAL_TIME),
            draw=partial(_draw, bars),
        )


def _draw(bars: Sequence[TimeBar]) -> Sheet:
    unit, unit_s = time_unit(max(sum(it.pieces) for it in bars))
    in_units = [
        TimeBar(label=it.label, said=it.said, pieces=tuple(piece / unit_s for piece in it.pieces)) for it in bars
    ]

    def scale(axes: "Axes") -> None:
        axes.set_xlim(0, max(sum(it.pieces) for it in in_units))

    return draw_time_bars(in_units, [(it.label, time_hex(it)) for it in PartGroup], f"held time ({unit})", scale)
