"""How a refused word or value is shown to a person, and which valid name they probably meant.

Whatever a file contained, what comes out of here is short, printable and without a line break, so that every
problem stays one line on every terminal.
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time

# Longer than any name of ours. Words beyond it are cut when shown and never compared: that is quadratic.
LONGEST_WORD = 64

_LAYOUT = re.compile(r"(\n|\x1b\[(?:0|1|2|31|32|33|36)m)")


def nearest(word: str, names: Iterable[str], *, known_as: Mapping[str, str] | None = None) -> str | None:
    """Return the name most like `word`, whatever the case of either; known_as lists habits no likeness finds.

    Of names that are equally like it, it is the first by the alphabet: EfficientNetB0, and not EfficientNetB7.
    """
    folded = {name.casefold(): name for name in names}
    asked = word.casefold()
    if known_as and known_as.get(asked) in folded.values():
        return known_as[asked]
    if len(word) > LONGEST_WORD:
        return None
    close = sorted(difflib.get_close_matches(asked, folded, n=len(folded) or 1))
    return folded[max(close, key=lambda name: difflib.SequenceMatcher(None, name, asked).ratio())] if close else None


def did_you_mean(word: str, names: Iterable[str], *, known_as: Mapping[str, str] | None = None) -> str:
    """Return the end of a sentence that refuses `word`: the name that was probably meant, or nothing."""
    close = nearest(word, names, known_as=known_as)
    return f"; did you mean {close}?" if close else ""


def printable(text: str) -> str:
    """Return `text` on one line, with everything a terminal might act on written as an escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def visible(text: str) -> str:
    """Return a screen as it is, lines and our own colours included, with everything else of that kind as an escape."""
    return "".join(piece if _LAYOUT.fullmatch(piece) else printable(piece) for piece in _LAYOUT.split(text))


def clipped(text: str) -> str:
    """Return `text` printable and no longer than a name would be."""
    return printable(text if len(text) <= LONGEST_WORD else f"{text[: LONGEST_WORD - 3]}...")


def shown(value: object) -> str:
    """Return a TOML value as one would write it, in few words where it is long."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{clipped(value)}"'
        case int():
            # Python refuses to print numbers of many thousand digits, which hexadecimal TOML can hold.
            return str(value) if value.bit_length() <= 64 else "a number of more than 64 bits"
        case float():
            return str(value) if math.isfinite(value) else f"{value}, which is not a finite number"
        case list():
            plain = len(value) <= 4 and not any(isinstance(item, list | dict) for item in value)
            return f"[{', '.join(map(shown, value))}]" if plain else f"a list of {len(value)}"
        case dict():
            return "a table"
        case datetime() | date() | time():
            return f"the date or time {value.isoformat()}"
        case _:
            return "something that is not TOML"
