"""Where held time went, as a picture: one bar a job or study, the parts grouped into seven colours.

What was of use comes first, so that bars compare at their left edge. The colours are those of the models, and tints of
them, chosen to stay apart under protan-, deuter- and tritanopia; groups keep one order and a gap between them, so that
no reader depends on colour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qcqueue.core.goodput import Goodput, Part
from qcqueue.core.words import duration, listed, percent
from qcqueue.reports.markup import Markup, tag
from qcqueue.reports.palette import paint, tint

WIDTH = 400
TOP, BOTTOM = 4, 34
LEFT, RIGHT = 10, 386
ROW_HEIGHT, BAR_TOP, BAR_HEIGHT = 40, 20, 13
LONGEST_NAME = 30
TICKS = (0, 25, 50, 75, 100)
# The lines of the axis pass behind the words, not through them.
HALO = "paint-order:stroke;stroke:var(--paper);stroke-width:4px"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Parts that share a colour in the picture and a head in the table."""

    name: str
    parts: tuple[Part, ...]
    paint: str

    def seconds(self, goodput: Goodput) -> float:
        return sum(goodput.seconds[part] for part in self.parts)


GROUPS = (
    Group(name="train", parts=(Part.TRAIN,), paint=paint(2)),
    Group(name="validate", parts=(Part.VALIDATE,), paint=tint(paint(2), 0.5)),
    Group(
        name="start-up",
        parts=(Part.BOOT, Part.INSTALL, Part.IMPORT, Part.DOWNLOAD, Part.DATA, Part.RESTORE, Part.COMPILE),
        paint=paint(0),
    ),
    Group(name="stall", parts=(Part.STALL,), paint=tint(paint(4), 0.5)),
    Group(
        name="waiting",
        parts=(Part.CONTENTION, Part.UPLOAD_TAIL, Part.IDLE, Part.RELEASE),
        paint=tint(paint(7), 0.3),
    ),
    Group(name="lost", parts=(Part.LOST,), paint=paint(5)),
    Group(name="redone", parts=(Part.REDONE,), paint=tint(paint(1), 0.75)),
)


def goodput_figure(rows: Sequence[tuple[str, Goodput]], *, key: str = "goodput") -> Markup:
    """Return the picture with the key to its colours; `key` is unique on the page."""
    items = [tag("li", swatch(group), _said(group)) for group in GROUPS]
    return tag("figure", _bars(rows, key), tag("ul", items, class_="key quiet"))


def _bars(rows: Sequence[tuple[str, Goodput]], key: str) -> Markup:
    height = TOP + ROW_HEIGHT * len(rows) + BOTTOM
    return tag(
        "svg",
        tag("title", "Where held time went, in percent of it", id=f"{key}-title"),
        tag("desc", _description(rows), id=f"{key}-desc"),
        _axis(height),
        [_bar(name, goodput, TOP + ROW_HEIGHT * place) for place, (name, goodput) in enumerate(rows)],
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
    )


def _description(rows: Sequence[tuple[str, Goodput]]) -> str:
    groups = listed([group.name for group in GROUPS])
    said = "; ".join(f"{name}: {_goodput_said(goodput)}" for name, goodput in rows)
    return f"One bar each, split into {groups}. {f'{said}. ' if said else ''}The values stand in the table."


def _goodput_said(goodput: Goodput) -> str:
    if goodput.goodput is None:
        return "no machine held yet"
    return f"goodput {percent(goodput.goodput)} of {duration(goodput.held_s)}"


def _axis(height: float) -> Markup:
    bottom = height - BOTTOM
    lines = [
        tag("line", x1=f"{_across(tick / 100):g}", x2=f"{_across(tick / 100):g}", y1=TOP, y2=bottom, class_="grid")
        for tick in TICKS
    ]
    labels = [_text(str(tick), _across(tick / 100), bottom + 14, anchor="middle") for tick in TICKS]
    return tag("g", lines, labels, _text("held time (%)", WIDTH / 2, height - 5, anchor="middle", class_="name"))


def _bar(name: str, goodput: Goodput, top: float) -> Markup:
    short = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    ink = f"fill:var(--ink);{HALO}"
    label = tag("text", tag("title", name), short, x=LEFT, y=top + 14, class_="label", style=ink)
    said = _text(_goodput_said(goodput), RIGHT, top + 14, anchor="end", style=HALO)
    return tag("g", label, said, list(_segments(goodput, top + BAR_TOP)))


def _segments(goodput: Goodput, top: float) -> Iterator[Markup]:
    begin_s = 0.0
    for group in GROUPS:
        seconds = group.seconds(goodput)
        if seconds:
            left, right = _across(begin_s / goodput.held_s), _across((begin_s + seconds) / goodput.held_s)
            share = share_said(seconds / goodput.held_s)
            yield tag(
                "rect",
                tag("title", f"{group.name}: {share}, {duration(seconds)}"),
                x=f"{left:.2f}",
                y=f"{top:g}",
                width=f"{right - left:.2f}",
                height=BAR_HEIGHT,
                # The gap between two colours is drawn, not left, so that lengths stay true.
                style=f"fill:{group.paint};stroke:var(--paper);stroke-width:0.8",
            )
        begin_s += seconds


def share_said(share: float | None) -> str:
    """Return a share in percent; a little is not nothing, and nothing is a bare zero that lets the rest stand out."""
    if share == 0:
        return "0"
    return "< 0.1 %" if share is not None and share < 0.0005 else percent(share)


def _across(share: float) -> float:
    return LEFT + share * (RIGHT - LEFT)


def _said(group: Group) -> str:
    if len(group.parts) == 1:
        return group.name
    return f"{group.name}: {listed([part.label for part in group.parts])}"


def swatch(group: Group) -> Markup:
    return tag("span", class_="swatch", style=f"background:{group.paint}", aria_hidden="true")


def _text(text: str, x: float, y: float, *, anchor: str, class_: str | None = None, style: str | None = None) -> Markup:
    return tag("text", text, x=f"{x:g}", y=f"{y:g}", text_anchor=anchor, class_=class_, style=style)
