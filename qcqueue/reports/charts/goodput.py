"""Where held time went, as a picture: one bar a job or study, the parts grouped into seven colours.

What was of use comes first, so that bars compare at their left edge. The colours are `palette`'s.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qcqueue.core.goodput import Goodput, Part, PartGroup
from qcqueue.reports.charts.bars import Bar, Bars, Kind, draw
from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.charts.scales import parts
from qcqueue.reports.palette import paint_of_time
from qcqueue.text.humanize import duration, listed, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Parts that share a colour in the picture and a head in the table."""

    name: str
    parts: tuple[Part, ...]
    paint: str

    def seconds(self, goodput: Goodput) -> float:
        return sum(goodput.seconds[part] for part in self.parts)


def _groups() -> Iterator[Group]:
    """Yield the groups as they are shown; what is lost is told apart."""
    shown = PartGroup.USEFUL, PartGroup.VALIDATE, PartGroup.RESTART, PartGroup.STALL, PartGroup.WAITING
    for group in shown:
        yield Group(name=group.label, parts=group.parts, paint=paint_of_time(group))
    for part in PartGroup.LOST.parts:
        yield Group(name=part.label, parts=(part,), paint=paint_of_time(part))


GROUPS = tuple(_groups())


def goodput_figure(rows: Sequence[tuple[str, Goodput]]) -> Picture:
    """Return the bars with the key to their colours."""
    return draw(
        Bars(
            key="held-time",
            title="Where held time went, in percent of it",
            description=_description(rows),
            x_name="held time (%)",
            x=parts(),
            kinds=tuple(Kind(name=group.name, paint=group.paint, detail=_detail(group)) for group in GROUPS),
            bars=tuple(_bar(name, goodput) for name, goodput in rows),
        )
    )


def _description(rows: Sequence[tuple[str, Goodput]]) -> str:
    groups = listed([group.name for group in GROUPS])
    said = "; ".join(f"{name}: {_goodput_said(goodput)}" for name, goodput in rows)
    return f"One bar each, split into {groups}. {f'{said}. ' if said else ''}The values stand in the table."


def _goodput_said(goodput: Goodput) -> str:
    if goodput.goodput is None:
        return "no machine held yet"
    return f"goodput {percent(goodput.goodput)} of {duration(goodput.held_s)}"


def _bar(name: str, goodput: Goodput) -> Bar:
    seconds = [group.seconds(goodput) for group in GROUPS]
    shares = [value / goodput.held_s if goodput.held_s else None for value in seconds]
    titles = [
        f"{group.name}: {share_said(share)}, {duration(value)}"
        for group, share, value in zip(GROUPS, shares, seconds, strict=True)
    ]
    pieces = tuple(share or 0.0 for share in shares)
    return Bar(label=name, said=_goodput_said(goodput), pieces=pieces, piece_titles=tuple(titles))


def share_said(share: float | None) -> str:
    """Return a share in percent; a little is not nothing, and nothing is a bare zero that lets the rest stand out."""
    if share == 0:
        return "0"
    return "< 0.1 %" if share is not None and share < 0.0005 else percent(share)


def _detail(group: Group) -> str:
    return f"{group.name}: {listed([part.label for part in group.parts])}" if len(group.parts) > 1 else ""
