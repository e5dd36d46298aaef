"""Horizontal bars made of pieces: where time went, one bar a job, each piece in the colour of what it was spent on.

Pieces keep one order and a gap between them, so that no reader depends on colour; what a colour stands for is said in
the picture. The gap is drawn, not left, so that lengths stay true.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from qcqueue.reports.charts.picture import Picture, picture
from qcqueue.reports.charts.scales import Scale
from qcqueue.reports.charts.shapes import Entry, key, number, row_head, rule, swatch, tick_label, words
from qcqueue.reports.markup import Markup, tag

WIDTH = 400
LEFT, RIGHT = 10, 384
TOP, BOTTOM, KEY_GAP = 4, 36, 6
ROW_HEIGHT, BAR_TOP, BAR_HEIGHT = 40, 20, 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What pieces of one colour stand for; detail says it in more words to whoever points at it."""

    name: str
    paint: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar. pieces are amounts on the scale in the order of the kinds."""

    label: str
    said: str
    pieces: tuple[float, ...]
    piece_titles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What to draw. key is unique on its page; x begins at 0."""

    key: str
    title: str
    description: str
    x_name: str
    x: Scale
    kinds: tuple[Kind, ...]
    bars: tuple[Bar, ...]


def draw(bars: Bars) -> Picture:
    """Return the bars below the key to their colours."""
    entries = [Entry(sign=swatch(kind.paint), name=kind.name, detail=kind.detail) for kind in bars.kinds]
    signs, signs_height = key(entries, left=LEFT, top=TOP, right=WIDTH - 4)
    top = TOP + signs_height + KEY_GAP
    bottom = top + ROW_HEIGHT * len(bars.bars)
    return picture(
        bars.key,
        bars.title,
        bars.description,
        signs,
        _axis(bars, top + BAR_TOP - 2, bottom),
        [_bar(bars, bar, top + ROW_HEIGHT * place) for place, bar in enumerate(bars.bars)],
        width=WIDTH,
        height=bottom + BOTTOM,
    )


def _axis(bars: Bars, top: float, bottom: float) -> Markup:
    ticks = [
        (
            rule(across(bars.x, tick.value), top, across(bars.x, tick.value), bottom, "grid"),
            tick_label(tick.label, across(bars.x, tick.value), bottom + 14, width=WIDTH),
        )
        for tick in bars.x.ticks
    ]
    return tag("g", ticks, words(bars.x.called(bars.x_name), WIDTH / 2, bottom + 30, anchor="middle", class_="name"))


def _bar(bars: Bars, bar: Bar, top: float) -> Markup:
    head = row_head(bar.label, bar.said, top + 14, left=LEFT, right=RIGHT)
    return tag("g", head, list(_pieces(bars, bar, top + BAR_TOP)))


def _pieces(bars: Bars, bar: Bar, top: float) -> Iterator[Markup]:
    begin = 0.0
    for kind, amount, title in zip(bars.kinds, bar.pieces, bar.piece_titles, strict=True):
        if not math.isfinite(amount) or amount <= 0:
            continue
        left, right = across(bars.x, begin), across(bars.x, begin + amount)
        begin += amount
        yield tag(
            "rect",
            tag("title", title),
            x=number(left),
            y=number(top),
            width=number(right - left),
            height=BAR_HEIGHT,
            class_="segment",
            style=f"fill:{kind.paint}",
        )


def across(x: Scale, value: float) -> float:
    """Return where a value of the scale stands in the picture."""
    return LEFT + x.place(value) * (RIGHT - LEFT)
