"""A picture as a file of its own: its title above it, its colours and rules written in, nothing from anywhere else.

It keeps to the part of SVG that browsers, Inkscape and resvg agree on: no custom property, no mixture of colours.
"""

from collections.abc import Mapping

from qcqueue.reports.charts.lettering import wrapped
from qcqueue.reports.charts.look import FILE_FONT, rules
from qcqueue.reports.charts.picture import Picture
from qcqueue.reports.markup import Markup, join, style_sheet, tag
from qcqueue.reports.palette import LIGHT, resolved

MARGIN = 12
HEAD_SIZE, HEAD_LINE = 13.5, 18
FOOT_LINE = 18


def standalone(picture: Picture, colours: Mapping[str, str] = LIGHT, *, foot: str = "") -> str:
    """Return a complete SVG file in UTF-8 with the title of the picture above it and a line below, where there is one.

    colours are `LIGHT` or `DARK`.
    """
    title = wrapped(picture.title, picture.width, most=2, size=HEAD_SIZE, bold=True)
    head = HEAD_LINE * len(title) + 8
    below = FOOT_LINE if foot else 0
    width, height = picture.width + 2 * MARGIN, picture.height + head + below + 2 * MARGIN
    opening, inside = picture.svg.removesuffix("</svg>").split(">", 1)
    assert opening.startswith("<svg"), "a picture is one svg element"
    sheet = f"{rules(FILE_FONT)}svg .head {{ font-weight: 600; font-size: {HEAD_SIZE}px; fill: var(--ink); }}\n"
    file = tag(
        "svg",
        style_sheet(sheet),
        tag("rect", x=-MARGIN, y=-MARGIN - head, width=f"{width:g}", height=f"{height:g}", style="fill:var(--paper)"),
        [
            tag("text", line, x=0, y=f"{HEAD_LINE * (place + 1) - 5 - head:g}", class_="head")
            for place, line in enumerate(title)
        ],
        Markup(inside),
        tag("text", foot, x=0, y=f"{picture.height + FOOT_LINE - 4:g}") if foot else None,
        xmlns="http://www.w3.org/2000/svg",
        width=f"{width:g}",
        height=f"{height:g}",
        viewBox=f"{-MARGIN} {-MARGIN - head} {width:g} {height:g}",
        role="img",
        aria_labelledby=f"{picture.key}-title {picture.key}-desc",
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{resolved(join(file), colours)}\n'
