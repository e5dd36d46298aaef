"""The colours of a report, each by a name and in two lights, so that a model has one colour throughout.

Markup names colours (`var(--model-0)`) and a page says what they are, light and dark. A picture that leaves the page
takes its colours along: `resolved` writes them in. The model colours were chosen so that the first six stay apart under
protan-, deuter- and tritanopia and keep a contrast of at least 4.5 to 1 as text on their background, light and dark.
Beyond six, a dash pattern tells models of similar colour apart as well.
"""

import re
from collections.abc import Mapping

from qcqueue.core.goodput import Part, PartGroup

_LIGHT = ("#1E72D4", "#962F00", "#084F59", "#5B0E95", "#937104", "#C14191", "#232E7A", "#59616B")
_DARK = ("#3F97FF", "#FFC264", "#A2F7D2", "#C768B3", "#9A9F00", "#FF898C", "#B9B2FF", "#9AA5B1")
_DASHES = (None, "7 3", "2 3")
_SOLID_MODELS = 6
# More of a model's colour in a cell would take the contrast from the words in it.
_MOST_OF_A_MODEL = 0.4

LIGHT: Mapping[str, str] = {
    **{f"model-{index}": colour for index, colour in enumerate(_LIGHT)},
    "paper": "#ffffff",
    "raised": "#f5f6f8",
    "ink": "#16191d",
    "quiet": "#565e68",
    "rule": "#d9dde2",
    "link": "#1A62A8",
    "bad": "#A3231B",
    "good": "#1B6B3A",
    "busy": "#7A5A00",
    "cool": "#4C97E0",
    "warm": "#E8803A",
}
DARK: Mapping[str, str] = {
    **{f"model-{index}": colour for index, colour in enumerate(_DARK)},
    "paper": "#14171b",
    "raised": "#1d2126",
    "ink": "#e9ecef",
    "quiet": "#a5aeb8",
    "rule": "#363c44",
    "link": "#8CBEFF",
    "bad": "#FF9A8F",
    "good": "#7FD8A0",
    "busy": "#E6C25A",
    "cool": "#1F69B0",
    "warm": "#A34D14",
}

# Quotation marks in words are escaped in markup, so that words never look like a style.
_STYLED = re.compile(r'style="[^"]*"|<style>[^<]*</style>')
_NAMED = re.compile(r"var\(--([a-z0-9-]+)\)")
_MIXED = re.compile(r"color-mix\(in srgb, (#[0-9A-Fa-f]{6}) ([0-9.]+)%, (#[0-9A-Fa-f]{6})\)")


def hex_of(name: str) -> str:
    """Return a named colour in light, as a figure on paper has it."""
    return LIGHT[name]


def model_hex(index: int) -> str:
    """Return the colour of the index-th model, in light."""
    return _LIGHT[index % len(_LIGHT)]


def paint(index: int) -> str:
    """Return the colour of the index-th model of the report, as a custom property of the page."""
    return f"var(--model-{index % len(_LIGHT)})"


def paint_of_time(group: PartGroup | Part) -> str:
    """Return the colour of a group of held time; of the lost ones, each part has its own."""
    return _HELD_TIME[group]


def dash(index: int) -> str | None:
    """Return the dash pattern of the index-th model where several models share a chart."""
    return _DASHES[index // _SOLID_MODELS % len(_DASHES)]


def dashes_of(index: int) -> tuple[float, ...] | None:
    """Return the same pattern in widths of a line."""
    pattern = dash(index)
    return tuple(float(it) / 2 for it in pattern.split()) if pattern else None


def tint(colour: str, share: float) -> str:
    """Return `colour` thinned with the paper's; share, 0..1: how much of it is left."""
    return f"color-mix(in srgb, {colour} {100 * share:g}%, var(--paper))"


def heat(share: float) -> str:
    """Return the colour of a cell: from the paper's to blue for 0..1, to orange for 0..-1; ink stays legible on it."""
    return tint("var(--cool)" if share >= 0 else "var(--warm)", round(min(abs(share), 1.0), 3))


def model_heat(share: float, paint: str) -> str:
    """Return the colour of a cell from the paper's (0) to a model's (1), as far as ink stays legible on it."""
    return tint(paint, round(_MOST_OF_A_MODEL * min(max(share, 0.0), 1.0), 3))


def variables(colours: Mapping[str, str]) -> str:
    """Return colours as the custom properties of a style sheet."""
    return "".join(f"--{name}: {colour}; " for name, colour in colours.items())


def resolved(markup: str, colours: Mapping[str, str] = LIGHT) -> str:
    """Return markup with every named colour and every mixture of its styles written out as #rrggbb.

    What stands elsewhere is left as it is: a model may be called `var(--x)`. Raises as `written_out`.
    """
    return _STYLED.sub(lambda found: written_out(found[0], colours), markup)


def written_out(style: str, colours: Mapping[str, str] = LIGHT) -> str:
    """Return a style with its colours as #rrggbb. Raises: KeyError: a name that is no colour."""
    return _MIXED.sub(_mixture, _NAMED.sub(lambda found: colours[found[1]], style))


def _mixture(found: re.Match[str]) -> str:
    share = float(found[2]) / 100
    both = zip(_channels(found[1]), _channels(found[3]), strict=True)
    return "#" + "".join(f"{round(share * colour + (1 - share) * ground):02x}" for colour, ground in both)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


# Chosen like those of the models, and tints of them, to stay apart under protan-, deuter- and tritanopia.
_HELD_TIME: Mapping[str, str] = {
    PartGroup.USEFUL: paint(2),
    PartGroup.VALIDATE: tint(paint(2), 0.5),
    PartGroup.RESTART: paint(0),
    PartGroup.STALL: paint(4),
    PartGroup.WAITING: tint(paint(7), 0.3),
    PartGroup.LOST: paint(5),
    Part.REDONE: paint(1),
}
