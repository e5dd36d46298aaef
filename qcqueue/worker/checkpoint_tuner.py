"""How often the trainer saves: measured while it trains, decided by `planning.cadence`, told through the spool."""

from collections.abc import Callable, Iterable
from dataclasses import asdict

from qcqueue.core.goodput import start_said
from qcqueue.planning.cadence import Cadence, Measured, choose_cadence, explain_cadence
from qcqueue.planning.survival import Lifetime, mean_life_s
from qcqueue.queue.sessions import SessionLine
from qcqueue.spool.files import TrainerProgress
from qcqueue.spool.reader import Spool


class CheckpointTuner:
    """Minds the cadence of one attempt. sessions: those of this queue, to learn from how long one lives."""

    def __init__(self, *, narrate: Callable[[str], None], sessions: Iterable[SessionLine] = ()) -> None:
        self.measured = Measured()
        self._narrate = narrate
        self._mean_session_s = mean_life_s(
            Lifetime(held_s=line.held_s, was_taken=line.ended_at_s is None) for line in sessions if line.is_over
        )
        self._val_s = 0.0
        self._told = Cadence()
        self._has_told_start = False

    def validated(self, seconds: float) -> None:
        self._val_s = seconds

    def mind(self, spool: Spool, *, lag_s: float | None) -> None:
        """Tell the trainer how often to save, if that is another cadence than it was told last."""
        progress = spool.progress.read()
        if progress is None or not progress.steps:
            return
        self._tell_start(spool, progress)
        self.measured = self._of(progress, lag_s)
        cadence = choose_cadence(self.measured)
        if is_another(cadence, self._told):
            self._told = cadence
            spool.cadence.write(asdict(cadence))
            self._narrate(explain_cadence(cadence, self.measured))

    def until_save_s(self, progress: TrainerProgress) -> float | None:
        """Return how much is trained before the next save, as the trainer was told to make them; None: not measured."""
        if progress.step_s is None or self.measured.epoch_s is None:
            return None
        ahead = range(progress.step + 1, progress.steps)
        saves_at = next((step for step in ahead if self._told.is_due_within(step, progress.steps)), progress.steps)
        return (saves_at - progress.step) * progress.step_s + (self._told.epochs_per_save - 1) * self.measured.epoch_s

    def numbers(self) -> dict[str, float]:
        """Return what is measured of the job, by name, without how long sessions live: that is not its own."""
        found = {"epoch_s": self.measured.epoch_s, "stall_s": self.measured.stall_s, "lag_s": self.measured.lag_s}
        return {name: value for name, value in {**found, "steps": self.measured.steps}.items() if value is not None}

    def _tell_start(self, spool: Spool, progress: TrainerProgress) -> None:
        """Say once what lay before the first step of this attempt."""
        if self._has_told_start or progress.phase not in ("training", "saving", "validating"):
            return
        self._has_told_start = True
        order = spool.order.read()
        if said := start_said(progress.seconds, resumes=bool(order and order.resumes)):
            self._narrate(said)

    def _of(self, progress: TrainerProgress, lag_s: float | None) -> Measured:
        return Measured(
            epoch_s=None if progress.step_s is None else progress.step_s * progress.steps + self._val_s,
            stall_s=progress.stall_s,
            lag_s=lag_s,
            mean_session_s=self._mean_session_s,
            steps=progress.steps,
        )


def is_another(cadence: Cadence, told: Cadence) -> bool:
    """Return whether a cadence differs enough to be told: what is measured is noisy, and goodput is flat around it."""
    ratio = (cadence.saves_per_epoch * told.epochs_per_save) / (cadence.epochs_per_save * told.saves_per_epoch)
    return not 0.7 < ratio < 1.4
