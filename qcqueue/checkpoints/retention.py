"""Which checkpoints stay: those of the last two states. Decides only; the session deletes.

A checkpoint names the model of its best epoch too, so with it stays everything the run can be finished from.
"""

from collections.abc import Sequence
from typing import Protocol

LAST_STATES = 2


class Kept(Protocol):
    """What a retention rule looks at; a state may stand under several ids."""

    @property
    def id(self) -> int: ...
    @property
    def state_sha256(self) -> str: ...


def keep_last_two(kept: Sequence[Kept]) -> set[int]:
    """Return the ids to keep of `kept` (newest first): every id of the two newest distinct states, so that one damaged
    file never costs more than one save."""
    last = list(dict.fromkeys(row.state_sha256 for row in kept))[:LAST_STATES]
    return {row.id for row in kept if row.state_sha256 in last}
