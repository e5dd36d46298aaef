"""The small shapes all charts are made of: lines, words that keep to their room, marks, and keys of colours."""

from collections.abc import Sequence
from dataclasses import dataclass

from qcqueue.reports.charts.lettering import LABEL_SIZE, TEXT_SIZE, shortened, width_of
from qcqueue.reports.markup import Content, Markup, tag

LINE_HEIGHT = 16.0
_SIGN_WIDTH, _SIGN_GAP, _ENTRY_GAP = 11.0, 5.0, 14.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a key: a sign of 11 by 11 units around (0, 0), what it stands for, and that in more words."""

    sign: Markup
    name: str
    detail: str = ""


def number(value: float) -> str:
    """Return a coordinate to a hundredth, the same on every machine."""
    return f"{round(value, 2) + 0.0:g}"


def rule(x1: float, y1: float, x2: float, y2: float, kind: str, *, style: str | None = None) -> Markup:
    return tag("line", x1=number(x1), y1=number(y1), x2=number(x2), y2=number(y2), class_=kind, style=style)


def words(
    text: str, x: float, y: float, *, anchor: str = "start", class_: str | None = None, style: str | None = None
) -> Markup:
    """Return one line of text whose foot stands at y."""
    return tag("text", text, x=number(x), y=number(y), text_anchor=anchor, class_=class_, style=style)


def tick_label(text: str, x: float, y: float, *, width: float) -> Markup:
    """Return the label of a tick, centred below it unless it would leave a picture of this width."""
    half = width_of(text) / 2 + 1
    return words(text, min(max(x, half), width - half), y, anchor="middle")


def label(text: str, x: float, y: float, *, room: float, anchor: str = "start", style: str | None = None) -> Markup:
    """Return a name in bold, cut to its room; in full to whoever points at it."""
    short = shortened(text, room, size=LABEL_SIZE, bold=True)
    full = tag("title", text) if short != text else None
    return tag("text", full, short, x=number(x), y=number(y), text_anchor=anchor, class_="label over", style=style)


def row_head(name: str, said: str, y: float, *, left: float, right: float) -> list[Markup]:
    """Return the line above a row: its name at the left and what is said of it at the right, whole."""
    room = right - left - (width_of(said) + 10 if said else 0)
    shown = words(said, right, y, anchor="end", class_="over") if said else None
    return [part for part in (label(name, left, y, room=max(room, 60)), shown) if part is not None]


def swatch(paint: str) -> Markup:
    return tag("rect", x=-5.5, y=-5.5, width=11, height=11, rx=2.5, style=f"fill:{paint}")


def dot(x: float, y: float, radius: float, paint: str, *, hollow: bool = False, title: str | None = None) -> Markup:
    """Return a filled dot, or a ring whose inside hides what is behind it."""
    style = f"fill:var(--paper);stroke:{paint};stroke-width:1.8" if hollow else f"fill:{paint}"
    inner = tag("title", title) if title else None
    return tag("circle", inner, cx=number(x), cy=number(y), r=number(radius), style=style)


def cross(x: float, y: float, reach: float, paint: str) -> Markup:
    a, b, c, d = (number(value) for value in (x - reach, x + reach, y - reach, y + reach))
    return tag("path", d=f"M{a} {c}L{b} {d}M{a} {d}L{b} {c}", class_="mark", style=f"stroke:{paint}")


def key(entries: Sequence[Entry], *, left: float, top: float, right: float) -> tuple[Markup | None, float]:
    """Return the entries of a key side by side, in as many lines as they need, and their height."""
    shown: list[Markup] = []
    x, y = left, top + LINE_HEIGHT / 2
    for entry in entries:
        name = shortened(entry.name, right - left - _SIGN_WIDTH - _SIGN_GAP)
        width = _SIGN_WIDTH + _SIGN_GAP + width_of(name)
        if x > left and x + width > right:
            x, y = left, y + LINE_HEIGHT
        shown.append(_entry(entry, name, x, y))
        x += width + _ENTRY_GAP
    if not shown:
        return None, 0.0
    return tag("g", shown, class_="signs"), y + LINE_HEIGHT / 2 - top


def _entry(entry: Entry, name: str, x: float, y: float) -> Markup:
    sign = tag("g", entry.sign, transform=f"translate({number(x + _SIGN_WIDTH / 2)} {number(y)})")
    title = entry.detail or (entry.name if name != entry.name else "")
    text: Content = [tag("title", title) if title else None, name]
    foot = y + TEXT_SIZE * 0.36
    return tag("g", sign, tag("text", text, x=number(x + _SIGN_WIDTH + _SIGN_GAP), y=number(foot)))
