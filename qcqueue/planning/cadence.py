"""When to save: every epoch, several times in a long one, or once in several short ones.

Pure: what was measured goes in, a cadence and its reason in words come out. How a checkpoint is made, and that the
last epoch and a stop are always saved, is the business of who trains. A cadence never expects less goodput than
saving after every epoch would, and never asks for saves faster than the store takes them.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from qcqueue.core.goodput import best_interval_s
from qcqueue.text.humanize import count, duration

# Until sessions have been seen to end, two hours, for which the tables of reliability were computed. The choice is
# forgiving: where sessions live half or twice as long, the interval is off by a factor of 1.4 and goodput hardly.
ASSUMED_SESSION_S = 7200.0
# The slowest save of those tables, 650 MB at 10 MB/s: one that was not measured yet is not asked for too often.
ASSUMED_STALL_S = 0.5
ASSUMED_LAG_S = 65.0
MOST_STALL = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What is known of a job on this machine; None until it is measured.

    epoch_s is training and validation of one epoch, or what its first steps promise. stall_s is how long a save stops
    training, lag_s from then until the store has it. steps is how many an epoch has.
    """

    epoch_s: float | None = None
    stall_s: float | None = None
    lag_s: float | None = None
    mean_session_s: float | None = None
    steps: int | None = None

    @property
    def session_s(self) -> float:
        """Return how long sessions live, assumed where no end was seen yet."""
        return self.mean_session_s or ASSUMED_SESSION_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """How often to save. At least one of the two is 1; both are where every epoch is saved once."""

    epochs_per_save: int = 1
    saves_per_epoch: int = 1

    def __post_init__(self) -> None:
        assert min(self.epochs_per_save, self.saves_per_epoch) >= 1, "a cadence counts from 1"
        assert 1 in (self.epochs_per_save, self.saves_per_epoch), "saves within epochs that are not saved"

    def is_due_within(self, step: int, steps: int) -> bool:
        """Say whether to save after a step, counted from 1 in its epoch; never after the last, where the epoch ends.

        Decided from the step alone, so an epoch that was resumed in its middle saves where it would have.
        """
        assert 1 <= step <= steps, f"step {step} of {steps}"
        crosses = step * self.saves_per_epoch // steps > (step - 1) * self.saves_per_epoch // steps
        return crosses and step < steps

    def is_due_after(self, epoch: int, last_saved_epoch: int) -> bool:
        """Say whether to save after a whole epoch, counted from 1; last_saved_epoch is 0 where none is saved."""
        return epoch - last_saved_epoch >= self.epochs_per_save


@lru_cache(4096)  # the jobs of a campaign are much alike, and each is asked for in several worlds
def choose_cadence(measured: Measured) -> Cadence:
    """Return how often to save; after every epoch as long as there is no reason for more or less."""
    if measured.epoch_s is None or measured.epoch_s <= 0:
        return Cadence()
    saves = _saves_within(measured, measured.epoch_s)
    if saves > 1:
        return Cadence(saves_per_epoch=saves)
    return Cadence(epochs_per_save=_epochs_between(measured, measured.epoch_s))


def explain_cadence(cadence: Cadence, measured: Measured) -> str:
    """Return one sentence with the numbers that the cadence comes from."""
    if measured.epoch_s is None:
        return f"{_how_often(cadence, None)}, as long as no epoch has been measured."
    epoch = f"an epoch takes {duration(measured.epoch_s)}"
    sessions = f"sessions {'live' if measured.mean_session_s else 'are assumed to live'}"
    numbers = f"{epoch}, {_save_said(measured)}, and {sessions} about {duration(measured.session_s)}"
    return f"{_how_often(cadence, measured.epoch_s)}: {numbers}."


def _saves_within(measured: Measured, epoch_s: float) -> int:
    """Return how many evenly spread saves an epoch is worth, its end included.

    An epoch of hours must not wait for its end to learn what a save costs: the first may never come. So what was not
    measured is assumed to be slow here.
    """
    stall_s = ASSUMED_STALL_S if measured.stall_s is None else measured.stall_s
    lag_s = ASSUMED_LAG_S if measured.lag_s is None else measured.lag_s
    interval_s = max(best_interval_s(measured.session_s, stall_s), lag_s)
    limits = [
        # Where saves cost nothing at all, each step would be worth one.
        epoch_s / interval_s + 0.5 if interval_s else math.inf,
        # One upload is in flight at a time; and no more than a hundredth of training is spent standing still.
        epoch_s / lag_s if lag_s else math.inf,
        MOST_STALL * epoch_s / stall_s if stall_s else math.inf,
        math.inf if measured.steps is None else measured.steps,
    ]
    fewest = min(limits)
    return max(1, math.floor(fewest)) if math.isfinite(fewest) else 1


def _epochs_between(measured: Measured, epoch_s: float) -> int:
    """Return after how many epochs a save protects more than it costs.

    The smallest k with k(k+1) epoch² >= interval², where the best interval is sqrt(2 stall session): for it, k + 1
    epochs expect no more than k. And k epochs are no shorter than the lag. To save less often than every epoch takes a
    reason, so what was not measured is none.
    """
    worth = best_interval_s(measured.session_s, measured.stall_s or 0.0) / epoch_s
    pipe = (measured.lag_s or 0.0) / epoch_s
    return max(1, math.ceil((math.sqrt(1 + 4 * worth**2) - 1) / 2), math.ceil(pipe))


def _how_often(cadence: Cadence, epoch_s: float | None) -> str:
    if cadence.saves_per_epoch > 1:
        every = "" if epoch_s is None else f", every {duration(epoch_s / cadence.saves_per_epoch)}"
        return f"It saves {count(cadence.saves_per_epoch, 'time')} an epoch{every}"
    if cadence.epochs_per_save > 1:
        every = "" if epoch_s is None else f", every {duration(epoch_s * cadence.epochs_per_save)}"
        return f"It saves after every {count(cadence.epochs_per_save, 'epoch')}{every}"
    return "It saves after every epoch"


def _save_said(measured: Measured) -> str:
    if measured.stall_s is None:
        return "what a save costs is not measured yet"
    stops = f"a save stops training for {duration(measured.stall_s)}"
    if measured.lag_s is None:
        return f"{stops} and has not reached the store yet"
    return f"{stops} and reaches the store {duration(measured.lag_s)} later"
