"""What a session knows of the job it holds: made with the claim, and dropped whole when it parts with the job.

The job's commits are its `Committer`'s, its trainer's words lie in the spool, and whether to go on is for the session.
Always true: nothing of one job outlives it into the next.
"""

import contextlib
from dataclasses import dataclass

from qcqueue.core.records import TrainingRecord
from qcqueue.errors import MachineError, QcqueueError
from qcqueue.queue.values import Claim
from qcqueue.spool.files import TrainerProgress
from qcqueue.spool.reader import Spool
from qcqueue.worker.checkpoint_tuner import CheckpointTuner
from qcqueue.worker.committer import Committer
from qcqueue.worker.trainer_exit import has_stepped
from qcqueue.worker.view import Transfer, View

# How long a trainer that was asked to save and leave is left alone, where it has nothing to save.
PATIENCE_S = 2.0


@dataclass(slots=True, kw_only=True)
class JobRun:
    """One job that is held. Times are of the clock's monotonic time.

    resumed: where the run was taken up, in words; has_begun: whether its trainer has all it needs. keeps_weights:
    whether the ImageNet weights it begins with are to be kept in the store. waiting_for: why saving waits, and
    retry_due_s when it is tried again. transfer: of bytes, right now. epoch_s: how long the newest epoch took.
    hopeless: why what comes next would hardly be saved; gave_up_on: why training was stopped, as nothing was saved for
    long. memory_kills: of this machine, before its trainer started.
    """

    committer: Committer
    tuner: CheckpointTuner
    resumed: str | None = None
    has_begun: bool = False
    keeps_weights: bool = False
    waiting_for: QcqueueError | None = None
    retry_due_s: float = float("-inf")
    tuning_due_s: float = float("-inf")
    transfer: Transfer | None = None
    epoch_s: float | None = None
    hopeless: str | None = None
    gave_up_on: QcqueueError | None = None
    memory_kills: int = 0
    writes_seen: int = 0

    @property
    def claim(self) -> Claim:
        return self.committer.claim

    @property
    def name(self) -> str:
        return self.committer.claim.job_name

    @property
    def spool(self) -> Spool:
        return self.committer.spool

    def progress(self) -> TrainerProgress | None:
        """Return where the trainer is, for accounts and screens: None also where the disk does not tell."""
        with contextlib.suppress(MachineError):
            return self.spool.progress.read()
        return None

    @property
    def has_come_to_a_step(self) -> bool:
        return self.committer.has_saved or has_stepped(self.progress())

    def check_live(self) -> None:
        """Ask whether the job is still ours, unless the database has agreed to a write since the last time.

        Raises: LeaseLost: it is not.
        """
        if self.committer.ending:
            return
        if self.committer.writes == self.writes_seen:
            self.committer.check_live()
        self.writes_seen = self.committer.writes

    def threads(self, here: int) -> int:
        """Return the thread count the run began with: another one would change its bits. here: this machine's."""
        newest = self.claim.checkpoints[0].record if self.claim.checkpoints else None
        return newest.identity.threads if newest else here

    def ask_to_leave(self) -> None:
        """Have the trainer save and end."""
        with contextlib.suppress(MachineError):  # asked again with the next step
            self.spool.ask_to_stop()

    def has_nothing_to_lose(self) -> bool:
        """Return whether the trainer need not be waited for: all it trained is handed over, whole."""
        try:
            progress = self.spool.progress.read()
        except MachineError:
            return False
        if progress is None:
            return True
        return not (progress.phase.makes_steps or progress.unsaved)

    def view(self) -> View:
        return View(
            job_name=self.name,
            attempt=self.claim.attempt,
            resumed=self.resumed,
            progress=self.progress(),
            transfer=self.transfer,
            written=self._written(),
            saved=self.committer.saved,
            waiting_for=self.waiting_for,
            epoch_s=self.epoch_s,
        )

    def _written(self) -> TrainingRecord | None:
        with contextlib.suppress(MachineError):
            return self.spool.newest_record()
        return None
