"""Made-up answers of models: tiny datasets, probabilities that a seed decides, and what is stored of both."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qcqueue.clock import seeded
from qcqueue.core.evaluation import Appraisal, Evaluation
from qcqueue.datasets.format import Dataset, Split, arrange
from qcqueue.engines.metrics import Predictions, evaluation
from qcqueue.queue.values import JobDetail
from qcqueue.reports.quantities.models import figures_of
from qcqueue.reports.quantities.predictions import Judged, judged_of
from qcqueue.reports.study import Probabilities, ReportInput
from tests.reports.studies import CLASSES, a_job, a_spec, epochs_of, the_study

SHA256 = "d" * 64


def some_images(
    *, validation: int = 55, test: int = 49, classes: Sequence[str] = CLASSES, are_degraded: bool = True
) -> Dataset:
    """A dataset of tiny grey images, a few to train; classes of unequal size, every severity unless not degraded."""
    count = 6 + validation + test
    splits = np.repeat(np.array(list(Split), np.uint8), [6, validation, test])
    labels = np.array([min(number % 7 % 4, len(classes) - 1) for number in range(count)], np.uint8)
    severities = np.array([number % 4 if are_degraded else 0 for number in range(count)], np.uint8)
    return arrange(
        names=[f"image-{number:05}.png" for number in range(count)],
        images=np.zeros((count, 1, 1, 3), np.uint8),
        columns=(labels, splits, severities),
        classes=classes,
        source="a test",
    )


def some_answers(dataset: Dataset, *, seed: int = 0, skill: float = 1.5) -> dict[str, Probabilities]:
    """What a model might have answered: the more skill, the more of it is right, and the surer it is."""
    return {
        f"{weights}/{split.name.lower()}": probabilities(
            dataset.part(split)[1].tolist(), classes=len(dataset.summary.classes), seed=f"{seed}/{weights}", skill=skill
        )
        for weights in ("best", "last")
        for split in (Split.VALIDATION, Split.TEST)
    }


def probabilities(labels: Sequence[int], *, classes: int = 3, seed: str = "", skill: float = 1.5) -> Probabilities:
    """Softmax outputs, float32 [image, class], that lean towards the labels."""
    # A sine far out is as good as chance, and a thousand times as fast as drawing numbers one by one.
    chances = np.sin(np.arange(len(labels) * classes) * 12.9898 + seeded(seed).random()) * 43758.5453 % 1
    powers = np.exp(3 * chances.reshape(len(labels), classes) + skill * np.eye(classes)[list(labels)])
    found: Probabilities = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def an_answered_job(
    model: str, dataset: Dataset, answers: Mapping[str, Probabilities], *, epochs: int = 5, **changes: Any
) -> JobDetail:
    """A finished job whose stored evaluation is that of its answers, as training computes it."""
    detail = a_job(a_spec(model, epochs=epochs, **changes), epochs_of(epochs, seed=len(model) % 4))
    assert detail.result is not None
    result = replace(
        detail.result,
        best=_appraised(detail.result.best, "best", dataset, answers),
        last=_appraised(detail.result.last, "last", dataset, answers),
    )
    return replace(detail, result=result)


def an_answered_study(
    models: Sequence[str] = ("VGG16", "Xception", "ResNet50V2"), *, dataset: Dataset | None = None, epochs: int = 5
) -> ReportInput:
    """A study whose jobs are all done and have all answered, each a little better than the one before."""
    images = some_images() if dataset is None else dataset
    answers = {
        a_spec(model).full_name: some_answers(images, seed=number, skill=1 + 0.2 * number)
        for number, model in enumerate(models)
    }
    details = [an_answered_job(model, images, answers[a_spec(model).full_name], epochs=epochs) for model in models]
    return the_study(details, answers=answers, images={SHA256: images})


def judged_in(study: ReportInput, *, split: str = "test", weights: str = "best") -> tuple[Judged, ...]:
    """Everything judged on one split with one set of weights; the study holds no contradiction."""
    reading = judged_of(study, figures_of(study.details))
    assert reading.unread == ()
    return tuple(one for one in reading.judged if (one.split, one.weights) == (split, weights))


def judged_as(
    labels: Sequence[int], answers: Sequence[Sequence[float]], *, job: str = "study/job", dataset_sha256: str = SHA256
) -> Judged:
    """Some answers to the first images of a dataset, written out."""
    given = np.array(answers, np.float32)
    return Judged(
        job=job,
        label=job.rpartition("/")[2],
        dataset_sha256=dataset_sha256,
        split="test",
        weights="best",
        epoch=1,
        classes=tuple(f"class-{number}" for number in range(given.shape[1])),
        places=np.arange(len(labels)),
        labels=np.array(labels, np.uint8),
        probabilities=given,
    )


def right_where(is_right: Sequence[bool], *, job: str = "study/job", dataset_sha256: str = SHA256) -> Judged:
    """A model that is right about these images of two classes and wrong about the others."""
    answers = [[0.8, 0.2] if right else [0.3, 0.7] for right in is_right]
    return judged_as([0] * len(is_right), answers, job=job, dataset_sha256=dataset_sha256)


def _appraised(stored: Appraisal, weights: str, dataset: Dataset, answers: Mapping[str, Probabilities]) -> Appraisal:
    def evaluated(split: str, part: Split) -> Evaluation:
        softmax = answers[f"{weights}/{split}"]
        said = Predictions(softmax=softmax, logits=np.log(softmax))
        return evaluation(said, dataset.part(part)[1], dataset.summary.classes, "clipped")

    return replace(stored, validation=evaluated("validation", Split.VALIDATION), test=evaluated("test", Split.TEST))
