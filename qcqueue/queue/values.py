"""What the queue tells its callers: plain values. No row and no connection ever leaves this package."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from qcqueue.core.canonical import parse_json
from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.evaluation import Result
from qcqueue.core.outcomes import Outcome
from qcqueue.core.records import EpochMetrics, EpochTiming, Identity, TrainingRecord
from qcqueue.core.spec import JobSpec
from qcqueue.queue.overview import JobLine
from qcqueue.storage.base import Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAttempt:
    """An attempt that has not ended, with what is needed to judge whether its session still lives."""

    job_name: str
    number: int
    session_id: str
    machine: str
    host: str
    heartbeat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A queued job a session may take, in the order of the queue."""

    name: str
    spec: JobSpec
    epochs_done: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A place where a run can be taken up. epoch_states are the job's kept states by whole epoch."""

    id: int
    state: Blob
    record_json: str
    epoch_states: Mapping[int, Blob]

    @property
    def record(self) -> TrainingRecord:
        """Read only when looked at: of several checkpoints mostly the newest is enough."""
        return _record(self.record_json)

    @property
    def best(self) -> Blob | None:
        """The state of the best epoch up to here, if there is one and it is kept."""
        best = self.record.best_epoch
        return None if best is None else self.epoch_states.get(best)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to work on a job: every later write names `job_name` and `attempt`, the fencing token."""

    job_name: str
    attempt: int
    session_id: str
    spec: JobSpec
    dataset: Blob
    weights: Blob | None
    """The weights file its spec names, if any."""
    checkpoints: tuple[Checkpoint, ...]
    """What may be resumed from, newest first; empty at a fresh start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochLine:
    """One epoch as recorded. official is false for a row that a redone epoch replaced."""

    metrics: EpochMetrics
    timing: EpochTiming
    attempt: int
    official: bool
    identity: Identity
    lineage: int
    recorded_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLine:
    """One attempt and the epochs it brought: a segment of the run."""

    number: int
    session_id: str
    host: str
    started_at_s: float
    ended_at_s: float | None
    outcome: Outcome | None
    reason: str | None
    epochs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointLine:
    attempt: int
    epochs_done: int
    steps_done: int
    lineage: int
    state_sha256: str
    size_bytes: int
    status: str
    recorded_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    at_s: float
    who: str
    what: str
    attempt: int | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetail:
    """Everything the queue knows of one job."""

    line: JobLine
    spec: JobSpec
    dataset_sha256: str
    epochs: tuple[EpochLine, ...]
    attempts: tuple[AttemptLine, ...]
    checkpoints: tuple[CheckpointLine, ...]
    history: tuple[HistoryLine, ...]
    result: Result | None
    predictions_sha256: str | None

    def official_epochs(self) -> tuple[EpochLine, ...]:
        return tuple(epoch for epoch in self.epochs if epoch.official)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetLine:
    name: str
    blob: Blob
    summary: DatasetSummary
    added_at_s: float


@lru_cache(maxsize=16)
def _record(text: str) -> TrainingRecord:
    return TrainingRecord.from_json(parse_json(text))
