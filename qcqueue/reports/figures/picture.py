"""A figure as SVG: for the page, with the page's colours by name, and as a file of its own.

matplotlib's SVG is read and written anew through `markup`, so that whatever a name contains stays text. Identifiers
begin with the figure's name, because a page holds many figures. The same figure gives the same bytes.
"""

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from qcqueue.reports.figures.figure import ReportFigure
from qcqueue.reports.figures.sheet import Sheet, styled
from qcqueue.reports.markup import Markup, tag
from qcqueue.reports.palette import LIGHT, resolved

PAGE_FONT = "system-ui, sans-serif"
FILE_FONT = "DejaVu Sans, Verdana, Arial, Helvetica, sans-serif"

_NAME_OF = {colour.lower(): f"var(--{name})" for name, colour in LIGHT.items()}
_HEX = re.compile(r"#[0-9a-f]{6}\b")
_LONG = re.compile(r"-?\d+\.\d{3,}")
_FONT = re.compile(r"((?<=px )|(?<=font-family: ))'?[A-Z][^;]*")
_KEPT_IDS = frozenset({"clipPath", "path", "marker", "linearGradient"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure that is drawn: one svg element, complete in itself, whose colours are names of the page's."""

    figure: ReportFigure
    svg: Markup


def pictures_of(figures: Iterable[ReportFigure]) -> Iterator[Picture]:
    """Draw figures for a page, one after the other. Raises: ExtraMissing."""
    with styled():
        for figure in figures:
            yield Picture(figure=figure, svg=_svg(figure, figure.draw()))


def standalone(picture: Picture) -> str:
    """Return a picture as a complete SVG file in UTF-8, in light colours."""
    opening, inside = picture.svg.split(">", 1)
    file = f'{opening} xmlns="http://www.w3.org/2000/svg">{inside}'.replace(PAGE_FONT, FILE_FONT)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{resolved(file)}\n'


def _svg(figure: ReportFigure, sheet: Sheet) -> Markup:
    import matplotlib

    written = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": figure.name}):
        sheet.figure.savefig(written, format="svg", metadata={"Date": None})
    root = ET.fromstring(written.getvalue())
    shown = (it for it in root if _local(it.tag) not in ("metadata", "defs"))
    return tag(
        "svg",
        tag("title", figure.title, id=f"{figure.name}-title"),
        tag("desc", figure.alt, id=f"{figure.name}-desc"),
        [_markup(it, figure.name) for it in (*_shared(root), *shown)],
        viewBox=root.get("viewBox"),
        role="img",
        aria_labelledby=f"{figure.name}-title {figure.name}-desc",
        style="stroke-linejoin:round;stroke-linecap:butt",
    )


def _shared(root: ET.Element) -> Iterator[ET.Element]:
    """Yield definitions at the top, without the style sheet, which would be the whole page's."""
    for it in root:
        if _local(it.tag) == "defs" and not any(_local(child.tag) == "style" for child in it):
            yield it


def _markup(element: ET.Element, name: str) -> Markup:
    local = _local(element.tag)
    attributes = {key: value for key, value in _attributes(element, local, name) if value}
    return tag(
        local, element.text and (element.text.strip() or None), [_markup(it, name) for it in element], **attributes
    )


def _attributes(element: ET.Element, local: str, name: str) -> Iterator[tuple[str, str]]:
    for key, value in element.attrib.items():
        match _local(key):
            case "id":
                yield "id", f"{name}-{value}" if local in _KEPT_IDS else ""
            case "href":
                yield "href", f"#{name}-{value[1:]}"
            case "clip-path":
                yield "clip-path", value.replace("url(#", f"url(#{name}-")
            case "style":
                colours = _HEX.sub(lambda found: _NAME_OF.get(found[0], found[0]), value)
                yield "style", _FONT.sub(PAGE_FONT, colours).replace(": ", ":").replace("; ", ";")
            case "d" | "transform" | "x" | "y" as kind:
                yield kind, _LONG.sub(lambda found: f"{float(found[0]):.2f}", value).replace("\n", "")
            case kind:
                yield kind, value


def _local(name: str) -> str:
    return name.rpartition("}")[2]
