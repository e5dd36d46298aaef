"""Bars made of pieces: what held time went into, one bar a row, each piece in the colour of what it was spent on.

Pieces keep one order and a gap between them, so that no reader depends on colour.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcqueue.reports.figures.marks import Sign, draw_key, grid, key_lines
from qcqueue.reports.figures.sheet import INK, LINE_MM, PAPER, WIDTH_MM, Sheet, fitted, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDE, _HEAD, _ROW_MM, _BAR_MM, _FOOT = 2.0, 1.0, 7.2, 2.8, 8.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBar:
    """One bar: its name, what is said at its right, and the amounts of its pieces in the order of the colours."""

    label: str
    said: str
    pieces: tuple[float, ...]


def draw_time_bars(
    bars: Sequence[TimeBar], pieces: Sequence[tuple[str, str]], x_name: str, scale: "Callable[[Axes], None]"
) -> Sheet:
    """Draw bars below the key to their colours. pieces: name and colour of each; scale sets the level axis, from 0."""
    signs = [
        Sign(name=name, looks={"color": colour, "marker": "s", "markersize": 5, "linewidth": 0})
        for name, colour in pieces
    ]
    head = _HEAD + LINE_MM * len(key_lines(signs))
    sheet = Sheet(head + _ROW_MM * len(bars) + _FOOT)
    axes = sheet.axes(_SIDE, head + 0.6, WIDTH_MM - 2 * _SIDE - 2, _ROW_MM * len(bars))
    axes.set(ylim=(_ROW_MM * len(bars), 0), yticks=[], xlabel=x_name)
    axes.spines["left"].set_visible(False)
    scale(axes)
    grid(axes, "x")
    for row, bar in enumerate(bars):
        y = _ROW_MM * row + 5.0
        begin = 0.0
        for (_, colour), amount in zip(pieces, bar.pieces, strict=True):
            if amount > 0:
                axes.barh([y], [amount], left=[begin], height=_BAR_MM, color=colour, edgecolor=PAPER, linewidth=0.5)
                begin += amount
        said_mm = width_of(bar.said)
        name = fitted(bar.label, WIDTH_MM - 2 * _SIDE - said_mm - 5, bold=True)
        sheet.words(name, _SIDE, head + _ROW_MM * row + 2.2, color=INK, weight="bold")
        sheet.words(bar.said, WIDTH_MM - _SIDE - 1, head + _ROW_MM * row + 2.2, ha="right")
    draw_key(sheet, signs, top=0.6)
    return sheet
