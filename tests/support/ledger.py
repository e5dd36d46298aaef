"""What truly happened in a world, kept apart from what the database says happened.

The world and its faulty wrappers write here: beats by the store's clock, deaths, damaged bytes, excuses for a
failure. The invariants read it beside the rows. Nothing of the code under test writes or reads it.
"""

import contextlib
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from qcqueue.conformance.clocks import WorldTime
from qcqueue.stores.base import LeaseRules


def file_name(sha256: str, place: str) -> str:
    """Return what a folder calls the file of a blob, as its format says."""
    return f"{sha256}.{place}" if place else sha256


# After how many trainers that vanished a session gives a job up.
MOST_DEATHS = 3


class Violation(AssertionError):
    """Something happened that must never happen."""


class Ledger:
    """The truth about one world. look is called after every commit and deletion, and runs the invariants."""

    def __init__(self, root: Path, time: WorldTime, lease: LeaseRules) -> None:
        self.look: Callable[[], None] = lambda: None
        self.lease = lease
        self.ruined: set[str] = set()
        """Files of the store that the world damaged."""
        self.beats: dict[str, list[float]] = defaultdict(list)
        """True seconds of every heartbeat of a session."""
        self.machine_of: dict[str, str] = {}
        self.gone: set[str] = set()
        """Sessions whose process is over, however it ended."""
        self.silenced: set[str] = set()
        """Sessions whose heartbeat was removed."""
        self.step_began_s: dict[str, float] = {}
        self.trainer_began_s: dict[str, float] = {}
        self.excuses: set[tuple[str, str]] = set()
        """(job name, cause) of every final failure a trainer was made to suffer."""
        self.unexplained: dict[str, set[str]] = defaultdict(set)
        """Sessions in which a trainer of this job ended in a way that nobody can explain."""
        self.vanished: dict[tuple[str, str], int] = defaultdict(int)
        """How many trainers of a job vanished in a session."""
        self.cache_flipped_s: dict[Path, float] = {}
        """True seconds of the last damage to a file in a machine's cache."""
        self.max_running: int | None = None
        """How many jobs of an owner may run at once, by what people have settled."""
        self.store_is_away = False
        self.transactions_open = 0
        self._blobs = root / "blobs"
        self._digests: dict[str, tuple[tuple[int, int, int], str]] = {}
        self._time = time
        self._numbers = 0

    @property
    def now_s(self) -> float:
        return self._time.now_s

    def demand(self, holds: bool, otherwise: str) -> None:
        """Raises: Violation: saying `otherwise`."""
        if not holds:
            raise Violation(otherwise)

    def beat(self, session_id: str) -> None:
        self.beats[session_id].append(self.now_s)

    def blamed_by(self, job_name: str) -> set[str]:
        """Return the sessions that can say of a job that its trainer ends in a way nobody can explain."""
        gave_up = {
            session for (job, session), times in self.vanished.items() if job == job_name and times >= MOST_DEATHS
        }
        return self.unexplained[job_name] | gave_up

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    @contextlib.contextmanager
    def in_transaction(self) -> Iterator[None]:
        """Nobody else may run meanwhile: in one process they would wait for this very transaction."""
        self.transactions_open += 1
        try:
            yield
        finally:
            self.transactions_open -= 1

    def is_sound(self, sha256: str, place: str) -> bool:
        """Return whether the store has these bytes at this place, or the world itself damaged them."""
        return self.is_ruined(sha256, place) or self.digest_in_store(sha256, place) == sha256

    def is_ruined(self, sha256: str, place: str) -> bool:
        """Return whether the world damaged what the store has at this place."""
        return file_name(sha256, place) in self.ruined

    def digest_in_store(self, sha256: str, place: str) -> str | None:
        """Return the digest of what the store holds under a name and place, read past the store's own code."""
        name = file_name(sha256, place)
        try:
            status = os.stat(f"{self._blobs}/{name}")  # noqa: PTH116 (asked hundreds of times a world)
        except FileNotFoundError:
            return None
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        if name not in self._digests or self._digests[name][0] != seen:
            self._digests[name] = (seen, hashlib.sha256((self._blobs / name).read_bytes()).hexdigest())
        return self._digests[name][1]

    def bytes_in_store(self, sha256: str, place: str) -> bytes:
        return (self._blobs / file_name(sha256, place)).read_bytes()

    def names_in_store(self) -> list[str]:
        return sorted(os.listdir(self._blobs))  # noqa: PTH208 (as above)

    def lease_had_ended(self, session_id: str, since_s: float) -> bool:
        """Return whether, at some instant from `since_s` to now, the last heartbeat was older than the lease."""
        beats = self.beats[session_id]
        for beat_s, next_s in zip(beats, [*beats[1:], self.now_s], strict=True):
            end_s = min(next_s, self.now_s)
            if end_s >= since_s and end_s - beat_s > self.lease.ttl_s:
                return True
        return not beats
