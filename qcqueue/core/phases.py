"""The phases of a trainer's life, in their order: what training says of itself, and what passes through a spool."""

from typing import Literal

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
