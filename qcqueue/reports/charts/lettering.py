"""How wide text will be, without a font at hand: the widths of DejaVu Sans, the widest face a picture may be set in.

A picture cannot ask a browser how wide a word became, so it is laid out for the widest: whatever face the reader
has, nothing runs into its neighbour or over the edge. Widths are parts of the font size (em).
"""

import unicodedata

TEXT_SIZE, LABEL_SIZE, SMALL_SIZE = 11.5, 12.0, 10.0
"""Sizes of the classes in `look`, in user units: plain, `label`, `small`."""

_WIDTHS = {
    0.28: "'ijl",
    0.32: "IJ ,.",
    0.36: "/:;\\|f-",
    0.41: "()[]t!r",
    0.5: '*_`"–',
    0.53: "sz?",
    0.57: "cL",
    0.59: "vxyFk",
    0.63: "TYPaoeESbdghnpqu",
    0.66: "$0123456789{}K",
    0.7: "AVBRXZC",
    0.77: "UHNDG&",
    0.83: "OQw",
    0.86: "M#+<=>^~±−×≤≥→←↑↓",
    1.0: "%mW@…",
}
_WIDTH_OF = {character: width for width, characters in _WIDTHS.items() for character in characters}
_OF_UNKNOWN, _OF_WIDE, _BOLDER = 0.86, 1.05, 0.08
_ROOM_OF_THE_END = 0.4
_BREAKS = " -_/"
_NOT_AT_A_GAP = f"{_BREAKS}."


def width_of(text: str, *, size: float = TEXT_SIZE, bold: bool = False) -> float:
    """Return the most that one line of text will take, in user units."""
    return size * sum(_character(character) + (_BOLDER if bold else 0) for character in text)


def shortened(text: str, room: float, *, size: float = TEXT_SIZE, bold: bool = False) -> str:
    """Return text, or its beginning and its end as far as they fit into room: names often differ in their last part."""
    if width_of(text, size=size, bold=bold) <= room:
        return text
    room -= width_of("…", size=size, bold=bold)
    kept_end = _fitting(text[::-1], room * _ROOM_OF_THE_END, size=size, bold=bold)
    end = text[len(text) - kept_end :].lstrip(_NOT_AT_A_GAP)
    beginning = text[: _fitting(text, room - width_of(end, size=size, bold=bold), size=size, bold=bold)]
    return f"{beginning.rstrip(_NOT_AT_A_GAP)}…{end}"


def wrapped(text: str, room: float, *, most: int, size: float = TEXT_SIZE, bold: bool = False) -> list[str]:
    """Return text as lines that fit into room, at most so many; words are kept whole where they fit."""
    lines: list[str] = []
    rest = text
    while rest and len(lines) < most - 1 and width_of(rest, size=size, bold=bold) > room:
        cut = _cut(rest, room, size=size, bold=bold)
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*lines, shortened(rest, room, size=size, bold=bold)]


def _cut(text: str, room: float, *, size: float, bold: bool) -> int:
    """Return where to break: after the last blank or hyphen that fits, or inside a word that is longer than room."""
    fitting = max(1, _fitting(text, room, size=size, bold=bold))
    breaks = [place + 1 for place in range(fitting) if text[place] in _BREAKS]
    return breaks[-1] if breaks else fitting


def _fitting(text: str, room: float, *, size: float, bold: bool) -> int:
    """Return how many characters of text fit into room."""
    width = 0.0
    for place, character in enumerate(text):
        width += width_of(character, size=size, bold=bold)
        if width > room:
            return place
    return len(text)


def _character(character: str) -> float:
    known = _WIDTH_OF.get(character)
    if known is not None:
        return known
    if unicodedata.combining(character):
        return 0.0
    return _OF_WIDE if unicodedata.east_asian_width(character) in "WF" else _OF_UNKNOWN
