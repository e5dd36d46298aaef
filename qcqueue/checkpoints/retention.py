"""Which checkpoints stay: the last two states and the best epoch of each. Decides only; the session deletes."""

from collections.abc import Sequence
from typing import Protocol

from qcqueue.core.records import EpochMetrics, best_epoch

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


def keep_last_two_and_best(kept: Sequence[Kept], history: Sequence[EpochMetrics]) -> set[int]:
    """Return the ids to keep of `kept` (newest first): every id of the two newest distinct states and of the best
    state of each, so that one damaged blob never costs more than one epoch.

    history holds the epochs of the run so far. The best epoch of the older state can be an earlier one than that
    of the newer, and without its state the older could not be brought to its end.
    """
    newest: dict[str, Kept] = {}
    for row in kept:
        newest.setdefault(row.state_sha256, row)
    last = list(newest.values())[:LAST_STATES]
    needed = {row.state_sha256 for row in last}
    for best in {best_epoch(history[: row.epochs_done]) for row in last}:
        needed |= set([row.state_sha256 for row in kept if row.steps_done == 0 and row.epochs_done == best][:1])
    return {row.id for row in kept if row.state_sha256 in needed}
