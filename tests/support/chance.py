"""Chance and faults: what may go wrong in a world, how often, and how often it did.

A world draws everything from generators seeded by its one seed. `Faults.hit` is asked wherever a fault of a kind
could strike and keeps count, so a test can prove that no kind is only declared. Switched off, nothing strikes:
that is how the second half of a world begins.
"""

from collections import Counter
from collections.abc import Callable, Mapping, MutableSequence, Sequence
from enum import StrEnum
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Chance(Protocol):
    """The part of a seeded generator that worlds use."""

    def random(self) -> float: ...
    def uniform(self, a: float, b: float) -> float: ...
    def randint(self, a: int, b: int) -> int: ...
    def choice(self, seq: Sequence[T]) -> T: ...
    def shuffle(self, x: MutableSequence[Any]) -> None: ...


class Crash(BaseException):
    """SIGKILL: the process is gone at this instruction. Not an Exception, so nothing on the way may handle it."""


class Fault(StrEnum):
    """Every way a world can be unkind, in the words of its report."""

    KILL_BETWEEN_STEPS = "session killed between steps"
    KILL_BEFORE_COMMIT = "session killed before a commit"
    KILL_IN_COMMIT = "session killed inside a transaction"
    KILL_AFTER_COMMIT = "session killed after a commit"
    KILL_BEFORE_PUT = "session killed before an upload"
    CUT_PUT = "session killed in the middle of an upload"
    KILL_AFTER_PUT = "session killed after an upload"
    CUT_FETCH = "session killed in the middle of a download"
    KILL_BEFORE_DELETE = "session killed before a deletion"
    KILL_AFTER_DELETE = "session killed after a deletion"
    KILL_AT_BEAT = "session killed at a heartbeat"
    STORE_BUSY = "store busy"
    DATABASE_BUSY = "database busy"
    COMMIT_UNANSWERED = "commit made, its answer lost"
    STORE_AWAY = "store away for a while"
    RACE = "others ran within a step"
    FROZEN_CALL = "frozen in the middle of a step, beyond its lease"
    FROZEN = "frozen between steps, beyond its lease"
    SUSPENDED = "frozen with its monotonic clock standing still"
    SESSION_FROZEN = "frozen while its trainer went on"
    CLOCK_JUMP = "wall clock jumped"
    BIT_FLIP = "bit flipped in a stored blob"
    TRUNCATION = "stored blob cut short"
    LOSS = "stored blob lost"
    DATASET_DAMAGE = "stored dataset damaged"
    CACHE_FLIP = "bit flipped in a machine's copy of the dataset"
    CACHE_DELETED = "cache of a machine deleted"
    LATE_LISTING = "listing of blobs late"
    TRAINER_VANISHED = "trainer vanished"
    TRAINER_OUT_OF_MEMORY = "trainer killed for want of memory"
    TRAINER_FAILED = "trainer failed with a typed cause"
    TRAINER_BROKE = "trainer ended with a traceback"
    ASKED_TO_STOP = "session asked to stop"
    HOLD = "person held a job"
    RELEASE = "person released a job"
    CANCEL = "person cancelled a job"
    RETRY = "person retried a job"
    MOVE = "person moved a job"
    ENQUEUE = "person enqueued a job"
    MACHINE_BROKE = "libraries of a machine broke"
    DISK_FILLED = "disk of a machine filled"
    MACHINE_MENDED = "person mended a machine"


class Faults:
    """The faults of one world. rates: the probability of each kind each time it is asked for; tell hears each."""

    def __init__(self, chance: Chance, rates: Mapping[Fault, float], tell: Callable[[Fault], None]) -> None:
        self.hits: Counter[Fault] = Counter()
        self.flowing = True
        self._chance = chance
        self._rates = rates
        self._tell = tell

    def hit(self, kind: Fault) -> bool:
        """Return whether this fault strikes here and now."""
        rate = self._rates.get(kind, 0.0)
        if not self.flowing or rate == 0.0 or self._chance.random() >= rate:
            return False
        self.hits[kind] += 1
        self._tell(kind)
        return True

    def crash_on(self, kind: Fault) -> None:
        """Raises: Crash: if this fault strikes."""
        if self.hit(kind):
            raise Crash(kind)
