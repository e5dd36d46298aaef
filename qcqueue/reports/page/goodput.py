"""Where held time went, as a table: one row a job or study, one column a part, as a share and in seconds."""

from collections.abc import Sequence

from qcqueue.core.goodput import Goodput
from qcqueue.reports.markup import Content, Markup, tag
from qcqueue.reports.page.tables import scrolling, swatch
from qcqueue.reports.palette import paint_of_time
from qcqueue.reports.tables.goodput import GROUPS
from qcqueue.text.humanize import UNKNOWN, duration, percent


def goodput_table(rows: Sequence[tuple[str, Goodput]]) -> Markup:
    """Return the table of every part; hovering over the name of a part says what it means."""
    upper = [
        tag(
            "th",
            swatch(paint_of_time(group.kind)),
            group.name.capitalize(),
            scope="col" if len(group.parts) == 1 else "colgroup",
            rowspan=2 if len(group.parts) == 1 else None,
            colspan=len(group.parts) if len(group.parts) > 1 else None,
            title=group.parts[0].meaning if len(group.parts) == 1 else None,
        )
        for group in GROUPS
    ]
    lower = [
        tag("th", part.label, scope="col", class_="unit", title=part.meaning)
        for group in GROUPS
        for part in group.parts
        if len(group.parts) > 1
    ]
    name = tag("th", "Name", scope="col", rowspan=2, class_="text model")
    sums = [tag("th", head, scope="col", rowspan=2) for head in ("Held", "Goodput")]
    head = tag("thead", tag("tr", name, sums, upper), tag("tr", lower))
    return scrolling("Held time by part", head, tag("tbody", [_row(*row) for row in rows]))


def _row(name: str, goodput: Goodput) -> Markup:
    shares = dict(goodput.shares())
    parts = [
        tag("td", _share_said(shares[part] if goodput.held_s else None), _seconds(goodput.seconds[part]))
        for group in GROUPS
        for part in group.parts
    ]
    held = tag("td", duration(goodput.held_s) if goodput.held_s else UNKNOWN)
    return tag("tr", tag("th", name, scope="row", class_="model"), held, tag("td", percent(goodput.goodput)), parts)


def _seconds(seconds: float) -> Content:
    return tag("span", duration(seconds), class_="detail whole") if seconds else None


def _share_said(share: float | None) -> str:
    """Return a share in percent; a little is not nothing, and nothing is a bare zero that lets the rest stand out."""
    if share == 0:
        return "0"
    return "< 0.1 %" if share is not None and share < 0.0005 else percent(share)
