"""What is seen of a session from outside: how it stands. Plain values."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcqueue.core.records import EpochMetrics, TrainingRecord
from qcqueue.errors import QcqueueError

if TYPE_CHECKING:
    # Whoever asks only how a session left does without the libraries that read and write states.
    from qcqueue.spool.files import TrainerProgress as TrainerProgress
    from qcqueue.worker.committer import Saved


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """How far the bytes are that move between this machine and the store right now."""

    moved_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What can be shown of a session right now. epoch_s is what its newest epoch took, validation included.

    resumed says where the run was taken up, None before that is known; written is how far the newest record has come
    that lies on this machine's disk and is not committed yet; waiting_for is why saving waits. history: the epochs that
    are saved. ahead: the jobs after this one, the next first; foreseen: when studies are likely done.
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
    history: tuple[EpochMetrics, ...] = ()
    ahead: tuple[str, ...] = ()
    foreseen: tuple[str, ...] = ()
