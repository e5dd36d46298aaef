"""Where held time went in percent of it: one bar a study and a job, the parts grouped into seven colours.

What was of use comes first, so that bars compare at their left edge.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from qcqueue.core.goodput import Goodput
from qcqueue.reports.figures.figure import ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.sheet import Sheet
from qcqueue.reports.figures.time_bars import TimeBar, draw_time_bars
from qcqueue.reports.palette import time_hex
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.findings import Findings
from qcqueue.reports.tables.goodput import GROUPS, held_time_of
from qcqueue.text.humanize import duration, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield it where sessions have written down their time."""
    bars = [_bar(name, goodput) for name, goodput in held_time_of(findings)]
    if bars:
        yield ReportFigure(
            name="held-time",
            section=Section.OPERATIONS,
            title="Where held time went, in percent of it",
            caption="One bar a study and a job. Goodput is what went into training and validation that was saved.",
            alt=f"{'; '.join(f'{it.label}: {it.said}' for it in bars)}. The values stand in the table.",
            notes=notes_on_figure(findings, Quantity.TOTAL_TIME),
            draw=partial(_draw, bars),
        )


def _bar(name: str, goodput: Goodput) -> TimeBar:
    pieces = tuple(group.seconds(goodput) / goodput.held_s for group in GROUPS)
    said = f"goodput {percent(goodput.goodput)} of {duration(goodput.held_s)}"
    return TimeBar(label=name, said=said, pieces=pieces)


def _draw(bars: Sequence[TimeBar]) -> Sheet:
    def scale(axes: "Axes") -> None:
        axes.set(xlim=(0, 1), xticks=[0, 0.25, 0.5, 0.75, 1], xticklabels=["0", "25", "50", "75", "100"])

    return draw_time_bars(bars, [(it.name, time_hex(it.kind)) for it in GROUPS], "held time (%)", scale)
