"""What can be done with the sessions one gets: ours, other orders, and what people do with a plain script.

A strategy is a policy with the habits around it: how often it chooses again, when it saves, whether it knows that a
session ends. The same policy in another strategy is the same function that a session calls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from qcqueue.planning.policies import Policy, first_in_first_out, longest_first, ours, round_robin
from qcqueue.text.humanize import count

SCRIPT_SAVES_EVERY = 10


class Saves(StrEnum):
    """When training is saved: as a session of qcqueue decides, by a script in its own training loop, or not at all."""

    CADENCE = "cadence"
    SCRIPT = "script"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A policy and its habits.

    each_epoch: it chooses again after every epoch, not only after every job. jobs: how many jobs one session works on
    at most, None for as many as fit. script_epochs: after how many epochs a script saves, where one does. A script
    waits until its save is in the store, and knows nothing of its session's end.
    """

    name: str
    says: str
    rank: Policy
    each_epoch: bool = False
    jobs: int | None = None
    saves: Saves = Saves.CADENCE
    script_epochs: int = 1


def script(epochs: int = SCRIPT_SAVES_EVERY) -> Strategy:
    """Return a script that trains one model after the other and saves every so many epochs."""
    return Strategy(
        name=f"script-{epochs}",
        says=f"a script that goes on where it was, with a save every {count(epochs, 'epoch')}",
        rank=first_in_first_out,
        saves=Saves.SCRIPT,
        script_epochs=epochs,
    )


STRATEGIES: Mapping[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Strategy(name="qcqueue", says="ours with --jobs: a session goes on with what fits into it", rank=ours),
        Strategy(
            name="one-job", says="ours as it is by default: one job a session, then it is given back", rank=ours, jobs=1
        ),
        Strategy(name="fifo", says="first in first out, each to its end", rank=first_in_first_out),
        Strategy(name="longest", says="the longest first, each to its end", rank=longest_first),
        Strategy(name="round-robin", says="one epoch of each in turn", rank=round_robin, each_epoch=True),
        Strategy(
            name="day-restart",
            says="a plain script: a model that was cut starts over in the next session",
            rank=first_in_first_out,
            saves=Saves.NEVER,
        ),
        script(),
    )
}
