"""Time and names inside a simulated world: they move only when the world says so.

The world owns one `WorldTime`; every machine reads it through a `MachineClock` of its own, which may be wrong by
years, run fast, jump, or stand still while the machine is suspended. Nobody can sleep here: a step that waits
would stop the world, so it is refused.
"""

from dataclasses import dataclass

DAY_ZERO_S = 1_700_000_000.0


@dataclass(slots=True)
class WorldTime:
    """The only true time: seconds since the world began."""

    now_s: float = 0.0


class MachineClock:
    """What one machine believes. rate is its seconds for each true second."""

    def __init__(self, time: WorldTime, *, offset_s: float = 0.0, rate: float = 1.0) -> None:
        self._time = time
        self._offset_s = offset_s
        self._rate = rate
        self._asleep_s = 0.0

    def now_s(self) -> float:
        return DAY_ZERO_S + self._offset_s + self._time.now_s * self._rate

    def monotonic_s(self) -> float:
        return (self._time.now_s - self._asleep_s) * self._rate

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"a step wanted to wait {seconds} s; it must return the delay instead")

    def jump(self, by_s: float) -> None:
        """Set the wall clock forward or back; monotonic time does not notice."""
        self._offset_s += by_s

    def was_suspended(self, for_s: float) -> None:
        """The machine slept: true time passed, and its monotonic clock stood still."""
        self._asleep_s += for_s


class CountedIds:
    """Names that are the same each time a world is replayed."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._count = 0

    def new(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count:03d}"
