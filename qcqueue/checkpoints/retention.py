"""Which checkpoints stay: the last two states and that of the best epoch. Decides only; the session deletes."""

from collections.abc import Sequence
from typing import Protocol

LAST_STATES = 2


class Kept(Protocol):
    """What a retention rule looks at; a state may stand under several ids."""

    @property
    def id(self) -> int: ...
    @property
    def state_sha256(self) -> str: ...
    @property
    def epochs_done(self) -> int: ...
    @property
    def steps_done(self) -> int: ...


def keep_last_two_and_best(kept: Sequence[Kept], best_epoch: int | None) -> set[int]:
    """Return the ids to keep of `kept` (newest first): every id of the two newest distinct states, and of the
    state after the best epoch, so that one damaged blob never costs more than one epoch."""
    newest = list(dict.fromkeys(row.state_sha256 for row in kept))[:LAST_STATES]
    best = [row.state_sha256 for row in kept if row.steps_done == 0 and row.epochs_done == best_epoch][:1]
    return {row.id for row in kept if row.state_sha256 in {*newest, *best}}
