"""Whose a job is: the account, or the name, of a person. None is anybody's.

Pure. Where a name comes from is for whoever opens a queue. Always true: what `read_owner` lets through is one line that
a terminal shows as it is, and short enough to stand in a sentence.
"""

from collections.abc import Iterable

from qcqueue.text.fields import InvalidValue
from qcqueue.text.suggest import clipped

# As much of an address as Drive keeps beside a folder.
MOST_BYTES = 100

ANYBODY = "anybody"


def read_owner(text: str) -> str | None:
    """Return whose name a text holds, None where it holds none. Raises: InvalidValue."""
    name = text.strip()
    if not name.isprintable() or len(name.encode()) > MOST_BYTES:
        raise InvalidValue(text, f"is one line of text that a person can read, up to {MOST_BYTES} bytes")
    if name.casefold() == ANYBODY:
        raise InvalidValue(text, f"is a person's name; {ANYBODY} is whose a job is that nobody owns")
    return name or None


def named(owner: str | None) -> str:
    """Return an owner for a person, whatever a queue says it is."""
    return ANYBODY if owner is None else clipped(owner)


def are_several(owners: Iterable[str | None]) -> bool:
    """Return whether it is worth telling whose each of some jobs is."""
    return len({owner for owner in owners if owner is not None}) > 1
