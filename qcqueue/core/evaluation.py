"""The result of a finished job as stored and shown; the numbers come from `engines.metrics`.

`per_class` maps a class name to its precision, recall, f1 and support; `confusion_matrix[i][j]` counts samples
of class i predicted as class j. Both are in the order of the dataset's classes; JSON forgets that of a mapping, so that
`Result.in_order` has to be told it again.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from qcqueue.core.records import LossRule
from qcqueue.core.shaped import shaped


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One set of weights on one split."""

    loss: float
    accuracy: float
    per_class: dict[str, ClassScore]
    confusion_matrix: tuple[tuple[int, ...], ...]

    @property
    def never_predicted(self) -> tuple[str, ...]:
        """The classes that were said of no image, in order. They have no precision, though 0 is stored for it."""
        columns = zip(self.per_class, zip(*self.confusion_matrix, strict=True), strict=True)
        return tuple(name for name, said in columns if not any(said))

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that occur, true or predicted; 0 where none does."""
        missing = self.never_predicted
        scores = [it.f1 for name, it in self.per_class.items() if it.support or name not in missing]
        return sum(scores) / len(scores) if scores else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraisal:
    """One set of weights, named by its epoch and digest, on the validation and test splits."""

    epoch: int
    weights_sha256: str
    predictions_sha256: str
    validation: Evaluation
    test: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a finished job is worth. `last` covers the whole run, `best` is the epoch of lowest validation loss.

    loss_rule is that of all losses of the job but the training loss.
    """

    last: Appraisal
    best: Appraisal
    history_sha256: str
    parameters: int
    trainable_parameters: int
    loss_rule: LossRule = "clipped"

    def to_json(self) -> dict[str, Any]:
        value = asdict(self)
        if self.loss_rule == "clipped":  # as it was written before there was a choice
            del value["loss_rule"]
        return value

    def in_order(self, classes: Sequence[str]) -> "Result":
        """Return it with every `per_class` in the order of the dataset's classes, which is that of the matrices."""
        return replace(self, last=_in_order(self.last, classes), best=_in_order(self.best, classes))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Result":
        """Return what `to_json` gave; the order of classes is lost if that was written with sorted keys.

        Raises ValueError: it is no result, or a matrix has not a row and a column for each class.
        """
        result = shaped(cls, value)
        for appraisal in (result.last, result.best):
            for split in (appraisal.validation, appraisal.test):
                sizes = {len(split.confusion_matrix), *map(len, split.confusion_matrix)}
                if sizes - {len(split.per_class)}:
                    raise ValueError("its matrix is not of its classes")
        return result


def _in_order(appraisal: Appraisal, classes: Sequence[str]) -> Appraisal:
    def ordered(evaluation: Evaluation) -> Evaluation:
        names = sorted(evaluation.per_class, key=lambda name: classes.index(name) if name in classes else len(classes))
        return replace(evaluation, per_class={name: evaluation.per_class[name] for name in names})

    return replace(appraisal, validation=ordered(appraisal.validation), test=ordered(appraisal.test))
