"""What several figures are made of: names beside what they name, keys, axes of shares, and panels in rows."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qcqueue.reports.figures.sheet import LINE_MM, QUIET, RULE, SMALL_SIZE, WIDTH_MM, Sheet, fitted, width_of
from qcqueue.text.humanize import DAY_S, HOUR_S, MINUTE_S

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPIKE = 10.0
"""A loss that begins so many times above its median flattens all that follows, so that its axis is logarithmic."""

_SIGN_MM, _GAP_MM = 2.6, 4.0
_UNITS = (("days", DAY_S), ("h", HOUR_S), ("min", MINUTE_S), ("s", 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One entry of a key. looks: how matplotlib draws a line with its marker."""

    name: str
    looks: dict[str, Any]


def spread(wanted: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Return positions at least `gap` apart, near those wanted and in their order, between low and high if they fit."""
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    placed = [0.0] * len(wanted)
    floor = low
    for index in order:
        placed[index] = floor = max(wanted[index], floor)
        floor += gap
    ceiling = high
    for index in reversed(order):
        placed[index] = ceiling = min(placed[index], ceiling)
        ceiling -= gap
    return placed


def key_lines(signs: Sequence[Sign]) -> list[list[Sign]]:
    """Return the signs of a key as lines that fit into the sheet."""
    lines: list[list[Sign]] = [[]]
    x = 0.0
    for sign in signs:
        width = _SIGN_MM + 1 + width_of(sign.name) + _GAP_MM
        if lines[-1] and x + width - _GAP_MM > WIDTH_MM - 2:
            lines.append([])
            x = 0.0
        lines[-1].append(sign)
        x += width
    return lines if signs else []


def draw_key(sheet: Sheet, signs: Sequence[Sign], *, top: float) -> None:
    """Draw a key whose first line begins at this height; it takes LINE_MM for each of its `key_lines`."""
    whole = sheet.whole()
    for row, line in enumerate(key_lines(signs)):
        x, y = 1.0, top + LINE_MM * (row + 0.5)
        for sign in line:
            whole.plot([x, x + _SIGN_MM / 2, x + _SIGN_MM], [y, y, y], markevery=[1], **sign.looks)
            sheet.words(sign.name, x + _SIGN_MM + 1, y)
            x += _SIGN_MM + 1 + width_of(sign.name) + _GAP_MM


def name_ends(
    sheet: Sheet,
    axes: "Axes",
    ends: Sequence[tuple[float, float]],
    names: Sequence[str],
    colours: Sequence[str],
    room: float,
) -> None:
    """Write names at the right of a plot, each beside the end of its line, none over another.

    ends are in the data of the axes; room is what there is beside them, in mm.
    """
    box = axes.get_position()
    left, right = box.x0 * WIDTH_MM, box.x1 * WIDTH_MM
    top, bottom = (1 - box.y1) * sheet.height_mm, (1 - box.y0) * sheet.height_mm
    to_figure = axes.transData + sheet.figure.transFigure.inverted()
    points = [to_figure.transform(end) for end in ends]
    at = [(float(x) * WIDTH_MM, (1 - float(y)) * sheet.height_mm) for x, y in points]
    heights = spread([y for _, y in at], gap=LINE_MM - 0.2, low=top, high=bottom)
    lines = sheet.whole()
    for (x, y), height, name, colour in zip(at, heights, names, colours, strict=True):
        leader = [max(x, left) + 0.8, right + 2.4]
        lines.plot(leader, [y, height], color=colour, linewidth=0.4, linestyle=(0, (1, 2)))
        sheet.words(fitted(name, room - 3, bold=True), right + 3, height, color=colour, weight="bold")


def percent_axis(axis: Any) -> None:
    """Label an axis of shares in percent, with round ticks; its name says that they are."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g}".replace("-", "−")))


def share_limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis that holds all finite shares and nothing beyond 0..1."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    # A hundredth of a percent blown up to the height of a plot would look like a difference.
    room = max(0.02, (high - low) * 0.06)
    return max(0.0, min(low - room, 0.96)), min(1.0, max(high + room, 0.04))


def loss_axis(axes: "Axes", values: Sequence[float]) -> bool:
    """Scale the upright axis for losses, from 0 where that costs little room; return whether it is logarithmic."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    finite = sorted(value for value in values if math.isfinite(value))
    if not finite:
        return False
    low, high = finite[0], finite[-1]
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    if low > 0 and high > SPIKE * finite[len(finite) // 2]:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(low / 1.2, min(high * 1.2, 1.7e308))
        return True
    room = (high - low) * 0.06 or abs(high) / 2 or 0.5
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.set_ylim(0.0 if 0 <= low < 0.4 * high else low - room, high + room)
    return False


def epoch_axis(axes: "Axes", last: int) -> None:
    """Scale the level axis from epoch 1 to the last; a single epoch stands in the middle."""
    from matplotlib.ticker import FixedLocator

    axes.set_xlim((0.5, 1.5) if last <= 1 else (1, last))
    step = next(it for power in range(9) for it in (10**power, 2 * 10**power, 5 * 10**power) if last / it <= 6)
    axes.xaxis.set_major_locator(FixedLocator([1, *range(step if step > 1 else 2, last + 1, step)]))


def panel_places(
    count: int, columns: int, *, row_mm: float, left: float, gap: float, right: float = 3.0
) -> Iterator[tuple[float, float, float]]:
    """Yield left edge, top of the row and width of each of some panels side by side in rows."""
    width = (WIDTH_MM - left * columns - gap * (columns - 1) - right) / columns
    for place in range(count):
        row, column = divmod(place, columns)
        yield left + column * (left + gap + width), row * row_mm, width


def grid(axes: "Axes", axis: str = "both") -> None:
    axes.grid(visible=True, axis=axis, color=RULE)  # type: ignore[arg-type]


def little(sheet: Sheet, text: str, x: float, y: float, **looks: Any) -> None:
    """Write a small quiet line."""
    sheet.words(text, x, y, **{"size": SMALL_SIZE, "color": QUIET, **looks})


def time_unit(last_s: float) -> tuple[str, float]:
    """Return the unit in which a person would tell so long a time, and its seconds."""
    return next(((unit, size_s) for unit, size_s in _UNITS if last_s >= 2 * size_s), _UNITS[-1])
