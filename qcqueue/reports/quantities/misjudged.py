"""The images that models get wrong: those most models agree to misjudge, and those a model is surest to. Pure.

What is shown of them, their name and place, is that of the dataset; nothing here looks at a picture.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from qcqueue.datasets.format import Dataset
from qcqueue.reports.quantities.predictions import Judged

MOST_MISJUDGED = 12
SUREST_MISTAKES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What one model took an image for, and how probable it found that, 0..1."""

    job: str
    label: str
    guess: str
    probability: float
    is_right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MisjudgedImage:
    """One image with its true class and what was said of it; `place` is where it stands in the dataset.

    guesses are of all models that saw it, in their order; wrong counts those that misjudged it.
    """

    dataset_sha256: str
    place: int
    name: str
    truth: str
    wrong: int
    guesses: tuple[Guess, ...]


def most_misjudged(judged: Sequence[Judged], datasets: Mapping[str, Dataset]) -> tuple[MisjudgedImage, ...]:
    """Return the images that most models misjudge, dataset by dataset, no more than twelve of each.

    judged: all on one split and with one set of weights. Among images that equally many models misjudge, those come
    first that are given to a wrong class with the higher mean probability, then those that stand first in the dataset.
    """
    first_seen = list(dict.fromkeys(one.dataset_sha256 for one in judged))
    by_dataset = sorted(judged, key=lambda one: first_seen.index(one.dataset_sha256))
    return tuple(
        image
        for sha256, models in groupby(by_dataset, key=lambda one: one.dataset_sha256)
        for image in _most_misjudged(list(models), datasets[sha256])
    )


def surest_mistakes(judged: Judged, dataset: Dataset) -> tuple[MisjudgedImage, ...]:
    """Return the images a model misjudges with the highest probability, no more than six, each with its guess alone."""
    wrong = np.flatnonzero(~judged.is_right)
    order = np.argsort(-judged.confidences[wrong], kind="stable")[:SUREST_MISTAKES]
    return tuple(_image([judged], dataset, index) for index in wrong[order].tolist())


def _most_misjudged(models: Sequence[Judged], dataset: Dataset) -> Iterator[MisjudgedImage]:
    is_wrong = np.array([~one.is_right for one in models])
    confidences = np.array([one.confidences for one in models])
    wrong = is_wrong.sum(axis=0)
    mean = (confidences * is_wrong).sum(axis=0) / np.maximum(wrong, 1)
    # The last key counts most; a stable sort leaves equals in the order of the dataset.
    order = np.lexsort((-mean, -wrong))[:MOST_MISJUDGED]
    return (_image(models, dataset, index) for index in order.tolist() if wrong[index])


def _image(models: Sequence[Judged], dataset: Dataset, index: int) -> MisjudgedImage:
    """Return the index-th image of a split as these models saw it."""
    place, truth = int(models[0].places[index]), int(models[0].labels[index])
    guesses = tuple(_guess(one, index) for one in models)
    return MisjudgedImage(
        dataset_sha256=models[0].dataset_sha256,
        place=place,
        name=dataset.names[place],
        truth=models[0].classes[truth],
        wrong=sum(not guess.is_right for guess in guesses),
        guesses=guesses,
    )


def _guess(judged: Judged, index: int) -> Guess:
    probabilities = judged.probabilities[index]
    guess = int(probabilities.argmax())
    return Guess(
        job=judged.job,
        label=judged.label,
        guess=judged.classes[guess],
        probability=float(probabilities[guess]),
        is_right=guess == int(judged.labels[index]),
    )
