"""Which job a session takes next. Policies are pure functions: the same jobs at the same moment, the same ranking.

A policy ranks all jobs that could be taken now, best first, and says of each on what ground it stands where it does.
Whether this machine can run a job is another's knowledge and can cost a download, so the caller goes down the ranking
and takes the first job with nothing in its way. Always true: a job is left out only where what is left of the session
is too short for it, and one that a person moved by hand keeps its place in the queue: the others are ordered on
either side of it.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from heapq import heapify, heappush, heappushpop
from itertools import accumulate, compress, groupby, islice, zip_longest
from math import inf
from operator import gt, le

from qcqueue.core.owners import named
from qcqueue.core.rules import Policy
from qcqueue.text.humanize import count, date, duration

# After so many sessions that worked on others, nothing is begun before a job. Six models take about five sessions of
# two hours, so this does not touch a study that fits a week or two; it ends the wait where shorter jobs keep arriving.
MOST_WAITS = 10

# Which share of the calendar becomes training where nobody has said: two hours a day.
ASSUMED_SHARE = 2 / 24

UNCHECKED = "not checked yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that could be taken now, as a policy sees it; its place in the queue is its place in the sequence.

    left_s: seconds of training until its end, an estimate, None where there is none. first_save_s: from taking it now
    until something of it is safe in the store: start, training up to a save, the save itself. begun: something of it
    is saved, and epochs_done says how many whole epochs. same_bits: this machine goes on with a begun run as if it had
    never been cut. pinned: a person moved it to where it stands. waits: sessions, since it was enqueued or worked on
    last, that worked on other jobs. deadline_s: by when it should be done, on the clock of `ChoiceContext.now_s`.
    owner: whose it is, None for anybody's: those take turns as if they were one person's.
    """

    name: str
    left_s: float | None
    first_save_s: float = 0.0
    begun: bool = False
    epochs_done: int = 0
    same_bits: bool = True
    pinned: bool = False
    waits: int = 0
    deadline_s: float | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceContext:
    """When a job is chosen. left_s: how long the session will likely still live, None where nobody knows.

    is_first: the session has worked on no job yet, so it has nothing to lose. share: which part of the calendar
    becomes training, on average, for forecasts of deadlines. turns: when each owner had a turn last, the higher the
    later; who is not in it has had none.
    """

    now_s: float
    left_s: float | None = None
    is_first: bool = True
    share: float = ASSUMED_SHARE
    turns: Mapping[str | None, int] = field(default_factory=dict)

    def has_room_for(self, job: Job) -> bool:
        """Say whether a save of the job would still be safe before the session's likely end."""
        return self.is_first or self.left_s is None or job.first_save_s <= self.left_s


class Ground(StrEnum):
    """Why a job stands where it does in a ranking."""

    MOVED = "moved"
    DEADLINE = "deadline"
    WAITED = "waited"
    BEGUN = "begun"
    SHORTEST = "shortest"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Choice:
    """A job and the ground on which it was ranked. by_turn: several owners wait, and this one has the turn."""

    job: Job
    ground: Ground
    by_turn: bool = False

    @property
    def why(self) -> str:
        """Return the ground in words, to stand after "because it" or "next:"; what is left is said to be about."""
        return f"{self._ground_said}, and it is the turn of {self._whose}" if self.by_turn else self._ground_said

    @property
    def _whose(self) -> str:
        return "what is anybody's" if self.job.owner is None else named(self.job.owner)

    @property
    def _ground_said(self) -> str:
        job, left = self.job, f"about {duration(self.job.left_s)} left" if self.job.left_s is not None else None
        match self.ground:
            case Ground.MOVED:
                return "a person moved it to this place"
            case Ground.DEADLINE:
                return f"it would miss its deadline, {date(job.deadline_s or 0.0)}, in its turn"
            case Ground.WAITED:
                return f"it has waited for {count(job.waits, 'session')}"
            case Ground.BEGUN:
                return f"begun, {left}" if left else "begun"
            case Ground.SHORTEST:
                return f"the shortest, {left}" if left else "the next in the queue"
            case Ground.ELSEWHERE:
                return "begun on another kind of machine, and nothing else is left"


def ours(jobs: Sequence[Job], context: ChoiceContext) -> tuple[Choice, ...]:
    """Rank by the default policy.

    First what is begun and goes on here with the same bits, then the shortest: every k-th result comes as early as it
    can, whatever the sessions, and nothing is loaded twice. A job that has waited for MOST_WAITS sessions comes before
    all that is not begun, and before what is begun if it is shorter. Where that order would make a deadline missed
    that can be met, the deadlines that can be met go first, the earliest before the others.
    """
    ranked: list[Choice] = []
    begins_s = context.now_s
    for group in between_pins(jobs):
        if group[0].pinned:
            ranked.append(Choice(group[0], Ground.MOVED))
        else:
            ranked += _with_deadlines(_in_turn(group), begins_s, context.share)
        begins_s += needed_s(group, context.share)
    return tuple(choice for choice in ranked if context.has_room_for(choice.job))


def fair(jobs: Sequence[Job], context: ChoiceContext) -> tuple[Choice, ...]:
    """Rank by turns: whoever has not had one for longest goes first with all of theirs, then the next owner.

    A turn is one job taken, whatever it takes and however it ends. So between two moments at which some owners have
    had a job to take all the time, the numbers of their turns differ by one at most, and nobody makes up for turns of
    a time when they had nothing to do. Of an owner's jobs the default policy ranks: what is begun goes on first, and a
    deadline hurries the other jobs of its owner, whose part of the calendar is one of as many as there are owners. A
    job that was moved keeps its place, before and after whoever's turn it is.
    """
    ranked: list[Choice] = []
    begins_s = context.now_s
    for group in between_pins(jobs):
        if group[0].pinned:
            ranked.append(Choice(group[0], Ground.MOVED))
        else:
            ranked += _by_turns(group, begins_s, context)
        begins_s += needed_s(group, context.share)
    return tuple(choice for choice in ranked if context.has_room_for(choice.job))


POLICIES: Mapping[Policy, Callable[[Sequence[Job], ChoiceContext], tuple[Choice, ...]]] = {
    Policy.SHORTEST: ours,
    Policy.FAIR: fair,
}
"""What each policy does that can be settled for a queue."""


def in_sequence(ranked: Sequence[Choice]) -> Iterator[Choice]:
    """Yield a ranking as its jobs would be taken one after the other: where owners take turns, one of each."""
    for by_turn, choices in groupby(ranked, key=lambda choice: choice.by_turn):
        if by_turn:
            theirs = defaultdict[str | None, list[Choice]](list)
            for choice in choices:
                theirs[choice.job.owner].append(choice)
            yield from (choice for row in zip_longest(*theirs.values()) for choice in row if choice)
        else:
            yield from choices


def first_clear(ranked: Sequence[Choice], obstacles: Mapping[str, object]) -> Choice | None:
    """Return the best choice with nothing in its way. A job that came after the check waits for the next.

    None where the turn has passed meanwhile to somebody whose job was not checked: who took the next best one would
    take a turn out of turn.
    """
    for choice in ranked:
        obstacle = obstacles.get(choice.job.name, UNCHECKED)
        if obstacle is None:
            return choice
        if obstacle is UNCHECKED and choice.by_turn:
            return None
    return None


def between_pins(jobs: Iterable[Job]) -> Iterator[list[Job]]:
    """Cut the queue at the jobs that were moved by hand, each of which is a group of its own."""
    group: list[Job] = []
    for job in jobs:
        if job.pinned:
            if group:
                yield group
            yield [job]
            group = []
        else:
            group.append(job)
    if group:
        yield group


def _by_turns(jobs: Sequence[Job], begins_s: float, context: ChoiceContext) -> Iterator[Choice]:
    theirs = defaultdict[str | None, list[Job]](list)
    for job in jobs:
        theirs[job.owner].append(job)
    share, several = context.share / len(theirs), len(theirs) > 1
    # Sorting is stable, so of those who have had no turn yet the one comes first whose job stands first in the queue.
    for owner in sorted(theirs, key=lambda owner: context.turns.get(owner, 0)):
        for choice in _with_deadlines(_in_turn(theirs[owner]), begins_s, share):
            yield replace(choice, by_turn=several)


def needed_s(jobs: Sequence[Job], share: float) -> float:
    """Return how long the calendar takes for some jobs."""
    return sum(_calendar_s(job, share) for job in jobs)


def _in_turn(jobs: Sequence[Job]) -> list[Choice]:
    shortest_begun_s = min((_known(job) for job in jobs if job.begun and job.same_bits), default=inf)
    placed = [(_place(job, shortest_begun_s), job) for job in jobs]
    placed.sort(key=lambda it: (it[0][0], -it[1].waits if it[0][1] is Ground.WAITED else 0, _known(it[1])))
    return [Choice(job, ground) for (_, ground), job in placed]


def _place(job: Job, shortest_begun_s: float) -> tuple[int, Ground]:
    """Return the tier of a job in the default order, and its name. Sorting is stable, so ties keep the queue's order.

    One that is begun elsewhere comes last: here it would begin a new lineage, and a fresh job loses nothing here.
    """
    has_waited = job.waits >= MOST_WAITS
    if has_waited and _known(job) < shortest_begun_s:
        return 0, Ground.WAITED
    if job.begun and job.same_bits:
        return 1, Ground.BEGUN
    if has_waited:
        return 2, Ground.WAITED
    return (4, Ground.ELSEWHERE) if job.begun else (3, Ground.SHORTEST)


def _with_deadlines(order: Sequence[Choice], begins_s: float, share: float) -> list[Choice]:
    """Return the order, with deadlines first if it would miss one that can be met."""
    due_s = [inf if choice.job.deadline_s is None else choice.job.deadline_s for choice in order]
    met = to_be_hurried(due_s, [_calendar_s(choice.job, share) for choice in order], begins_s)
    first = set(met)
    urgent = [Choice(order[number].job, Ground.DEADLINE) for number in met]
    return urgent + [choice for number, choice in enumerate(order) if number not in first]


def to_be_hurried(due_s: Sequence[float], needs_s: Sequence[float], begins_s: float) -> list[int]:
    """Return which jobs of an order go first, the earliest deadline first, so that none is missed that can be met.

    Nobody where the order misses none of these. due_s: by when each job should be done, infinity where it does not
    matter; needs_s: how long the calendar takes for it.
    """
    late = [*map(gt, islice(accumulate(needs_s, initial=begins_s), 1, None), due_s)]
    if not any(late):
        return []
    # Whoever cannot be in time even as the first is none of those that can be met, nor in their way.
    can = [*compress(range(len(due_s)), map(le, map(begins_s.__add__, needs_s), due_s))]
    if not any(map(late.__getitem__, can)):
        return []
    can.sort(key=due_s.__getitem__)
    due = can[: bisect_left(can, inf, key=due_s.__getitem__)]
    met = _can_be_met(due, due_s, needs_s, begins_s)
    return met if any(map(late.__getitem__, met)) else []


def _can_be_met(
    earliest_first: Sequence[int], due_s: Sequence[float], needs_s: Sequence[float], begins_s: float
) -> list[int]:
    """Return as many jobs as can all be in time one after the other (Moore and Hodgson).

    Earliest first; wherever a deadline is missed, the longest job so far is given up, for it costs the others most.
    """
    done_s = [*accumulate(map(needs_s.__getitem__, earliest_first), initial=begins_s)]
    missed = [*map(gt, islice(done_s, 1, None), map(due_s.__getitem__, earliest_first))]
    if not any(missed):
        return list(earliest_first)
    begun = missed.index(True)
    longest = [(-needs_s[number], turn) for turn, number in enumerate(earliest_first[:begun])]
    heapify(longest)
    at_s, given_up = done_s[begun], set[int]()
    for turn, number in enumerate(earliest_first[begun:], start=begun):
        at_s += needs_s[number]
        if at_s > due_s[number]:
            # Of two as long as each other the one is given up that is due earlier.
            most_s, its_turn = heappushpop(longest, (-needs_s[number], turn))
            given_up.add(its_turn)
            at_s += most_s
        else:
            heappush(longest, (-needs_s[number], turn))
    return [number for turn, number in enumerate(earliest_first) if turn not in given_up]


def _calendar_s(job: Job, share: float) -> float:
    """Return how long the calendar takes for a job; one of unknown length counts as nothing."""
    return (job.left_s or 0.0) / share


def _known(job: Job) -> float:
    return inf if job.left_s is None else job.left_s
