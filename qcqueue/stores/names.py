"""Which names may come out of a store: the one place where that is judged, for all kinds of stores.

Slots, heartbeats, places of blobs and the ids of sessions stand in databases and slots that somebody else may have
written, and become parts of paths and of requests. What to do about a bad one is for whoever was given it. Always true:
a name that passes leads nowhere else, is no temporary file's, and is one name on every system.
"""

import re

from qcqueue.errors import CorruptionError
from qcqueue.stores.files import INCOMING

_DIGEST = re.compile(r"[0-9a-f]{64}")
_OWNER = re.compile(r"[0-9a-z-]{0,80}")

_WORD = re.compile(r"[0-9A-Za-z_-]{1,120}")
_PLACE_IN_FOLDER = re.compile(r"(?:(?P<owner>[0-9a-z-]{1,80})\.)?[0-9a-z-]{1,40}")

# What Windows, which may lend the disk, takes for a device, whatever ending follows.
DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
)
_SHOWN = 64


def is_digest(name: str) -> bool:
    """Return whether it can be the SHA-256 of a blob."""
    return _DIGEST.fullmatch(name) is not None


def is_owner(name: str) -> bool:
    """Return whether it can say who stored a blob; "" is nobody in particular."""
    return _OWNER.fullmatch(name) is not None


def is_word(name: str) -> bool:
    """Return whether it can be a slot, a heartbeat, a session's id, or the id of a file on Drive."""
    if _WORD.fullmatch(name) is None:
        return False
    folded = name.lower()
    return folded not in DEVICES and not folded.startswith(INCOMING)


def is_place_in_folder(place: str) -> bool:
    """Return whether a store in a folder can have given this place to a blob."""
    return _PLACE_IN_FOLDER.fullmatch(place) is not None


def owner_in(place: str) -> str:
    """Return who stored the blob at a place in a folder, "" where that is nobody in particular, or no place."""
    fits = _PLACE_IN_FOLDER.fullmatch(place)
    return (fits["owner"] or "") if fits else ""


def checked(name: str, what: str, *, url: str) -> str:
    """Return a word as it is. what: what it should name in the store. Raises: CorruptionError: it can name nothing."""
    if not is_word(name):
        raise CorruptionError(f"{shown(name)} cannot be the name of a {what} in {url}")
    return name


def shown(name: str) -> str:
    """Return a name for a sentence, in quotes, with its odd letters spelt out and its end cut."""
    return ascii(name if len(name) <= _SHOWN else f"{name[: _SHOWN - 3]}...")
