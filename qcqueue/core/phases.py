"""The phases of a trainer's life, in their order: what training says of itself, and what passes through a spool.

What the time of a phase is spent on, and what a person reads of it, stands with its word; the words are for ever.
"""

from enum import StrEnum
from typing import Any, Self

from qcqueue.core.goodput import Part, PartGroup


class Phase(StrEnum):
    """Where a trainer is. `starting` is the time before training itself has begun.

    part: what its time is spent on; label: what the trainer does, for a person.
    """

    STARTING = "starting", Part.IMPORT, "loading TensorFlow"
    LOADING = "loading", Part.DATA, "reading the images"
    MEASURING = "measuring", Part.COMPILE, "measuring which way to compute a step is the fastest here"
    BUILDING = "building", Part.COMPILE, "building the model"
    COMPILING = "compiling", Part.COMPILE, "compiling the first step; this can take a minute"
    WAITING = "waiting", Part.DOWNLOAD, "waiting for the saved state to arrive"
    RESTORING = "restoring", Part.RESTORE, "taking up the saved state"
    TRAINING = "training", Part.TRAIN, "training"
    SAVING = "saving", Part.STALL, "saving"
    VALIDATING = "validating", Part.VALIDATE, "validating"
    EVALUATING = "evaluating", Part.VALIDATE, "final evaluation"

    part: Part
    label: str

    def __new__(cls, word: str, *facts: Any) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.part, member.label = facts
        return member

    @property
    def makes_steps(self) -> bool:
        """Return whether it trains, so that more is lost with every moment, or is saving that."""
        return self in (Phase.TRAINING, Phase.SAVING)

    @property
    def precedes_steps(self) -> bool:
        """Return whether no step is made before it is over."""
        return self.part.group is PartGroup.RESTART
