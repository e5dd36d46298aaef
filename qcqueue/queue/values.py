"""What the queue tells its callers: plain values. No row and no connection ever leaves this package."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.evaluation import Result
from qcqueue.core.outcomes import Cause, Outcome, Trouble
from qcqueue.core.records import EpochMetrics, EpochTiming, Identity, Rehearsal, TrainingRecord
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import Event
from qcqueue.core.step_choice import StepChoice
from qcqueue.queue.job_lines import JobLine
from qcqueue.queue.stored import record_of
from qcqueue.stores.base import Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAttempt:
    """An attempt that has not ended, with what is needed to judge whether its session still lives.

    owner: whose its job is.
    """

    job_name: str
    number: int
    session_id: str
    machine: str
    host: str
    heartbeat: str
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A queued job a session may take, in the order of the queue.

    has_begun: a state of it is kept, to go on from. begun_on: what its run goes on from, where its spec does not let it
    go on anywhere and it has begun. owner: whose it is, None for anybody's.
    """

    name: str
    spec: JobSpec
    epochs_done: int
    attempts: int
    has_begun: bool = False
    begun_on: Identity | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateBlobs:
    """A stored state: its head, which names it, and its other packs in order."""

    head: Blob
    packs: tuple[Blob, ...] = ()

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """All it is made of, the head first."""
        return (self.head, *self.packs)

    @property
    def size_bytes(self) -> int:
        return sum(blob.size_bytes for blob in self.blobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A place where a run can be taken up. It alone names everything that is needed for that.

    best: what holds the model of the best epoch up to here; empty before the first finished epoch, and where a
    checkpoint of an older qcqueue has lost it.
    """

    id: int
    state: StateBlobs
    best: tuple[Blob, ...]
    record_json: str

    @property
    def record(self) -> TrainingRecord:
        """Read only when looked at: of several checkpoints mostly the newest is enough."""
        return record_of(self.record_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that belongs to a job beside its dataset. role: what for, as `JobSpec.attachments` calls it.

    title: what its owner called it, "" where that is not known.
    """

    role: str
    blob: Blob
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to work on a job: every later write names `job_name`, `attempt`, which is the fencing token, and the
    session."""

    job_name: str
    attempt: int
    session_id: str
    why: str
    """On what ground it was chosen."""
    commits: int
    """How many numbered writes of this attempt were carried out so far."""
    spec: JobSpec
    dataset: Blob
    attachments: tuple[Attachment, ...]
    """The files that its spec names."""
    keep_weights: bool
    """Whether its ImageNet weights are wanted in the store, for machines to come."""
    keep_state: bool
    """Whether it is to keep more than its weights once it is done."""
    checkpoints: tuple[Checkpoint, ...]
    """What may be resumed from, newest first; empty at a fresh start."""
    packs: Mapping[str, Blob]
    """Every head and pack that a kept checkpoint of any job names now, by digest: what need not be stored again."""
    step_choices: tuple[StepChoice, ...] = ()
    """How its model is computed best, on whatever hardware that was measured."""

    def attachment(self, role: str) -> Attachment | None:
        """Return the file of a role, None where the spec names none."""
        return next((it for it in self.attachments if it.role == role), None)


@dataclass(frozen=True, slots=True)
class Pick:
    """The job that a policy takes, by its name, and why: it is recorded with the claim."""

    name: str
    why: str = "first in the queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How an attempt ends without a result: decided once, then written word for word until that is answered.

    event is STOPPED, INTERRUPTED, HELD or FAILED; why is for the story; trouble names what of its machine or of the
    store ended it; cause is given with FAILED and only then. words: what its trainer said last, where that tells.
    """

    event: Event
    why: str
    trouble: Trouble | None = None
    cause: Cause | None = None
    words: str = ""


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
    """One attempt and the epochs it brought: a segment of the run.

    seconds is the ledger of its time, by name; seen_at_s the last moment by which its session is known to have lived;
    pace what its session measured, by name, as far as it was: what decides how often to save, and of an older attempt
    the probe_s of a step that was timed for comparison; rehearsal what came of doing the same steps twice, where its
    hardware was new to the run; trouble what of its machine or of the store ended it, if that did. step_choice: how its
    step was chosen, None where it went on with that of the run, or is of an older qcqueue.
    """

    number: int
    session_id: str
    host: str
    started_at_s: float
    ended_at_s: float | None
    outcome: Outcome | None
    reason: str | None
    epochs: tuple[int, ...]
    seconds: Mapping[str, float]
    seen_at_s: float | None
    pace: Mapping[str, float] = field(default_factory=dict)
    rehearsal: Rehearsal | None = None
    trouble: Trouble | None = None
    step_choice: StepChoice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointLine:
    """One checkpoint. packs and size_bytes are of all files of its state; of a state not kept any more, of its head."""

    attempt: int
    epochs_done: int
    steps_done: int
    lineage: int
    state_sha256: str
    packs: int
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
    """Everything the queue knows of one job. begun_on: as in a `Candidate`."""

    line: JobLine
    spec: JobSpec
    dataset_sha256: str
    epochs: tuple[EpochLine, ...]
    attempts: tuple[AttemptLine, ...]
    checkpoints: tuple[CheckpointLine, ...]
    history: tuple[HistoryLine, ...]
    result: Result | None
    predictions_sha256: str | None
    begun_on: Identity | None = None

    @property
    def step_choice(self) -> StepChoice | None:
        """How the step of its newest lineage was chosen, None where nobody was asked."""
        return next((it.step_choice for it in reversed(self.attempts) if it.step_choice), None)

    def official_epochs(self) -> tuple[EpochLine, ...]:
        return tuple(epoch for epoch in self.epochs if epoch.official)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetLine:
    name: str
    blob: Blob
    summary: DatasetSummary
    added_at_s: float
