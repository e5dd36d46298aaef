"""Where the time a machine was held went: sixteen parts, which were of use, what to expect, and how it is said.

A ledger is seconds by part. Whoever watches a session keeps it, with one part for every instant; this module knows
no clock and only adds, renames, divides and puts into words. A ledger that is complete adds up to the seconds held.
The words are those of ml-goodput-measurement: goodput is the share of held time that made training progress which was
preserved, and each other part is a kind of badput.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self, TypeAlias

from qcqueue.text.humanize import HOUR_S, MINUTE_S, duration, listed, whole_percent

Seconds: TypeAlias = Mapping[str, float]

# Parts may have been rounded to milliseconds, one by one, on their way through a database.
ROUNDING_S = 0.01
NEWTON_STEPS = 30
# What is shorter says nothing beside a session of minutes.
LEAST_S = 0.05
MOST_OF_THE_REST = 2


class PartGroup(StrEnum):
    """What parts of held time were for, in the order in which it is told. label: its name in a picture."""

    USEFUL = "useful", "train"
    VALIDATE = "validate", "validate"
    STALL = "stall", "stall"
    RESTART = "restart", "start-up"
    LOST = "lost", "lost"
    WAITING = "waiting", "waiting"

    label: str

    def __new__(cls, word: str, *facts: Any) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        (member.label,) = facts
        return member

    @property
    def parts(self) -> "tuple[Part, ...]":
        """Return its parts in their order. Every part has one group, so the groups add up to the time held."""
        return tuple(part for part in Part if part.group is self)


class Part(StrEnum):
    """What a stretch of held time went into, in the order of a session's life.

    meaning: one sentence for a person; said: the part in words that need no explanation, for sentences and screens.
    """

    BOOT = "boot", PartGroup.RESTART, "The machine ran and qcqueue did not yet."
    INSTALL = "install", PartGroup.RESTART, "Packages were installed."
    IMPORT = "import", PartGroup.RESTART, "The trainer started and loaded its libraries."
    DOWNLOAD = (
        "download",
        PartGroup.RESTART,
        "Nothing was trained because bytes from the store, or pretrained weights, were on their way.",
    )
    DATA = "data", PartGroup.RESTART, "The trainer read and prepared its images."
    RESTORE = "restore", PartGroup.RESTART, "The trainer took over the state of a checkpoint."
    COMPILE = "compile", PartGroup.RESTART, "The model was built and its first steps were compiled."
    TRAIN = "train", PartGroup.USEFUL, "Training steps whose result was saved, each counted the first time only."
    VALIDATE = (
        "validate",
        PartGroup.VALIDATE,
        "Validation of epochs whose result was saved, each counted the first time only.",
    )
    STALL = "stall", PartGroup.STALL, "Training stood still while its state was copied for a checkpoint."
    CONTENTION = (
        "contention",
        PartGroup.WAITING,
        "Nothing was trained because the session waited for the database, the store or a lease.",
        "waiting for the queue",
    )
    UPLOAD_TAIL = (
        "upload_tail",
        PartGroup.WAITING,
        "Training had stopped and checkpoints were still on their way to the store.",
        "last uploads",
    )
    LOST = "lost", PartGroup.LOST, "Work that was never saved, because the session ended before."
    REDONE = (
        "redone",
        PartGroup.LOST,
        "Epochs were trained again that an earlier attempt had saved, because what it saved was damaged.",
    )
    IDLE = "idle", PartGroup.WAITING, "There was nothing to do."
    RELEASE = "release", PartGroup.WAITING, "Work had ended and the machine was being given back."

    group: PartGroup
    meaning: str
    said: str

    def __new__(cls, word: str, *facts: Any) -> Self:
        member = str.__new__(cls, word)
        member._value_ = word
        member.group, member.meaning, *said = facts
        member.said = said[0] if said else member.label
        return member

    @property
    def label(self) -> str:
        """Return the name as a report has it."""
        return self.value.replace("_", " ")

    @property
    def is_of_use(self) -> bool:
        """Return whether it is goodput."""
        return self.group in (PartGroup.USEFUL, PartGroup.VALIDATE)

    @property
    def precedes_a_session(self) -> bool:
        """Return whether a session counts in it what lies before its own beginning."""
        return self in (Part.BOOT, Part.INSTALL, Part.IDLE)


# As plain strings, which a long queue asks for thousands of times.
_NAMES = {part.value: part for part in Part}
START = (Part.IMPORT, Part.DATA, Part.COMPILE, Part.RESTORE, Part.DOWNLOAD)
"""What lies between the start of a trainer and its first step, in the order of its life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodput:
    """What held seconds went into. `seconds` has all parts in their order, zeros included, and adds up to held_s."""

    held_s: float
    seconds: Seconds

    @property
    def productive_s(self) -> float:
        return math.fsum(self.seconds[part] for part in Part if part.is_of_use)

    @property
    def goodput(self) -> float | None:
        """Return the share of held time that was of use, 0..1; None where nothing was held."""
        return self.productive_s / self.held_s if self.held_s else None

    def shares(self) -> tuple[tuple[Part, float], ...]:
        """Return each part's share of held time, in their order; they add up to 1 unless nothing was held."""
        return tuple((part, self.seconds[part] / self.held_s if self.held_s else 0.0) for part in Part)

    def by_group(self) -> Mapping[PartGroup, float]:
        """Return the seconds by what they were for, with zeros; they add up to held_s."""
        return {group: math.fsum(self.seconds[part] for part in group.parts) for group in PartGroup}

    def to_json(self) -> dict[str, Any]:
        return {"held_s": self.held_s, "goodput": self.goodput, "seconds": dict(self.seconds)}


def goodput_of(ledgers: Iterable[Seconds]) -> Goodput:
    """Return the goodput of all ledgers together, such as those of the attempts of a job or the jobs of a study."""
    found = add(*ledgers)
    return Goodput(held_s=total(found), seconds={name: found.get(name, 0.0) for name in _NAMES})


def total(ledger: Seconds) -> float:
    return math.fsum(ledger.values())


def add(*ledgers: Seconds) -> dict[str, float]:
    """Return one ledger of all, in the order of the parts. Raises ValueError for a name that is no part."""
    found: dict[str, list[float]] = {}
    for ledger in ledgers:
        for name, seconds in ledger.items():
            assert seconds >= 0, f"no part takes {seconds} s: {name}"
            found.setdefault(name, []).append(seconds)
    if not _NAMES.keys() >= found.keys():
        raise ValueError(f"no part of held time: {sorted(found.keys() - _NAMES.keys())}")
    return {name: math.fsum(found[name]) for name in _NAMES if name in found}


def rename(ledger: Seconds, source: Part, target: Part, seconds: float) -> dict[str, float]:
    """Return the ledger with some seconds of one part given to another, all there are where `seconds` is more."""
    there = ledger.get(source, 0.0)
    moved = min(seconds, there)
    return add({**ledger, source.value: there - moved}, {target.value: moved})


def with_rest(ledger: Seconds, held_s: float, name: Part) -> dict[str, float]:
    """Return the ledger with what it does not explain of held_s given to one part, so that it adds up."""
    rest_s = held_s - total(ledger)
    assert rest_s >= -ROUNDING_S, f"a ledger of {total(ledger)} s in {held_s} s: some instant has two parts"
    return add(ledger, {name.value: max(rest_s, 0.0)})


def expected_goodput(
    *, mean_session_s: float, interval_s: float, stall_s: float, lag_s: float, start_s: float
) -> float:
    """Return the share of held time that is saved training, where sessions end without warning at a constant rate.

    A session spends start_s before it trains. After each interval_s (W) of training it stands still for stall_s
    (delta) to copy its state, and lag_s (L) later that state is safe. With mu for mean_session_s and S for start_s:
    (W/mu) exp(-(S+L)/mu) / (exp((W+delta)/mu) - 1). A machine that saves synchronously has its lag in its stall.
    """
    assert min(mean_session_s, interval_s) > 0, "sessions and intervals last a while"
    cycle = (interval_s + stall_s) / mean_session_s
    # Both exponentials have one of them taken out, so that an interval of days is 0 and no overflow.
    arrival = math.exp(-(start_s + lag_s) / mean_session_s - cycle)
    return interval_s / mean_session_s * arrival / -math.expm1(-cycle)


def best_interval_s(mean_session_s: float, stall_s: float) -> float:
    """Return the seconds of training between two saves at which `expected_goodput` is highest.

    W* = mu (1 + W0(-exp(-1 - delta/mu))), about sqrt(2 delta mu) where a stall is short beside a session (Young and
    Daly). Neither the lag nor the start moves it. 0 where a save costs nothing.
    """
    assert mean_session_s > 0, "sessions last a while"
    assert stall_s >= 0, "no stall gives time back"
    stall = stall_s / mean_session_s
    # x = W*/mu solves x = 1 - exp(-(x + delta/mu)). The approximation lies above it and the difference of both sides
    # is convex, so Newton's steps only come down; expm1 keeps a stall of nanoseconds exact.
    x = math.sqrt(2 * stall)
    for _ in range(NEWTON_STEPS if stall else 0):
        missing = math.expm1(-(x + stall))
        x += (x + missing) / missing
    return x * mean_session_s


def largest_first(goodput: Goodput) -> Iterator[tuple[Part, float]]:
    """Yield the parts that took any time, with their seconds."""
    parts = ((part, goodput.seconds[part]) for part in Part if goodput.seconds[part])
    yield from sorted(parts, key=lambda item: -item[1])


def session_said(goodput: Goodput) -> str:
    """Return how much of one session was of use: "This session: 2 min, 59 % of it saved training (details: show)"."""
    share = whole_percent(goodput.goodput or 0.0)
    return f"This session: {_in_whole_units(goodput.held_s)}, {share} of it saved training (details: show)"


def queue_said(goodput: Goodput) -> str:
    """Return how much of all sessions was of use, in one sentence with the worst of what was not."""
    rest = [(part, seconds) for part, seconds in largest_first(goodput) if not part.is_of_use]
    worst = [f"{part.said} {duration(seconds)}" for part, seconds in rest[:MOST_OF_THE_REST] if seconds >= LEAST_S]
    most = "most of the rest" if len(rest) > len(worst) else "the rest"
    share, held = whole_percent(goodput.goodput or 0.0), duration(goodput.held_s)
    return f"{share} of {held} saved training{f'; {most}: {listed(worst)}' if worst else ''}."


def _in_whole_units(seconds: float) -> str:
    """Return a span as a person says it: "40 s", "2 min", "3 h 10 min"."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / MINUTE_S)
    return f"{minutes} min" if minutes < HOUR_S / MINUTE_S else duration(minutes * MINUTE_S)


def start_said(seconds: Seconds, *, resumes: bool) -> str | None:
    """Return how the first step of an attempt came about; None where its trainer has not taken it yet.

    A state that was there before the trainer asked for it has cost it no time: its way was hidden behind the rest.
    """
    if Part.COMPILE not in seconds:
        return None
    took = {part: seconds.get(part, 0.0) for part in START}
    said = [f"{part.said} {duration(took[part])}" for part in START if took[part] >= LEAST_S]
    if resumes and took[Part.DOWNLOAD] < LEAST_S:
        said.append("download hidden")
    return f"first step after {duration(sum(took.values()))}: {', '.join(said)}"
