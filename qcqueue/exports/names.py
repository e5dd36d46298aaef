"""Names of files and folders made from names of jobs: only ever a name, and never the same for two."""

import re

from qcqueue.core.canonical import digest_of
from qcqueue.core.study_keys import NAME

LONGEST = 64

_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
)
"""What Windows takes for a device, whatever ending follows."""


def plain_name(word: str) -> str:
    """Return a word that a study file can hold as it is, and any other one made harmless, with a digest that keeps it
    apart from what else could be read the same. What Windows takes for a device gets an underscore, as no word has."""
    if NAME.fullmatch(word):
        return f"{word}_" if word in _DEVICES else word
    harmless = re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")[:LONGEST]
    return f"{harmless or 'job'}-{digest_of(word)[:8]}"
