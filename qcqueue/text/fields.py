"""The keys of a file that a person writes: what each may be, what it is when nobody says, and what is said of it.

A reader makes one TOML value into one value of ours, or refuses it in half a sentence: what was found, what is allowed,
the nearest valid name. `key` declares a field of a dataclass as such a key, with everything that belongs to it, so that
whoever reads, writes or explains these values asks the class. Where a key may stand, and rules that need two of them,
are for who reads the file.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any

from qcqueue.text.suggest import nearest, shown

Reader = Callable[[Any], Any]

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
WEIGHTS_SUFFIXES = (".h5", ".safetensors")

_KEY = "key"


class InvalidValue(ValueError):
    """The value of a key cannot be used; the message says what was found, what is allowed, what is nearest."""

    def __init__(self, value: object, allowed: str, *, nearest: str | None = None) -> None:
        super().__init__(f"found {shown(value)}, allowed {allowed}" + (f"; did you mean {nearest}?" if nearest else ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key. default: what it is when nobody says. help: one line for a person who writes such a file.

    name, field: what the file calls it, and what the class does. example: how it is written in a file, where not as its
    default. is_text: on the command line its value is taken as written, so that `--set study=2024` is a name.
    decides_bits: whether another value makes another training. also: what other libraries call it; no likeness of
    letters leads from one to the other. stored: reads the value of the class again, which somebody else may have kept.
    """

    read: Reader
    stored: Reader
    default: Any
    help: str
    name: str
    field: str
    example: str
    is_text: bool
    decides_bits: bool
    also: tuple[str, ...]


def key(
    read: Reader,
    *,
    default: Any = None,
    help: str,
    name: str = "",
    example: str = "",
    is_text: bool = False,
    decides_bits: bool = True,
    also: tuple[str, ...] = (),
    stored: Reader | None = None,
    always_written: bool = False,
) -> Any:
    """Declare a field of a dataclass as a key; see `Key`.

    It is left out of JSON at its default, so that a key which is new changes no digest of before, unless it is
    always_written: then no value of the class may be without it.
    """
    declared = Key(
        read=read,
        stored=stored or read,
        default=default,
        help=help,
        name=name,
        field="",
        example=example,
        is_text=is_text,
        decides_bits=decides_bits,
        also=also,
    )
    return field(default=MISSING if always_written else default, metadata={_KEY: declared})


old_key = partial(key, always_written=True)
"""Declares a key of before keys could be left out. Never one that is added, or every job has another digest."""


def keys_of(kind: Any) -> Mapping[str, Key]:
    """Return the keys that a dataclass declares, by what a file calls them."""
    declared = ((it.name, it.metadata[_KEY]) for it in fields(kind) if _KEY in it.metadata)
    keys = [replace(one, name=one.name or name, field=name) for name, one in declared]
    return {one.name: one for one in keys}


def whole_number(low: int, high: int) -> Reader:
    """Return a reader of integers from low to high. True is no number, and neither is 3.0 or "3"."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            meant = str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e9 else None
            raise InvalidValue(value, f"is a whole number from {low} to {high}{_unquoted(value)}", nearest=meant)
        return value

    return read


def real_number(allowed: str, fits: Callable[[float], bool]) -> Reader:
    """Return a reader of finite numbers; an integer will do. NaN fits nothing, because it compares with nothing."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not fits(value):
            raise InvalidValue(value, f"is a number {allowed}{_unquoted(value)}")
        return float(value) + 0.0  # makes -0.0 the 0.0 that has the same digest as every other zero

    return read


def one_of(names: Collection[str], *, also: Collection[str] = ()) -> Reader:
    """Return a reader of the text that is one of `names`, as they are then. also: what is taken and never offered."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or (value not in names and value not in also):
            close = nearest(value, names) if isinstance(value, str) else None
            choice = ", ".join(f'"{name}"' for name in names)
            raise InvalidValue(value, f"is one of {choice}", nearest=close and f'"{close}"')
        return value

    return read


def true_or_false(value: Any) -> bool:
    """Read true or false, as TOML writes them; 1 and "true" are neither."""
    if not isinstance(value, bool):
        meant = value.casefold() if isinstance(value, str) and value.casefold() in ("true", "false") else None
        raise InvalidValue(value, "is true or false" + (", without quotes" if meant else ""), nearest=meant)
    return value


def read_name(value: Any) -> str:
    """Read a name that is safe in a path, a URL and a command."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        slug = re.sub(r"[^a-z0-9]+", "-", value.casefold()).strip("-")[:64] if isinstance(value, str) else ""
        allowed = "are 1 to 64 of a-z, 0-9 and -, and no - in front"
        raise InvalidValue(value, allowed, nearest=f'"{slug}"' if slug else None)
    return value


def read_visible(value: Any) -> str:
    """Read text of one line without anything that nobody can see."""
    if not isinstance(value, str) or not value.isprintable():
        raise InvalidValue(value, "is text that a person can read")
    return value


def read_image_size(value: Any) -> tuple[int, int]:
    """Read [height, width] in pixels, or one number for a square."""
    sides = value if isinstance(value, list) else [value, value]
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in sides)
    if not whole or len(sides) != 2 or not all(1 <= side <= 2048 for side in sides):
        allowed = "are two whole numbers [height, width] in pixels, up to 2048, or one for a square"
        raise InvalidValue(value, allowed, nearest=_size_meant(value))
    return sides[0], sides[1]


def read_weights(value: Any) -> str:
    """Read "imagenet", "none" or the path of a weights file, as it was written."""
    allowed = f'is "imagenet", "none" or a weights file ({" or ".join(WEIGHTS_SUFFIXES)})'
    if isinstance(value, str) and value.casefold().endswith(".keras"):
        reason = "; a .keras file can run code when it is loaded, so export its weights with model.save_weights"
        raise InvalidValue(value, allowed + reason)
    if isinstance(value, str) and value.casefold().endswith(WEIGHTS_SUFFIXES) and value.isprintable():
        return value
    if value not in ("imagenet", "none"):
        close = nearest(value, ("imagenet", "none")) if isinstance(value, str) else None
        raise InvalidValue(value, allowed, nearest=close and f'"{close}"')
    return str(value)


def read_deadline(value: Any) -> float:
    """Read a day, which counts until its end, or a moment; UTC where no other offset is written. Seconds since 1970."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(23, 59, 59))
    if not isinstance(value, datetime):
        quoted = isinstance(value, str) and re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value)
        allowed = "is a day such as 2026-12-24, or a moment such as 2026-12-24T18:00:00+01:00"
        raise InvalidValue(value, allowed + (", without quotes" if quoted else ""))
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()


def _unquoted(value: object) -> str:
    """Say that the quotes are what is wrong, where they are."""
    return ", without quotes" if isinstance(value, str) and re.fullmatch(r"[-+0-9._eE]*[0-9]\.?", value) else ""


def _size_meant(value: object) -> str | None:
    sides = re.fullmatch(r"([0-9]{1,4}) *[xX×, ] *([0-9]{1,4})", value) if isinstance(value, str) else None
    return f"[{sides[1]}, {sides[2]}]" if sides else None
