"""What is seen of a session from outside, and what it is told: its limits, how it stands, how it left. Plain values."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from qcqueue.core.records import TrainingRecord
from qcqueue.errors import QcqueueError

if TYPE_CHECKING:
    # Whoever asks only how a session left does without the libraries that read and write states.
    from qcqueue.checkpoints.spool import Progress as TrainerProgress
    from qcqueue.worker.attempt import Saved


class Ending(StrEnum):
    """How a session left."""

    FINISHED = "finished its jobs"
    NOTHING_TO_DO = "nothing to do"
    JOB_FAILED = "a job failed"
    JOB_HELD = "a job is held for you to decide"
    LIMIT = "reached its limit"
    ASKED = "asked to stop"
    LEASE_LOST = "lost its job"
    NEAR_END = "left, because what it would train now would hardly be saved before its likely end"
    SET_ASIDE = "left, because what remains waits for another machine or session"
    WITHDRAWN = "left, because its job was held or cancelled by a person"
    CANNOT_START = "left, because no job can start on this machine"
    NOTHING_SAVED = "left, because the store, or the disk, has taken nothing for too long"
    UNSAVED = "was asked to stop while the store took nothing; the next session on this machine saves what it left"
    NEWER_QUEUE = "left, because a newer qcqueue has raised the queue to a format that this one cannot read"
    PUT_BACK = "left, because an older copy of the queue was put back into the store"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a session may do: wall minutes, epochs it finishes, jobs it ends.

    promised_minutes: after how many its machine will be taken away, as far as somebody has said so.
    """

    max_minutes: float | None = None
    promised_minutes: float | None = None
    max_epochs: int | None = None
    jobs: int | None = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """How far the bytes are that move between this machine and the store right now."""

    moved_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What can be shown of a session right now. epoch_s is what its newest epoch took, validation included.

    resumed says where the run was taken up, None before that is known; written is how far the newest record has come
    that lies on this machine's disk and is not committed yet; waiting_for is why saving waits.
    """

    job_name: str
    attempt: int
    resumed: str | None
    progress: "TrainerProgress | None"
    transfer: Transfer | None
    written: TrainingRecord | None
    saved: "Saved | None"
    waiting_for: QcqueueError | None
    epoch_s: float | None
