"""Jobs that differ in their seed or in their fold alone have a mean and a deviation, and no other jobs have."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from qcqueue.datasets.format import Dataset
from qcqueue.queue.values import JobDetail
from qcqueue.reports.quantities.models import figures_of
from qcqueue.reports.quantities.repeats import REPEATED, Repeats, repeats_of
from tests.reports.quantities.answers import SHA256, an_answered_job, some_answers, some_images
from tests.reports.studies import a_job, a_spec, epochs_of

IMAGES = some_images()
OTHER_SHA256 = "e" * 64


def a_run(seed: int, **changes: Any) -> JobDetail:
    answers = some_answers(IMAGES, seed=seed, skill=1 + seed / 5)
    return an_answered_job("VGG16", IMAGES, answers, name=f"vgg16-{seed}", seed=seed, **changes)


def elsewhere(job: JobDetail) -> JobDetail:
    return replace(job, spec=replace(job.spec, dataset="other"), dataset_sha256=OTHER_SHA256)


def found(*jobs: JobDetail, images: dict[str, Dataset] | None = None) -> tuple[Repeats, ...]:
    return repeats_of(figures_of(jobs), images or {SHA256: IMAGES})


def test_over_seeds_every_quantity_has_its_mean_and_standard_deviation() -> None:
    jobs = [a_run(seed) for seed in (1, 2, 3)]
    [repeats] = found(*jobs)
    assert (repeats.over, repeats.model, repeats.seeds) == ("seeds", "VGG16", (1, 2, 3))
    for name, measure in REPEATED.items():
        values = [measure(model) for model in figures_of(jobs)]
        spread = repeats.spreads[name]
        assert (spread.mean, spread.jobs) == (pytest.approx(np.mean(values)), 3)  # type: ignore[arg-type]
        assert spread.deviation == pytest.approx(np.std(values, ddof=1))  # type: ignore[arg-type]


def test_one_job_and_jobs_that_differ_in_more_are_no_repeats() -> None:
    assert found(a_run(1)) == ()
    assert found(a_run(1), a_run(2, learning_rate=1e-3)) == ()
    assert found(a_run(1), a_run(2, study="another")) == ()
    assert found(a_run(1), a_job(a_spec(name="vgg16-2", seed=2, epochs=5), epochs_of(2))) != ()


def test_the_same_images_parted_in_another_way_are_folds() -> None:
    names = {name: int(split) for name, split in zip(IMAGES.names, IMAGES.splits, strict=True)}
    turned = np.array([(names[name] + 1) % 3 for name in IMAGES.names], np.uint8)
    fold = replace(IMAGES, splits=turned)
    jobs = (a_run(1), elsewhere(a_run(1)))
    [repeats] = found(*jobs, images={SHA256: IMAGES, OTHER_SHA256: fold})
    assert (repeats.over, len(repeats.jobs)) == ("folds", 2)


def test_other_images_are_no_folds_and_unknown_ones_neither() -> None:
    jobs = (a_run(1), elsewhere(a_run(1)))
    other = replace(IMAGES, names=tuple(f"other-{name}" for name in IMAGES.names))
    assert found(*jobs, images={SHA256: IMAGES, OTHER_SHA256: other}) == ()
    assert found(*jobs) == ()
