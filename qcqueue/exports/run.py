"""What a tracker is told of a job: its official epochs as named numbers, its spec, and what tells it from every other.

Pure: from what the queue knows to plain values, which `tensorboard` and `mlflow` write as their libraries want them. An
epoch that was done again counts once, as the run goes on from it, so steps are the numbers of epochs and rise over all
segments. `plain_name` is the name of a run wherever it becomes a folder.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qcqueue.core.records import history_sha256
from qcqueue.core.states import State
from qcqueue.queue.values import EpochLine, JobDetail
from qcqueue.stores.names import DEVICES
from qcqueue.text.canonical_json import digest_of
from qcqueue.text.fields import NAME

LONGEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One epoch. values: by name, losses and accuracies (0..1), the learning rate, and seconds."""

    epoch: int
    at_s: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """One job. identity: tags by which it is found again; facts: other tags, which may change as it goes on.

    settings are those of its spec as text, without what may change. began_s: when its first attempt began.
    """

    job: str
    study: str
    name: str
    state: State
    steps: tuple[Step, ...]
    settings: Mapping[str, str]
    identity: Mapping[str, str]
    facts: Mapping[str, str]
    began_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedOutcome:
    """What an export did for one run. what: "written", "added to" or "there already"; where: the file or the run."""

    job: str
    epochs: int
    what: str
    where: str

    def to_json(self) -> dict[str, Any]:
        return {"job": self.job, "epochs": self.epochs, "what": self.what, "where": self.where}


def runs_of(details: Sequence[JobDetail]) -> tuple[TrackedRun, ...]:
    """Return a run for each job that has a finished epoch, in the order of the queue."""
    return tuple(_run(detail) for detail in details if detail.official_epochs())


def _run(detail: JobDetail) -> TrackedRun:
    lines = sorted(detail.official_epochs(), key=lambda line: line.metrics.epoch)
    spec, result = detail.spec, detail.result
    settings = {key: _text(value) for key, value in spec.to_json().items() if key not in ("deadline_s", "lineage")}
    digests = {
        "qcqueue.weights_sha256": result.best.weights_sha256,
        "qcqueue.predictions_sha256": result.best.predictions_sha256,
    } if result else {}  # fmt: skip
    return TrackedRun(
        job=detail.line.name,
        study=spec.study,
        name=spec.name,
        state=detail.line.state,
        steps=tuple(map(_step, lines)),
        settings=settings,
        identity={"qcqueue.spec": spec.digest, "qcqueue.dataset": detail.dataset_sha256},
        facts={
            "qcqueue.job": detail.line.name,
            "qcqueue.state": str(detail.line.state),
            "qcqueue.epochs": str(len(lines)),
            "qcqueue.attempts": str(detail.line.attempts),
            "qcqueue.processors": ", ".join(dict.fromkeys(line.identity.processor for line in lines)),
            "qcqueue.history_sha256": history_sha256([line.metrics for line in lines]),
            **digests,
        },
        began_s=min((attempt.started_at_s for attempt in detail.attempts), default=lines[0].recorded_at_s),
    )


def _step(line: EpochLine) -> Step:
    metrics, timing = line.metrics, line.timing
    return Step(
        epoch=metrics.epoch,
        at_s=line.recorded_at_s,
        values={
            "loss/train": metrics.loss,
            "loss/validation": metrics.val_loss,
            "accuracy/train": metrics.accuracy,
            "accuracy/validation": metrics.val_accuracy,
            "learning_rate": metrics.learning_rate,
            "seconds/train": timing.train_s,
            "seconds/validation": timing.val_s,
            "seconds/checkpoint": timing.checkpoint_s,
        },
    )


def _text(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


def plain_name(word: str) -> str:
    """Return a word that a study file can hold as it is, and any other one made harmless, with a digest that keeps it
    apart from what else could be read the same. What Windows takes for a device gets an underscore, as no word has."""
    if NAME.fullmatch(word):
        return f"{word}_" if word in DEVICES else word
    harmless = re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")[:LONGEST]
    return f"{harmless or 'job'}-{digest_of(word)[:8]}"
