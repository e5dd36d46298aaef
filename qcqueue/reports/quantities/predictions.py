"""What each model answered, image by image, beside what is right. Everything about single images starts here.

Pure. Answers that do not fit the images they are said to be of are left out, and answers that contradict what is stored
of them stay in: a sentence says either, and the report goes on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qcqueue.core.evaluation import Appraisal, Result
from qcqueue.datasets.format import Split
from qcqueue.reports.quantities.models import ModelFigures
from qcqueue.reports.study import Probabilities, ReportInput

SPLITS: Mapping[str, Split] = {"validation": Split.VALIDATION, "test": Split.TEST}
WEIGHTS = ("best", "last")

# The probabilities of one image are float32: they add up to 1 only about so well, however many classes there are.
ROUNDING = 1e-3

Labels = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Confidences = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """One model on one split ("validation", "test") with one set of weights ("best", "last"); at least one image.

    epoch is the one whose weights these are; places [image] is where each image stands in its dataset; labels [image]
    and probabilities [image, class] are in the order of the dataset.
    """

    job: str
    label: str
    dataset_sha256: str
    split: str
    weights: str
    epoch: int
    classes: tuple[str, ...]
    places: Indices
    labels: Labels
    probabilities: Probabilities

    @property
    def images(self) -> int:
        return len(self.labels)

    @property
    def guesses(self) -> Indices:
        """Return the likeliest class of each image [image], the first of equals."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def confidences(self) -> Confidences:
        """Return the probability each image's guess was given [image], 0..1."""
        return np.asarray(self.probabilities.max(axis=1), np.float64)

    @property
    def is_right(self) -> Mask:
        return np.asarray(self.guesses == self.labels)

    @property
    def right(self) -> int:
        """Return how many images were guessed rightly."""
        return int(np.count_nonzero(self.is_right))

    @property
    def accuracy(self) -> float:
        return self.right / self.images

    @property
    def confusion_matrix(self) -> tuple[tuple[int, ...], ...]:
        """Return how many images of class i were taken for class j, as `Evaluation` has it."""
        classes = len(self.classes)
        counts = np.bincount(self.labels.astype(np.int64) * classes + self.guesses, minlength=classes * classes)
        return tuple(tuple(row) for row in counts.reshape(classes, classes).tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What could be judged, in the order of the models, and in sentences what could not or contradicts itself."""

    judged: tuple[Judged, ...]
    unread: tuple[str, ...]


def judged_of(study: ReportInput, models: Sequence[ModelFigures]) -> Reading:
    """Return all answers of the models beside the labels of their images.

    Of answers or images that are not in the study, nothing is said here: whoever read it has said so.
    """
    judged, unread = list[Judged](), list[str]()
    for model in models:
        for found in _of_model(study, model):
            if isinstance(found, str):
                unread.append(found)
            else:
                judged.append(found)
    results = {model.name: model.result for model in models if model.result}
    unread += [said for found in judged for said in _contradictions(found, results[found.job])]
    return Reading(judged=tuple(judged), unread=tuple(unread))


def _of_model(study: ReportInput, model: ModelFigures) -> Iterator[Judged | str]:
    """Yield for each split and set of weights what was answered, or why that cannot be used."""
    answers, dataset = study.answers.get(model.name), study.images.get(model.dataset_sha256)
    if not answers or dataset is None:
        return
    if model.result is None:
        yield f"{model.name} has predictions but no final evaluation, so they are in no figure."
        return
    for split in SPLITS:
        places = np.flatnonzero(dataset.splits == SPLITS[split])
        for weights in WEIGHTS:
            given = answers.get(f"{weights}/{split}")
            problem = _problem(given, len(places), len(dataset.summary.classes))
            if given is None or problem is not None:
                yield f"{_whose(model.name, split, weights)} {problem}, so they are in no figure."
                continue
            yield Judged(
                job=model.name,
                label=model.label,
                dataset_sha256=model.dataset_sha256,
                split=split,
                weights=weights,
                epoch=_appraisal(model.result, weights).epoch,
                classes=dataset.summary.classes,
                places=places,
                labels=dataset.labels[places],
                probabilities=given,
            )


def _problem(given: Probabilities | None, images: int, classes: int) -> str | None:
    """Return what is wrong with answers, in words that follow "the answers"."""
    if not images:
        return "are of a split without images"
    if given is None:
        return "are missing"
    if given.shape != (images, classes):
        shape = "×".join(map(str, given.shape)) or "one number"
        return f"are an array of {shape}, not one of {images}×{classes} (images×classes)"
    if not np.isfinite(given).all():
        return "hold values that are no numbers"
    if given.min() < 0 or np.abs(given.sum(axis=1, dtype=np.float64) - 1).max() > ROUNDING:
        return "are no probabilities, which add up to 1 for each image"
    return None


def _contradictions(judged: Judged, result: Result) -> Iterator[str]:
    """Yield what the answers say otherwise than the evaluation that is stored of them."""
    appraisal = _appraisal(result, judged.weights)
    stored = appraisal.test if judged.split == "test" else appraisal.validation
    whose = _whose(judged.job, judged.split, judged.weights)
    if stored.accuracy != judged.accuracy:
        yield f"{whose} have an accuracy of {judged.accuracy:.4f}, but {stored.accuracy:.4f} is stored of them."
    if stored.confusion_matrix != judged.confusion_matrix:
        yield f"{whose} have another confusion matrix than the one that is stored of them."


def _appraisal(result: Result, weights: str) -> Appraisal:
    return result.best if weights == "best" else result.last


def _whose(job: str, split: str, weights: str) -> str:
    return f"The {split} predictions of {job} with its {weights} weights"
