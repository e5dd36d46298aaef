"""The text of a row, believed to be nothing until it was read: JSON of this shape, or a queue that is damaged.

SQLite keeps any text, and a database may be anybody's work. So whatever is not what this qcqueue would have written is
told as damage of the queue, with the table and the column, and never as an error of whoever asked. `database.cells`
does the same for numbers and words, `stored` knows the shapes; apart from it, because `status` must answer at once.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from qcqueue.core.goodput import Part
from qcqueue.core.shaped import read_measures
from qcqueue.database.cells import VERIFY
from qcqueue.errors import CorruptionError
from qcqueue.text.canonical_json import parse_json
from qcqueue.text.suggest import clipped

T = TypeVar("T")

_PARTS = frozenset(Part)
# A session looks at all of them twice while it claims a job: once to choose, once more within the claim.
_LOOKED_AT = 16_384


def read(text: str | None, make: Callable[[Any], T], where: str) -> T:
    """Return what `make` makes of the JSON in a column. Raises: CorruptionError: it cannot, or the column is NULL."""
    try:
        if text is None:
            raise ValueError("it is empty")
        return make(parse_json(text))
    except ValueError as exc:
        raise CorruptionError(
            f"the queue is damaged: {where} cannot be read: {clipped(str(exc))}", hint=VERIFY
        ) from exc


@lru_cache(_LOOKED_AT)
def seconds_of(text: str) -> Mapping[str, float]:
    """Return a ledger: seconds by the name of what they went into."""
    return read(text, _read_ledger, "a ledger of seconds")


@lru_cache(_LOOKED_AT)
def pace_of(text: str) -> Mapping[str, float]:
    """Return what an attempt measured, by name."""
    return read(text, read_measures, "attempts.pace")


def _read_ledger(value: Any) -> Mapping[str, float]:
    ledger = read_measures(value)
    if unknown := ledger.keys() - _PARTS:
        raise ValueError(f"no time goes into {min(unknown)}")
    return ledger


def dangling(what: str) -> CorruptionError:
    """Return the error of a row that names another one which is not there."""
    return CorruptionError(f"the queue is damaged: it names {clipped(what)} and does not have it", hint=VERIFY)
