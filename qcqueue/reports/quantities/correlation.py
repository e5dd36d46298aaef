"""How what models cost and what they reach go together: Pearson's correlation over the models of a study. Pure.

With a handful of models a coefficient describes these models and proves nothing of others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from qcqueue.reports.quantities.models import ModelFigures

FEWEST_MODELS = 3
"""Two points always lie on a line."""

# Values that differ by no more than this share of themselves differ by rounding.
ROUNDING = 1e-12


class Cost(StrEnum):
    """What is correlated, in the order of the matrix: what a model costs, and what it reaches on the test images.

    The values are names for programs and stay as they are; label: what a person reads.
    """

    PARAMETERS = "total parameters", "total parameters"
    TRAINABLE_PARAMETERS = "trainable parameters", "trainable parameters"
    STEP_TIME = "time per step", "time per step"
    EPOCH_TIME = "time per epoch", "time per epoch"
    TRAINING_TIME = "time in training", "total time"
    ACCURACY = "test accuracy", "test accuracy"
    MACRO_F1 = "test macro f1", "test macro-F1"

    label: str

    def __new__(cls, word: str, *facts: Any) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        (member.label,) = facts
        return member


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """One cell: coefficient, -1..1, over the `models` for which both costs are known.

    It is None where they are fewer than three, or where one of the costs is the same for all of them.
    """

    row: Cost
    column: Cost
    coefficient: float | None
    models: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationMatrix:
    """A square of cells, rows and columns in the order of `Cost`; the same on both sides of its diagonal."""

    rows: tuple[tuple[Correlation, ...], ...]


def correlation_of(models: Sequence[ModelFigures]) -> CorrelationMatrix:
    """Correlate models. Times are those measured, on whatever processor; test results are those of the best epochs."""
    known = {cost: [measure(model) for model in models] for cost, measure in _MEASURES.items()}
    return CorrelationMatrix(
        rows=tuple(tuple(_cell(row, column, known[row], known[column]) for column in Cost) for row in Cost)
    )


def _training_time(model: ModelFigures) -> float | None:
    """Return None for a job that is not done: what it has taken so far is not what it takes."""
    return model.times.total_s if model.is_done else None


_MEASURES: Mapping[Cost, Callable[[ModelFigures], float | None]] = {
    Cost.PARAMETERS: lambda model: model.parameters,
    Cost.TRAINABLE_PARAMETERS: lambda model: model.trainable_parameters,
    Cost.STEP_TIME: lambda model: model.times.step_s_p50,
    Cost.EPOCH_TIME: lambda model: model.times.epoch_s_p50,
    Cost.TRAINING_TIME: _training_time,
    Cost.ACCURACY: lambda model: model.accuracies.test_best,
    Cost.MACRO_F1: lambda model: model.result.best.test.macro_f1 if model.result else None,
}


def _cell(row: Cost, column: Cost, rows: Sequence[float | None], columns: Sequence[float | None]) -> Correlation:
    both = [(one, other) for one, other in zip(rows, columns, strict=True) if one is not None and other is not None]
    coefficient = _pearson([one for one, _ in both], [other for _, other in both])
    return Correlation(row=row, column=column, coefficient=coefficient, models=len(both))


def _pearson(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the correlation of two lists of one length, None where it is not defined."""
    if len(first) < FEWEST_MODELS or _is_constant(first) or _is_constant(second):
        return None
    if first == second:
        return 1.0
    one, other = (_standardised(values) for values in (first, second))
    return float(np.clip(one @ other, -1, 1))


def _standardised(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return values around 0 with a sum of squares of 1."""
    centred = np.array(values, np.float64) - np.mean(values)
    # Scaled first, so that squares of large and of tiny numbers stay in range.
    centred /= np.abs(centred).max()
    return np.asarray(centred / np.sqrt(centred @ centred))


def _is_constant(values: Sequence[float]) -> bool:
    return max(values) - min(values) <= ROUNDING * max(map(abs, values))
