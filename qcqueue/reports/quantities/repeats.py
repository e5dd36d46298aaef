"""Jobs that are one experiment several times, with other seeds or on other folds: their means and deviations. Pure.

Jobs of one study that differ in nothing but their name and seed are repeats by seed. Where they also differ in their
dataset, they are folds if these hold the same images with the same labels and part them in another way.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from qcqueue.core.spec import JobSpec
from qcqueue.datasets.format import Dataset
from qcqueue.reports.quantities.models import ModelFigures

FEWEST_JOBS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanAndDeviation:
    """The mean of some jobs and their standard deviation, with n - 1 in it, of the jobs for which it is known."""

    mean: float
    deviation: float
    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """Finished jobs, at least two, that are one experiment: over "seeds" or over "folds".

    spreads are by the name of the quantity, those of `REPEATED`, without those that fewer than two jobs know.
    """

    study: str
    model: str
    over: str
    jobs: tuple[str, ...]
    seeds: tuple[int, ...]
    spreads: Mapping[str, MeanAndDeviation]


REPEATED: Mapping[str, Callable[[ModelFigures], float | None]] = {
    "validation_accuracy": lambda model: model.accuracies.validation_best,
    "validation_macro_f1": lambda model: model.result.best.validation.macro_f1 if model.result else None,
    "test_accuracy": lambda model: model.accuracies.test_best,
    "test_macro_f1": lambda model: model.result.best.test.macro_f1 if model.result else None,
    "best_epoch": lambda model: model.best_epoch,
    "total_s": lambda model: model.times.total_s,
}
"""What is averaged, at the best epochs."""


def repeats_of(models: Sequence[ModelFigures], images: Mapping[str, Dataset]) -> tuple[Repeats, ...]:
    """Return every experiment that was done more than once, in the order of its first job. images: by digest."""
    alike: dict[JobSpec, list[ModelFigures]] = {}
    for model in models:
        if model.is_done:
            alike.setdefault(replace(model.spec, name="", seed=0, dataset="", deadline_s=None), []).append(model)
    return tuple(found for jobs in alike.values() for found in _experiments(jobs, images))


def _experiments(jobs: Sequence[ModelFigures], images: Mapping[str, Dataset]) -> Iterator[Repeats]:
    """Yield the jobs as folds where they lie on parts of the same images, else those of each dataset by their seeds."""
    by_dataset: dict[str, list[ModelFigures]] = {}
    for job in jobs:
        by_dataset.setdefault(job.dataset_sha256, []).append(job)
    if len(by_dataset) > 1 and _are_folds([images.get(digest) for digest in by_dataset]):
        yield _repeats(jobs, "folds")
        return
    yield from (_repeats(each, "seeds") for each in by_dataset.values() if len(each) >= FEWEST_JOBS)


def _are_folds(datasets: Sequence[Dataset | None]) -> bool:
    known = [each for each in datasets if each is not None]
    if len(known) < len(datasets):
        return False
    held = [sorted(zip(each.names, each.labels.tolist(), strict=True)) for each in known]
    parted = [tuple(sorted(zip(each.names, each.splits.tolist(), strict=True))) for each in known]
    return all(each == held[0] for each in held) and len(set(parted)) == len(parted)


def _repeats(jobs: Sequence[ModelFigures], over: str) -> Repeats:
    spreads = {name: _spread([measure(job) for job in jobs]) for name, measure in REPEATED.items()}
    return Repeats(
        study=jobs[0].spec.study,
        model=jobs[0].spec.model,
        over=over,
        jobs=tuple(job.name for job in jobs),
        seeds=tuple(job.spec.seed for job in jobs),
        spreads={name: spread for name, spread in spreads.items() if spread},
    )


def _spread(values: Sequence[float | None]) -> MeanAndDeviation | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < FEWEST_JOBS:
        return None
    return MeanAndDeviation(mean=fmean(known), deviation=stdev(known), jobs=len(known))
