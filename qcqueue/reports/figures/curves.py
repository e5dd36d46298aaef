"""Curves of all models in one plot, each named at its end. Of many models only the best have a colour and a name."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcqueue.reports.figures.figure import MOST_ALONE
from qcqueue.reports.figures.marks import grid, name_ends
from qcqueue.reports.figures.sheet import LINE_MM, RULE, WIDTH_MM, Sheet, widest
from qcqueue.reports.palette import dashes_of, model_hex

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMED = 10
"""Of many models so many are told apart: those whose curve gets best."""

MOST_DOTS = 15
"""Few points are measurements one wants to see; many would only thicken the line."""

_LEFT, _HEAD, _FOOT, _PLOT_MM, _MOST_NAME = 9.0, 5.0, 8.5, 44.0, 28.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One model. place: in the report, which is its colour; best: its best value, the higher the better."""

    label: str
    place: int
    x: tuple[float, ...]
    y: tuple[float, ...]
    best: float


def named_of(curves: Sequence[Curve]) -> list[Curve]:
    """Return the curves that have a colour and a name."""
    if len(curves) <= MOST_ALONE:
        return list(curves)
    return sorted(curves, key=lambda it: (-it.best, it.place))[:MOST_NAMED]


def said_of_named(count: int) -> str:
    """Return what a caption says of many models, nothing of few."""
    return f" Of {count} models the {MOST_NAMED} best are named, the others are grey." if count > MOST_ALONE else ""


def draw_curves(curves: Sequence[Curve], x_name: str, y_name: str, scale: "Callable[[Axes], str | None]") -> Sheet:
    """Draw curves. scale sets both axes and says what the name of the upright one is followed by."""
    named = named_of(curves)
    room = widest([it.label for it in named], _MOST_NAME, bold=True) + 4
    plot_mm = max(_PLOT_MM, (len(named) - 1) * LINE_MM)
    sheet = Sheet(_HEAD + plot_mm + _FOOT)
    axes = sheet.axes(_LEFT, _HEAD, WIDTH_MM - _LEFT - room, plot_mm)
    y_name += scale(axes) or ""
    grid(axes, "y")
    axes.set_xlabel(x_name)
    sheet.words(y_name, 1, 2)
    for it in curves:
        if it not in named:
            axes.plot(it.x, it.y, color=RULE, linewidth=0.6)
    for it in named:
        draw_line(axes, it.x, it.y, model_hex(it.place), dashes=dashes_of(it.place))
    ends = [end for it in named if (end := last_of(it.x, it.y))]
    with_end = [it for it in named if last_of(it.x, it.y)]
    name_ends(sheet, axes, ends, [it.label for it in with_end], [model_hex(it.place) for it in with_end], room)
    return sheet


def draw_line(
    axes: "Axes",
    x: Sequence[float],
    y: Sequence[float],
    colour: str,
    *,
    dashes: tuple[float, ...] | None = None,
    **looks: float,
) -> None:
    """Draw one curve, with a dot at each point where they are few, or stand alone between what is not finite."""
    finite = [value if math.isfinite(value) else math.nan for value in y]
    axes.plot(x, finite, color=colour, linestyle=(0, dashes) if dashes else "-", **looks)  # type: ignore[arg-type]
    is_known = [not math.isnan(value) for value in (math.nan, *finite, math.nan)]
    few = sum(is_known) <= MOST_DOTS
    dots = [at for at in range(len(finite)) if is_known[at + 1] and (few or not (is_known[at] or is_known[at + 2]))]
    if dots:
        axes.plot([x[at] for at in dots], [finite[at] for at in dots], "o", color=colour, markersize=2, clip_on=False)


def last_of(x: Sequence[float], y: Sequence[float]) -> tuple[float, float] | None:
    """Return the last point that is finite."""
    return next(
        ((one, other) for one, other in zip(reversed(x), reversed(y), strict=True) if math.isfinite(other)), None
    )


def best_of(values: Sequence[float], *, is_loss: bool = False) -> float:
    """Return the best of the finite values, the higher the better; minus infinity where there is none."""
    return max(((-it if is_loss else it) for it in values if math.isfinite(it)), default=-math.inf)
