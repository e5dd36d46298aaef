"""How often the trainer saves: measured while it trains, decided by `scheduling.cadence`, told through the spool."""

from collections.abc import Callable, Iterable
from dataclasses import asdict

from qcqueue.checkpoints.spool import Progress, Spool
from qcqueue.core.goodput import total
from qcqueue.queue.sessions import SessionLine
from qcqueue.scheduling.cadence import Cadence, Measured, choose_cadence, explain_cadence
from qcqueue.scheduling.lifetimes import Lifetime, mean_life_s


class Pace:
    """Minds the cadence of one session's jobs, one after the other."""

    def __init__(self, *, narrate: Callable[[str], None]) -> None:
        self.measured = Measured()
        self._narrate = narrate
        self._mean_session_s: float | None = None
        self._val_s = 0.0
        self._told = Cadence()

    def sessions_were(self, lines: Iterable[SessionLine]) -> None:
        """Learn from the sessions of this queue how long one lives."""
        self._mean_session_s = mean_life_s(map(lifetime, filter(has_ended, lines)))

    def validated(self, seconds: float) -> None:
        self._val_s = seconds

    def mind(self, spool: Spool, *, lag_s: float | None) -> None:
        """Tell the trainer how often to save, if that is another cadence than it was told last."""
        progress = spool.progress()
        if progress is None or not progress.steps:
            return
        self.measured = self._of(progress, lag_s)
        cadence = choose_cadence(self.measured)
        if cadence != self._told:
            self._told = cadence
            spool.note_cadence(asdict(cadence))
            self._narrate(explain_cadence(cadence, self.measured))

    def forget_the_job(self) -> None:
        self.measured, self._told, self._val_s = Measured(), Cadence(), 0.0

    def _of(self, progress: Progress, lag_s: float | None) -> Measured:
        return Measured(
            epoch_s=None if progress.step_s is None else progress.step_s * progress.steps + self._val_s,
            stall_s=progress.stall_s,
            lag_s=lag_s,
            mean_session_s=self._mean_session_s,
            steps=progress.steps,
        )


def has_ended(line: SessionLine) -> bool:
    """Return whether a session is over and it is known for how long it was held."""
    return line.ended_at_s is not None or (
        line.seen_at_s is not None and bool(line.attempts) and all(it.ended_at_s is not None for it in line.attempts)
    )


def lifetime(line: SessionLine) -> Lifetime:
    end_s = line.ended_at_s or line.seen_at_s or line.started_at_s
    held_s = max(end_s - line.started_at_s, total(line.seconds))
    return Lifetime(held_s=held_s, was_taken=line.ended_at_s is None)
