"""The keys of a study file: what each may be, and what it is when nobody says.

A `Key` reads one TOML value into one value of a `JobSpec`, or refuses it in half a sentence: what was found, what
is allowed, the nearest valid name. Rules that need two keys (a model and its smallest image) are in `study`.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, get_args

from qcqueue.catalog.models import KNOWN_MODELS, MODELS
from qcqueue.core.spec import Augment, Determinism, Device, Lineage, Optimizer, Trainable
from qcqueue.text.suggest import nearest, shown

Reader = Callable[[Any], Any]

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
WEIGHTS_SUFFIXES = (".h5", ".safetensors")


class InvalidValue(ValueError):
    """The value of a key cannot be used; the message says what was found, what is allowed, what is nearest."""

    def __init__(self, value: object, allowed: str, *, nearest: str | None = None) -> None:
        super().__init__(f"found {shown(value)}, allowed {allowed}" + (f"; did you mean {nearest}?" if nearest else ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key. is_text: on the command line its value is taken as written, so that `--set study=2024` is a name."""

    read: Reader
    default: Any = None
    is_text: bool = False


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


def one_of(names: Iterable[str], *, also: Container[str] = ()) -> Reader:
    """Return a reader of the text that is one of `names`. also: what is taken too and never offered."""
    allowed = tuple(names)

    def read(value: Any) -> str:
        if not isinstance(value, str) or (value not in allowed and value not in also):
            close = nearest(value, allowed) if isinstance(value, str) else None
            choice = ", ".join(f'"{name}"' for name in allowed)
            raise InvalidValue(value, f"is one of {choice}", nearest=close and f'"{close}"')
        return value

    return read


def read_name(value: Any) -> str:
    """Read a name that is safe in a path, a URL and a command."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        slug = re.sub(r"[^a-z0-9]+", "-", value.casefold()).strip("-")[:64] if isinstance(value, str) else ""
        allowed = "are 1 to 64 of a-z, 0-9 and -, and no - in front"
        raise InvalidValue(value, allowed, nearest=f'"{slug}"' if slug else None)
    return value


def read_image_size(value: Any) -> tuple[int, int]:
    """Read [height, width] in pixels."""
    whole = isinstance(value, list) and all(isinstance(side, int) and not isinstance(side, bool) for side in value)
    if not whole or len(value) != 2 or not all(1 <= side <= 2048 for side in value):
        allowed = "are two whole numbers [height, width] in pixels, up to 2048"
        raise InvalidValue(value, allowed, nearest=_size_meant(value))
    return (value[0], value[1])


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
    if sides:
        return f"[{sides[1]}, {sides[2]}]"
    return f"[{value}, {value}]" if isinstance(value, int) and 1 < value <= 2048 else None


TOP_KEYS: Mapping[str, Key] = {
    "study": Key(read=read_name, is_text=True),
    "dataset": Key(read=read_name, is_text=True),
}
JOB_ONLY_KEYS: Mapping[str, Key] = {
    "model": Key(read=one_of(MODELS, also=KNOWN_MODELS), is_text=True),
    "name": Key(read=read_name, is_text=True),
}
# May stand in [defaults], in a [[job]] and after --set. The defaults are those of the contract.
SETTING_KEYS: Mapping[str, Key] = {
    "epochs": Key(default=100, read=whole_number(1, 100_000)),
    "batch_size": Key(default=32, read=whole_number(1, 65_536)),
    "learning_rate": Key(default=1e-4, read=real_number("above 0 and up to 10", lambda x: 0 < x <= 10)),
    "optimizer": Key(default="adam", read=one_of(get_args(Optimizer)), is_text=True),
    "image_size": Key(default=(75, 75), read=read_image_size),
    "weights": Key(default="imagenet", read=read_weights, is_text=True),
    "trainable": Key(default="all", read=one_of(get_args(Trainable)), is_text=True),
    "augment": Key(default="none", read=one_of(get_args(Augment)), is_text=True),
    "dropout": Key(default=0.0, read=real_number("from 0 up to, but not, 1", lambda x: 0 <= x < 1)),
    "determinism": Key(default="exact", read=one_of(get_args(Determinism)), is_text=True),
    "device": Key(default="any", read=one_of(get_args(Device)), is_text=True),
    "seed": Key(default=1, read=whole_number(0, 2**32 - 1)),
    "early_stopping": Key(default=0, read=whole_number(0, 100_000)),
    "lineage": Key(default="any", read=one_of(get_args(Lineage)), is_text=True),
    "deadline": Key(default=None, read=read_deadline),
}
ALL_KEYS: Mapping[str, Key] = {**TOP_KEYS, **JOB_ONLY_KEYS, **SETTING_KEYS}

# What other libraries call these things; no likeness of letters leads from one to the other.
KNOWN_AS: Mapping[str, str] = {
    "lr": "learning_rate",
    "batch": "batch_size",
    "patience": "early_stopping",
    "size": "image_size",
    "input_shape": "image_size",
    "random_state": "seed",
    "augmentation": "augment",
    "data": "dataset",
    "due": "deadline",
    "architecture": "model",
}
