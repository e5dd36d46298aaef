"""All of a run's state in host memory: what training hands over and checkpoints store."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from qcqueue.core.records import TrainingRecord

Tensors = Mapping[str, npt.NDArray[Any]]

MODEL = "m/"
"""What the keys of a model's own tensors begin with: all that is needed to evaluate it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Tensors by key (m/00000.. for model.variables, o/00000.. for optimizer.variables), the record that belongs
    to them, the variable path of each key as a cross-check, and the keys of those that training cannot change."""

    tensors: Tensors
    record: TrainingRecord
    paths: Mapping[str, str]
    fixed: frozenset[str] = field(default=frozenset(), compare=False)
