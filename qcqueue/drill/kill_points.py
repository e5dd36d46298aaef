"""Run `qcqueue work` in a process group of its own and end it with SIGKILL at a chosen moment.

A moment is what session and trainer are doing, seen from outside through the spool, so that kills also fall into the
short ones: a state half written, a commit under way. Nothing in the worker knows that it is watched. A kill is counted
where it really fell: the spool is read once more after the death, when nothing in it changes any more.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

from qcqueue.clock import Clock, Rng
from qcqueue.core.phases import Phase
from qcqueue.drill.kills import MOMENTS, Kill, KillPoint
from qcqueue.errors import CheckpointDamaged
from qcqueue.spool.files import SPOOLS, Doing, TrainerProgress, record_in
from qcqueue.spool.reader import Spool
from qcqueue.stores.registry import without_secrets

# A life that ends there brings the job no epoch forward.
WITHOUT_PROGRESS: tuple[KillPoint, ...] = (
    "at the start",
    "while compiling",
    "before the first step of a resumed run",
    "between steps",
    "inside a checkpoint",
)

# The first state of a job is on its way to the store there: until it has arrived, the job has nothing.
ON_ITS_WAY: tuple[KillPoint, ...] = ("while hashing", "inside an upload")

# All that is left once every epoch is trained.
AFTER_TRAINING: tuple[KillPoint, ...] = (
    "at the start",
    "while compiling",
    "before the first step of a resumed run",
    "in evaluation",
)

OF_SESSION: Mapping[Doing, KillPoint] = {
    "hashing": "while hashing",
    "uploading": "inside an upload",
    "committing": "inside a commit",
    "deleting": "while deleting",
}
OF_TRAINER: Mapping[Phase, KillPoint] = {
    Phase.STARTING: "at the start",
    Phase.LOADING: "at the start",
    Phase.MEASURING: "at the start",
    Phase.BUILDING: "at the start",
    Phase.COMPILING: "while compiling",
    Phase.WAITING: "before the first step of a resumed run",
    Phase.RESTORING: "before the first step of a resumed run",
    Phase.TRAINING: "between steps",
    Phase.SAVING: "between steps",
    Phase.VALIDATING: "in validation",
    Phase.EVALUATING: "in evaluation",
}

LOOK_EVERY_S = 0.004
# A commit to a local disk takes milliseconds. What comes before it is seen for longer, and then looked at so often.
LOOK_CLOSELY_EVERY_S = 0.0005

LONGEST_START_S = 4.0
LONGEST_COMPILING_S = 1.0
LONGEST_VALIDATION_S = 0.1
LONGEST_STEPS_S = 1.5
SHORT_S = 0.2

# A moment that has not come by then, counted from the first epoch a life is seen to train, is not waited for.
MOST_EPOCHS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSetup:
    """Where a watched session works: a store by its URL, a cache of its own, and what is said in its environment.

    is_quiet: nobody reads what it tells.
    """

    url: str
    cache: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    is_quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What can be seen of a session at one instant.

    waits: states and epochs that are handed over and nobody deals with yet. is_saved_within: the last save to reach the
    store in this life was of the middle of an epoch.
    """

    progress: TrainerProgress | None = None
    doing: Doing | None = None
    is_writing: bool = False
    waits: AbstractSet[str] = frozenset()
    is_saved_within: bool = False

    @property
    def phase(self) -> Phase | None:
        return self.progress.phase if self.progress else None


def moments_in(look: Look) -> tuple[KillPoint, ...]:
    """Return the moments a session is in, the most telling first: it does several things at once."""
    found: list[KillPoint] = ["in evaluation"] if look.phase == "evaluating" else []
    if look.doing:
        found.append(OF_SESSION[look.doing])
    if look.is_writing:
        found.append("inside a checkpoint")
    elif not look.doing and "epoch" in look.waits:
        found.append("between epochs")
    elif not look.doing and "state" in look.waits:
        found.append("while a state waits")
    if look.is_saved_within and look.phase in ("training", "saving"):
        found.append("after a save within an epoch")
    if look.phase != "evaluating":
        found.append(OF_TRAINER[look.phase] if look.phase else "at the start")
    return tuple(found)


def fell_in(look: Look, aimed: KillPoint) -> KillPoint:
    """Return the moment to count a kill by: the one it was aimed at wherever that is true."""
    found = moments_in(look)
    return aimed if aimed in found else found[0]


def draw_aim(
    rng: Rng,
    hits: Mapping[KillPoint, int],
    aims: Mapping[KillPoint, int],
    *,
    is_ahead: bool,
    is_trained: bool,
    is_last: bool,
) -> KillPoint:
    """Choose where the next kill is to fall: the first on the first state, then where the fewest were aimed and fell.

    is_ahead: so much is trained that the epochs would not last for all kills; is_trained: all of it.
    """
    if is_last:
        return "in evaluation"
    allowed = MOMENTS[:-1] if aims else ON_ITS_WAY
    if is_trained or is_ahead:
        allowed = AFTER_TRAINING if is_trained else WITHOUT_PROGRESS
    fewest = min(hits.get(moment, 0) + aims.get(moment, 0) for moment in allowed)
    return rng.choice([moment for moment in allowed if hits.get(moment, 0) + aims.get(moment, 0) == fewest])


def run_session(place: SessionSetup, *arguments: str) -> int:
    """Run one session to its end, undisturbed; return its exit code."""
    with _session(place, arguments) as process:
        return process.wait()


def run_and_kill(
    place: SessionSetup,
    moment: KillPoint,
    *,
    rng: Rng,
    clock: Clock,
    saves_per_epoch: int | None = None,
    arguments: tuple[str, ...] = (),
) -> Kill | None:
    """Run one session and SIGKILL its process group at `moment`; None if it ended before that came.

    A session that is about to finish its job is killed in the evaluation. saves_per_epoch: what its trainer is told,
    whatever the session measures.
    """
    begun_s = clock.monotonic_s()
    watch = Watch(place.cache, moment, saves_per_epoch=saves_per_epoch, share=rng.random(), begun_s=begun_s)
    with _session(place, arguments) as process:
        while process.poll() is None:
            now_s = clock.monotonic_s()
            if watch.is_due(now_s):
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return Kill(moment=fell_in(watch.look(), moment), aimed=moment, after_s=now_s - begun_s)
            clock.sleep(LOOK_CLOSELY_EVERY_S if watch.is_near else LOOK_EVERY_S)
    return None


class Watch:
    """Looks at the spools of one session until the moment to kill it has come. share, 0..1: how much of a delay is
    waited for where a moment lasts."""

    def __init__(
        self, cache: Path, aim: KillPoint, *, saves_per_epoch: int | None, share: float, begun_s: float
    ) -> None:
        self._aim = aim
        self._cadence = saves_per_epoch and {"epochs_per_save": 1, "saves_per_epoch": saves_per_epoch}
        self._share = share
        self._due_s = begun_s + share * LONGEST_START_S if aim == "at the start" else None
        self._cache = cache
        self._left_behind = frozenset(_spools(cache))  # of earlier victims; they lie there until a session tidies up
        self._spool: Spool | None = None
        self._held: tuple[str, bool] | None = None
        self._is_saved_within = False
        self._first_epoch: int | None = None
        self.is_near = False

    def is_due(self, now_s: float) -> bool:
        """Look once, and say whether to kill now."""
        look = self.look()
        if self._spool and self._cadence and self._spool.cadence.read() != self._cadence:
            with contextlib.suppress(FileNotFoundError):  # the session has just removed it
                self._spool.cadence.write(self._cadence)
        self.is_near = bool(look.doing or look.is_writing or look.waits or look.phase in ("saving", "validating"))
        if look.phase == "evaluating" or self._is_overdue(look):
            self._due_s = now_s
        elif self._due_s is None and self._aim in moments_in(look):
            self._due_s = now_s + self._share * self._longest_delay_s(look)
        return self._due_s is not None and now_s >= self._due_s

    def look(self) -> Look:
        spool = self._spool = self._spool or next(map(Spool, _spools(self._cache) - self._left_behind), None)
        if spool is None:
            return Look()
        waiting, progress = spool.waiting(), spool.progress.read()
        self._mind_the_held(spool, steps=progress.steps if progress else 0)
        return Look(
            progress=progress,
            doing=spool.doing(),
            is_writing=spool.is_writing(),
            waits=frozenset(entry.kind for entry in waiting),
            is_saved_within=self._is_saved_within,
        )

    def _mind_the_held(self, spool: Spool, *, steps: int) -> None:
        """Notice when a state that was on its way to the store is let go of, because it is there."""
        held = next((path for path in _folders(spool.folder / "held") if path.name.isdecimal()), None)
        if self._held and (held is None or self._held[0] != held.name):
            self._is_saved_within, self._held = self._held[1], None
        if held and self._held is None:
            with contextlib.suppress(CheckpointDamaged, FileNotFoundError):  # gone this instant
                self._held = (held.name, 0 < record_in(held).partial.steps_done < steps)

    def _is_overdue(self, look: Look) -> bool:
        if look.progress is None or look.phase != "training" or self._aim == "in evaluation":
            return False
        self._first_epoch = self._first_epoch or look.progress.epoch
        return look.progress.epoch - self._first_epoch >= MOST_EPOCHS

    def _longest_delay_s(self, look: Look) -> float:
        match self._aim:
            case "while compiling":
                return LONGEST_COMPILING_S
            case "in validation":
                return LONGEST_VALIDATION_S
            case "between steps":  # at most what is left of the epoch, so that it is not saved
                progress = look.progress
                if progress is None or progress.step_s is None:
                    return SHORT_S
                return min(LONGEST_STEPS_S, progress.step_s * (progress.steps - progress.step))
        return 0.0


def _spools(cache: Path) -> set[Path]:
    return set(_folders(cache / SPOOLS))


def _folders(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return list(folder.iterdir())
    return []


@contextlib.contextmanager
def _session(place: SessionSetup, arguments: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    """A `work` process in a group of its own; whatever is left of the group at the end is killed."""
    environment = without_secrets(os.environ, but_for=place.url)
    process = subprocess.Popen(
        [sys.executable, "-m", "qcqueue", "work", "--store", place.url, *arguments],
        env={**environment, **place.environment, "QCQUEUE_CACHE": str(place.cache)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if place.is_quiet else None,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
