"""What every drawing function returns: one SVG element with a name, a title and a size, complete in itself."""

import re
from dataclasses import dataclass

from qcqueue.reports.markup import Content, Markup, tag

_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture. key is unique on its page and names its file; width and height are user units (CSS pixels)."""

    key: str
    title: str
    svg: Markup
    width: float
    height: float


def picture(key: str, title: str, description: str, *content: Content, width: float, height: float) -> Picture:
    """Return content as a picture with a title and a description for those who do not see it."""
    assert _KEY.fullmatch(key), f"a key becomes a file name and an id: {key!r}"
    svg = tag(
        "svg",
        tag("title", title, id=f"{key}-title"),
        tag("desc", description, id=f"{key}-desc"),
        *content,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
    )
    return Picture(key=key, title=title, svg=svg, width=width, height=height)
