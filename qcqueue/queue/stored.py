"""What rows hold as JSON, as values: each column with its shape. Texts that many rows share are read once."""

from functools import lru_cache

from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.evaluation import Result
from qcqueue.core.records import Identity, Rehearsal, TrainingRecord
from qcqueue.core.spec import JobSpec
from qcqueue.core.step_choice import StepChoice
from qcqueue.queue.reading import read


@lru_cache(maxsize=16_384)
def spec_of(text: str) -> JobSpec:
    """Return the spec of a job: it never changes, and every look at the queue reads those of all jobs."""
    return read(text, JobSpec.from_json, "jobs.spec")


@lru_cache(maxsize=256)
def summary_of(text: str) -> DatasetSummary:
    return read(text, DatasetSummary.from_json, "datasets.summary")


@lru_cache(maxsize=1024)
def identity_of(text: str | None) -> Identity:
    """Return what an epoch was computed on: by its own row or, where that is empty, by its attempt."""
    return read(text, Identity.from_json, "an identity")


@lru_cache(maxsize=16)
def record_of(text: str) -> TrainingRecord:
    return read(text, TrainingRecord.from_json, "checkpoints.record")


def result_of(text: str) -> Result:
    return read(text, Result.from_json, "results.result")


def rehearsal_of(text: str) -> Rehearsal:
    return read(text, Rehearsal.from_json, "attempts.rehearsal")


@lru_cache(maxsize=256)
def step_choice_of(text: str) -> StepChoice:
    return read(text, StepChoice.from_json, "the choice of a step")
