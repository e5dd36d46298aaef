"""How much a session may do, and what of that is left. Values: they decide, and leave acting on it to the session."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a session may do: wall minutes, epochs it finishes, jobs it ends.

    promised_minutes: after how many its machine will be taken away, as far as somebody has said so.
    """

    max_minutes: float | None = None
    promised_minutes: float | None = None
    max_epochs: int | None = None
    jobs: int | None = 1


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of a session that began at `started_s`. All times are of the clock's monotonic time."""

    limits: Limits
    started_s: float

    def deadline_s(self, lag_s: float | None) -> float | None:
        """Return when to leave, None for never: early enough for the last save, which takes lag_s, to be stored."""
        given = [it for it in (self.limits.max_minutes, self.limits.promised_minutes) if it is not None]
        if not given:
            return None
        allowed_s = min(given) * 60
        return self.started_s + allowed_s - min(lag_s or 0.0, allowed_s / 2)

    def epochs_left(self, done: int) -> int | None:
        """Return how many more epochs may be finished, None for any number."""
        return None if self.limits.max_epochs is None else self.limits.max_epochs - done

    def is_over(self, now_s: float, *, lag_s: float | None) -> bool:
        """Return whether it is time to leave."""
        deadline_s = self.deadline_s(lag_s)
        return deadline_s is not None and now_s >= deadline_s

    def is_spent(self, now_s: float, *, epochs_done: int, lag_s: float | None) -> bool:
        """Return whether nothing may be begun any more."""
        return self.epochs_left(epochs_done) == 0 or self.is_over(now_s, lag_s=lag_s)

    def are_enough(self, jobs: int) -> bool:
        """Return whether so many jobs are all that were asked for."""
        return self.limits.jobs is not None and jobs >= self.limits.jobs
