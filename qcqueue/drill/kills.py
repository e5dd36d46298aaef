"""The moments in which a drill kills, and what it tells of one kill: values, for those who kill and those who read.

How a moment is known from outside is for `kill_points`. Always true: a certificate can be read where nobody could kill.
"""

from dataclasses import dataclass
from typing import Literal, get_args

KillPoint = Literal[
    "at the start",
    "while compiling",
    "before the first step of a resumed run",
    "between steps",
    "after a save within an epoch",
    "inside a checkpoint",
    "while a state waits",
    "while hashing",
    "inside an upload",
    "inside a commit",
    "while deleting",
    "in validation",
    "between epochs",
    "in evaluation",
]
MOMENTS: tuple[KillPoint, ...] = get_args(KillPoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One SIGKILL: the moment in which it fell, the one it was aimed at, and how long the session had lived."""

    moment: KillPoint
    aimed: KillPoint
    after_s: float
