"""Accuracy in validation and test with its interval: one row a model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from qcqueue.reports.figures.figure import MOST_ALONE, ReportFigure, Section, notes_on_figure
from qcqueue.reports.figures.marks import Sign, draw_key, grid, key_lines, percent_axis, share_limits
from qcqueue.reports.figures.sheet import INK, LINE_MM, PAPER, QUIET, WIDTH_MM, Sheet, fitted, widest, width_of
from qcqueue.reports.palette import model_hex
from qcqueue.reports.quantities.caveats import Quantity
from qcqueue.reports.quantities.comparison import LEVEL, Accuracy
from qcqueue.reports.quantities.findings import Findings
from qcqueue.text.humanize import listed

_HEAD, _FOOT, _MOST_NAME = 2.0, 8.5, 28.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    label: str
    colour: str
    estimates: tuple[Accuracy | None, ...]


def figures(findings: Findings) -> Iterator[ReportFigure]:
    """Yield it where test images were evaluated."""
    splits = ("validation", "test") if len(findings.models) <= MOST_ALONE else ("test",)
    known = {split: {it.job: it for it in findings.comparisons[split, "best"].accuracies} for split in splits}
    rows = [
        _Row(label=it.label, colour=model_hex(at), estimates=tuple(known[split].get(it.name) for split in splits))
        for at, it in enumerate(findings.models)
        if it.name in known["test"]
    ]
    if rows:
        yield ReportFigure(
            name="accuracy-intervals",
            section=Section.ACCURACY,
            title=f"Accuracy at the best epoch, with {LEVEL} intervals",
            caption=f"{'Validation and test' if len(splits) > 1 else 'Test'} accuracy in percent, one row a model; "
            f"lines are Wilson's {LEVEL} intervals over images.",
            alt=f"Test accuracy: {listed([f'{row.label} {_said(row.estimates[-1])}' for row in rows])}.",
            notes=notes_on_figure(findings, Quantity.TEST_ACCURACY),
            draw=partial(_draw, rows, splits),
        )


def _draw(rows: Sequence[_Row], splits: Sequence[str]) -> Sheet:
    line = {"color": QUIET, "linewidth": 1.0, "markersize": 4, "marker": "o"}
    signs = [Sign(name=it, looks={**line, "mfc": QUIET if it == "test" else PAPER}) for it in splits]
    signs = signs if len(splits) > 1 else []
    head, row_mm = _HEAD + LINE_MM * len(key_lines(signs)), LINE_MM * len(splits) + 1.4
    sheet = Sheet(head + row_mm * len(rows) + _FOOT)
    name_mm = widest([row.label for row in rows], _MOST_NAME, bold=True)
    said_mm = max(width_of(_said(it)) for row in rows for it in row.estimates)
    axes = sheet.axes(name_mm + 4, head, WIDTH_MM - name_mm - said_mm - 9, row_mm * len(rows))
    axes.set_ylim(len(rows) * row_mm, 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("accuracy (%)")
    percent_axis(axes.xaxis)
    axes.set_xlim(
        share_limits([end for row in rows for it in row.estimates if it for end in (it.interval.low, it.interval.high)])
    )
    grid(axes, "x")
    for place, row in enumerate(rows):
        middle = row_mm * (place + 0.5)
        sheet.words(fitted(row.label, name_mm + 0.1, bold=True), 1, head + middle, color=INK, weight="bold")
        for lane, (split, it) in enumerate(zip(splits, row.estimates, strict=True)):
            y = middle + LINE_MM * (lane - (len(splits) - 1) / 2)
            sheet.words(_said(it), WIDTH_MM - 1, head + y, ha="right", color=INK if split == "test" else QUIET)
            if it:
                ends = [[max(0.0, it.value - it.interval.low)], [max(0.0, it.interval.high - it.value)]]
                looks: dict[str, Any] = {
                    "color": row.colour,
                    "mfc": row.colour if split == "test" else PAPER,
                    "elinewidth": 0.9,
                }
                axes.errorbar(
                    [it.value], [y], xerr=ends, fmt="o", markersize=4, capsize=1.6, clip_on=False, zorder=3, **looks
                )
    draw_key(sheet, signs, top=0.6)
    return sheet


def _said(it: Accuracy | None) -> str:
    if it is None:
        return "not evaluated"
    return f"{100 * it.value:.1f} ({100 * it.interval.low:.1f} to {100 * it.interval.high:.1f})"
