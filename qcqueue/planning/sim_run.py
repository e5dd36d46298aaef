"""One job of a simulated campaign: what is left of it, how it is saved, and how far it is.

`Work` and `Costs` come from whoever asks, a `Strategy` says what sessions do with them, and `SimRun` holds what
`simulator` changes. Always true: only what is safe in the store lasts from one session to the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from qcqueue.planning.cadence import Cadence, Measured, choose_cadence
from qcqueue.planning.line import Line, WaitingLine
from qcqueue.planning.policies import Job

# Sums of seconds are not exact: what is nearer than this, in seconds or epochs, is the same.
CLOSE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A job of a campaign: what is left of it.

    begun: something of it is saved already. pinned: a person gave it its place. deadline_s: since the campaign began.
    owner: whose it is, None for anybody's.
    unsure: the standard deviation of the logarithm of epoch_s, for whoever forecasts; a campaign takes it as it is.
    """

    name: str
    epochs: int
    epoch_s: float
    begun: bool = False
    pinned: bool = False
    deadline_s: float | None = None
    owner: str | None = None
    unsure: float = 0.0

    @property
    def left_s(self) -> float:
        return self.epochs * self.epoch_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What is not training, in seconds; assumed until a real session has measured it.

    start_s: from the beginning of a session to the first step of its first job. switch_s: from the end of one job to
    the first step of the next. stall_s: how long a save stops training. lag_s: from then until the store has it.
    unsure: as in a `Work`, of all of them.
    """

    start_s: float = 90.0
    switch_s: float = 20.0
    stall_s: float = 0.2
    lag_s: float = 8.0
    unsure: float = 0.0


class Saves(StrEnum):
    """When training is saved: as a session of qcqueue decides, by a script in its own training loop, or not at all."""

    CADENCE = "cadence"
    SCRIPT = "script"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """Who is next, and the habits around it.

    line: makes the line of the jobs that wait, here that of the policy of a session. each_epoch: it chooses again
    after every epoch, not only after every job. jobs: how many jobs one session works on
    at most, None for as many as fit. script_epochs: after how many epochs a script saves, where one does. A script
    waits until its save is in the store, and knows nothing of its session's end.
    """

    name: str
    says: str
    line: Callable[[Sequence[Job]], WaitingLine] = Line
    each_epoch: bool = False
    jobs: int | None = None
    saves: Saves = Saves.CADENCE
    script_epochs: int = 1


OURS = Strategy(name="qcqueue", says="with --jobs: a session goes on with what fits into it")
ONE_JOB = Strategy(
    name="one-job", says="as it is by default: one job a session, then the machine is given back", jobs=1
)


class Habit:
    """How a job of a campaign is saved, which is the same in each of its sessions."""

    def __init__(self, work: Work, strategy: Strategy, costs: Costs, mean_session_s: float) -> None:
        self.work = work
        self.cadence = _cadence(work, strategy, costs, mean_session_s)
        is_script = strategy.saves is not Saves.CADENCE
        self.stall_s = costs.stall_s + (costs.lag_s if is_script else 0.0)
        self.lag_s = 0.0 if is_script else costs.lag_s
        self.until_save_s = costs.switch_s + self.stall_s + self.lag_s
        # How much is trained from one save to the next, None where nothing is saved before the end.
        self.every_s = None
        if self.cadence is not None:
            self.every_s = work.epoch_s * self.cadence.epochs_per_save / self.cadence.saves_per_epoch


class SimRun:
    """One job of a campaign and how far it is. Only `safe_s` lasts: seconds of its training that are in the store."""

    def __init__(self, habit: Habit) -> None:
        self.work, self.cadence = habit.work, habit.cadence
        self.stall_s, self.lag_s, self.every_s = habit.stall_s, habit.lag_s, habit.every_s
        self.safe_s = 0.0
        self._until_save_s = habit.until_save_s

    def seen(self, waits: int = 0) -> Job:
        """Return the job as a policy sees it, after it has waited for so many sessions."""
        left_s, epoch_s = self.work.left_s - self.safe_s, self.work.epoch_s
        return Job(
            name=self.work.name,
            left_s=left_s,
            first_save_s=self._until_save_s + self.next_save_s(self.safe_s) - self.safe_s,
            begun=self.work.begun or self.safe_s > 0,
            epochs_done=int(self.safe_s / epoch_s + CLOSE),
            pinned=self.work.pinned,
            waits=waits,
            deadline_s=self.work.deadline_s,
            owner=self.work.owner,
        )

    def next_save_s(self, position_s: float) -> float:
        """Return up to where to train before the next save; the last epoch is always saved."""
        if self.cadence is None:
            return self.work.left_s
        saves, epoch_s = self.cadence.saves_per_epoch, self.work.epoch_s
        if saves > 1:
            at_s = (int(position_s / epoch_s * saves + CLOSE) + 1) * epoch_s / saves
        else:
            at_s = (int(position_s / epoch_s + CLOSE) + self.cadence.epochs_per_save) * epoch_s
        return min(at_s, self.work.left_s)

    def epoch_ends_s(self, position_s: float) -> float:
        return (int(position_s / self.work.epoch_s + CLOSE) + 1) * self.work.epoch_s


def _cadence(work: Work, strategy: Strategy, costs: Costs, mean_session_s: float) -> Cadence | None:
    """Return how often a run is saved; None for at its end only."""
    match strategy.saves:
        case Saves.CADENCE:
            return choose_cadence(
                Measured(
                    epoch_s=work.epoch_s,
                    stall_s=costs.stall_s,
                    lag_s=costs.lag_s,
                    mean_session_s=mean_session_s,
                )
            )
        case Saves.SCRIPT:
            return Cadence(epochs_per_save=strategy.script_epochs)
        case Saves.NEVER:
            return None
