"""The only door to time, identifiers and chance.

Everything else in qcqueue receives a `Clock`, `Ids` or seeded generator from its caller, so that a test or a
simulated world can decide what time it is and what happens next. Ruff forbids the underlying calls elsewhere.
Seconds are floats; wall-clock seconds count from 1970-01-01 UTC.
"""

import random
import time
import uuid
from typing import Protocol


class WallTime(Protocol):
    """What time it is, for people, history and the age of a heartbeat."""

    def now_s(self) -> float: ...


class Clock(WallTime, Protocol):
    """Wall time, monotonic time for durations, and the only way to wait."""

    def monotonic_s(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class Ids(Protocol):
    """A source of names nobody else has."""

    def new(self) -> str: ...


class SystemClock:
    """The clock of this machine."""

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.perf_counter()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class RandomIds:
    """Twelve hexadecimal digits: short enough to read aloud, long enough never to meet twice in one queue."""

    def new(self) -> str:
        return uuid.uuid4().hex[:12]


Rng = random.Random


def seeded(seed: int | str) -> Rng:
    """Return a generator whose whole future is decided by `seed`."""
    return random.Random(seed)


def fresh_seed() -> int:
    """Return a seed for a run that was not given one; callers print it so that the run can be replayed."""
    return random.SystemRandom().randrange(2**31)


def fresh_secret() -> str:
    """Return 64 hexadecimal digits that nobody can guess."""
    return f"{random.SystemRandom().getrandbits(256):064x}"


def reseed_globals(seed: int) -> None:
    """Give the generators that anybody's code draws from without asking, of Python and of numpy, another state."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed)
