"""The phases of a trainer's life, in their order: what training says of itself, and what passes through a spool."""

from collections.abc import Mapping
from typing import Literal

from qcqueue.core.goodput import Part

TrainingPhase = Literal[
    "loading",
    "building",
    "compiling",
    "waiting",
    "restoring",
    "training",
    "saving",
    "validating",
    "evaluating",
]

Phase = Literal["starting", TrainingPhase]
"""With the time before training itself has begun."""

PART_OF: Mapping[Phase, Part] = {
    "starting": Part.IMPORT,
    "loading": Part.DATA,
    "building": Part.COMPILE,
    "compiling": Part.COMPILE,
    "waiting": Part.DOWNLOAD,
    "restoring": Part.RESTORE,
    "training": Part.TRAIN,
    "saving": Part.STALL,
    "validating": Part.VALIDATE,
    "evaluating": Part.VALIDATE,
}
"""What the time of a phase is spent on."""
