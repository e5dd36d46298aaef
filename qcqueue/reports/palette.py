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
_TIME_LIGHT = ("#24705C", "#85E798", "#7B6FD0", "#D5B434", "#DEC4FF", "#C11B1C", "#F87B8D")
_TIME_DARK = ("#2DE2AC", "#556D77", "#8F86E8", "#E5AF4E", "#61343B", "#DF786F", "#AD4601")
# Chosen like those of the models, of which none is among them, to stay apart under protan-, deuter- and tritanopia.
_TIMES: tuple[PartGroup | Part, ...] = (
    *(PartGroup.USEFUL, PartGroup.VALIDATE, PartGroup.RESTART, PartGroup.STALL, PartGroup.WAITING, PartGroup.LOST),
    Part.REDONE,
)
_DASHES = (None, "7 3", "2 3")
_SOLID_MODELS = 6

LIGHT: Mapping[str, str] = {
    **{f"model-{index}": colour for index, colour in enumerate(_LIGHT)},
    **{f"time-{kind}": colour for kind, colour in zip(_TIMES, _TIME_LIGHT, strict=True)},
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
    **{f"time-{kind}": colour for kind, colour in zip(_TIMES, _TIME_DARK, strict=True)},
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
    return f"var(--time-{group})"


def time_hex(group: PartGroup | Part) -> str:
    """Return the same colour in light."""
    return LIGHT[f"time-{group}"]


def dash(index: int) -> str | None:
    """Return the dash pattern of the index-th model where several models share a chart."""
    return _DASHES[index // _SOLID_MODELS % len(_DASHES)]


def dashes_of(index: int) -> tuple[float, ...] | None:
    """Return the same pattern in widths of a line."""
    pattern = dash(index)
    return tuple(float(it) / 2 for it in pattern.split()) if pattern else None


def variables(colours: Mapping[str, str]) -> str:
    """Return colours as the custom properties of a style sheet."""
    return "".join(f"--{name}: {colour}; " for name, colour in colours.items())


def resolved(markup: str, colours: Mapping[str, str] = LIGHT) -> str:
    """Return markup with every named colour of its styles written out as #rrggbb.

    What stands elsewhere is left as it is: a model may be called `var(--x)`. Raises: KeyError: it is no colour's name.
    """
    return _STYLED.sub(lambda found: _NAMED.sub(lambda name: colours[name[1]], found[0]), markup)
