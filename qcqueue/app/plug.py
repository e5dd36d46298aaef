"""Pulling the plug: run `qcqueue work` in a process group of its own and end it with SIGKILL at a chosen moment.

The moment is named by what the session is doing, seen from outside through the spool, so that kills also fall
into the short ones: a state half written, a commit under way. Nothing in the worker knows that it is watched.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qcqueue.checkpoints.spool import Progress, Spool
from qcqueue.clock import Clock, Rng
from qcqueue.storage.drive.token import without_secrets

Moment = Literal[
    "at the start",
    "while compiling",
    "between steps",
    "inside a checkpoint",
    "while saving",
    "in validation",
    "in evaluation",
]

# How often a kill is aimed at each moment. The first two cost little time, the others a whole start-up.
WEIGHTS: Mapping[Moment, int] = {
    "at the start": 3,
    "while compiling": 2,
    "between steps": 5,
    "inside a checkpoint": 4,
    "while saving": 3,
    "in validation": 3,
}
LOOK_EVERY_S = 0.004

# The longest wait between seeing a moment and killing; moments that pass quickly are hit at once.
LONGEST_DELAY_S: Mapping[Moment, float] = {
    "at the start": 4.0,
    "while compiling": 4.0,
    "between steps": 1.5,
    "in validation": 0.1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One SIGKILL: the moment it was aimed at, and how long the session had lived."""

    moment: Moment
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a watched session works: the store and cache of its own."""

    store: Path
    cache: Path


def draw_moment(rng: Rng) -> Moment:
    """Choose where the next kill falls."""
    return rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]


def run_session(place: Place, *arguments: str) -> int:
    """Run one session to its end, undisturbed; return its exit code."""
    with _session(place, arguments) as process:
        return process.wait()


def run_and_kill(
    place: Place, moment: Moment, *, rng: Rng, clock: Clock, arguments: tuple[str, ...] = ()
) -> Kill | None:
    """Run one session and SIGKILL its process group at `moment`; None if it ended before that came."""
    left_behind = frozenset(_spools(place.cache))  # what earlier victims left lies there until a session tidies up
    begun_s = clock.monotonic_s()
    delay_s = rng.uniform(0.0, LONGEST_DELAY_S.get(moment, 0.005))
    due_s = begun_s + delay_s if moment == "at the start" else None
    with _session(place, arguments) as process:
        while process.poll() is None:
            now_s = clock.monotonic_s()
            seen = _seen(moment, _spools(place.cache) - left_behind)
            if seen == "in evaluation":
                due_s = now_s  # the last moment before the job would be done
            elif seen and due_s is None:
                due_s = now_s + delay_s
            if due_s is not None and now_s >= due_s:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return Kill(moment=seen or moment, after_s=now_s - begun_s)
            clock.sleep(LOOK_EVERY_S)
    return None


def _seen(moment: Moment, spools: AbstractSet[Path]) -> Moment | None:
    """Return `moment` if the session is in it, or the final evaluation if that has begun."""
    for spool in map(Spool, spools):
        progress = spool.progress()
        if progress is not None and progress.phase == "evaluating":
            return "in evaluation"
        if _shows(moment, spool, progress):
            return moment
    return None


def _shows(moment: Moment, spool: Spool, progress: Progress | None) -> bool:
    match moment:
        case "inside a checkpoint":
            return spool.is_writing()
        case "while saving":
            return bool(spool.waiting())
        case "while compiling":
            return progress is not None and progress.phase == "compiling"
        case "between steps":
            return progress is not None and progress.phase == "training" and progress.step > 0
        case "in validation":
            return progress is not None and progress.phase == "validating"
    return False


def _spools(cache: Path) -> set[Path]:
    with contextlib.suppress(FileNotFoundError):
        return set((cache / "spool").iterdir())
    return set()


@contextlib.contextmanager
def _session(place: Place, arguments: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    """A `work` process in a group of its own; whatever is left of the group at the end is killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "qcqueue", "work", "--store", f"folder:{place.store}", *arguments],
        env=without_secrets(os.environ) | {"QCQUEUE_CACHE": str(place.cache)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
