"""HTML and SVG as nested calls. The one place where text becomes markup, and therefore the one that escapes.

A plain string is always text, wherever it comes from; only what `tag` returns is markup. Names of tags and
attributes are written in this package, never read from data. Characters that would forge what a reader sees
(control characters, reversed writing direction, halves of a surrogate pair) become a visible mark.
"""

import re
from collections.abc import Iterable
from html import escape
from typing import TypeAlias

_VOID = frozenset({"br", "img", "meta"})
_FORGING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is markup already. Adding a plain string to it gives a plain string, which is escaped again."""

    __slots__ = ()


Content: TypeAlias = "str | Markup | Iterable[Content] | None"


def tag(name: str, /, *children: Content, **attributes: str | float | None) -> Markup:
    """Return one element. `class_` means class and `text_anchor` text-anchor; an attribute of None is left out."""
    opening = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Markup(opening if name in _VOID else f"{opening}{join(children)}</{name}>")


def join(content: Content) -> Markup:
    """Return content one after the other, plain strings escaped, None left out."""
    if content is None:
        return Markup()
    if isinstance(content, Markup):
        return content
    if isinstance(content, str):
        return Markup(escape(visible(content)))
    return Markup("".join(map(join, content)))


def style_sheet(css: str) -> Markup:
    """Return a style element. css is our own text: the one thing that must not be escaped."""
    assert "<" not in css, "a style sheet that holds a tag could end its element"
    return Markup(f"<style>{css}</style>")


def visible(text: str) -> str:
    """Return text in which every character that could deceive a reader is shown as a mark."""
    return _FORGING.sub("\ufffd", text)


def _attribute(key: str, value: str | float | None) -> str:
    if value is None:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f' {name}="{escape(visible(str(value)))}"'
