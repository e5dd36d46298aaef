"""Who is next in a campaign: the first of a policy's ranking, found without ranking all jobs again each time.

A campaign of a thousand jobs asks hundreds of times, and between two questions hardly anything has changed. So `Line`
keeps the jobs in the order of the default policy, and `FairLine` such a line for each owner. Always true: they name
whom their policies would rank first, had these been given all jobs as they are now.
"""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from math import inf
from operator import itemgetter
from typing import Protocol

from qcqueue.planning.policies import MOST_WAITS, ChoiceContext, Job, between_pins, needed_s, to_be_hurried

Place = tuple[float, int]
"""What is left of a job in seconds, and its place in the queue: of two as long as each other the first comes first."""


class WaitingLine(Protocol):
    """The jobs of a campaign that are not done. How long each has waited, in sessions, is counted here."""

    def __len__(self) -> int: ...

    def first(self, context: ChoiceContext) -> str | None:
        """Return the job to take now, None where none has room."""
        ...

    def waits(self, name: str) -> int:
        """Return for how many sessions a job has waited."""
        ...

    def put(self, job: Job) -> None:
        """Let a job of the line be like this from now on, with the waits it has."""
        ...

    def remove(self, name: str) -> None:
        """Let a job be done."""
        ...

    def session_over(self, worked_on: Collection[str]) -> None:
        """Count a session, for which all have waited but those it worked on."""
        ...


class Line:
    """A line for the default policy, `policies.ours`.

    It begins with jobs in the order of the queue and the waits they have, each of a known length and to be gone on with
    anywhere.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = list(jobs)
        self._places = {job.name: place for place, job in enumerate(jobs)}
        self._sessions = 0
        # Since which session each has waited; what lies before the campaign is below 0.
        self._since = [-job.waits for job in jobs]
        # How long the calendar takes for each, where that was asked: at which share of it.
        self._share, self._needs_s = 0.0, list[float]()
        self._due_s = [inf if job.deadline_s is None else job.deadline_s for job in jobs]
        self._stretches: list[_Stretch] = []
        self._stretch_of: list[_Stretch] = []
        for place, job in enumerate(jobs):
            if job.pinned or not self._stretches or self._stretches[-1].is_pinned:
                self._stretches.append(_Stretch(is_pinned=job.pinned))
            self._stretch_of.append(self._stretches[-1])
            self._stretches[-1].add(job, place, self._since[place])
        for stretch in self._stretches:
            stretch.sort()

    def __len__(self) -> int:
        return len(self._places)

    def first(self, context: ChoiceContext) -> str | None:
        begins_s = context.now_s
        for number, stretch in enumerate(self._stretches):
            if number:
                begins_s += self._calendar_s(self._stretches[number - 1], context.share)
            for _, place in self._order(stretch, begins_s, context.share):
                if context.has_room_for(self._jobs[place]):
                    return self._jobs[place].name
        return None

    def waits(self, name: str) -> int:
        return self._sessions - self._since[self._places[name]]

    def put(self, job: Job) -> None:
        place = self._places[job.name]
        stretch, since = self._stretch_of[place], self._since[place]
        stretch.take_out(self._jobs[place], place, since)
        self._jobs[place] = job
        if self._share:
            self._needs_s[place] = (job.left_s or 0.0) / self._share
        stretch.put_in(job, place, since)

    def remove(self, name: str) -> None:
        place = self._places.pop(name)
        stretch = self._stretch_of[place]
        stretch.take_out(self._jobs[place], place, self._since[place])
        if not stretch:
            self._close(self._stretches.index(stretch))

    def session_over(self, worked_on: Collection[str]) -> None:
        self._sessions += 1
        for name in worked_on:
            if (place := self._places.get(name)) is not None:
                job, stretch = self._jobs[place], self._stretch_of[place]
                stretch.take_out(job, place, self._since[place])
                self._since[place] = self._sessions
                stretch.put_in(job, place, self._sessions)

    def _close(self, number: int) -> None:
        """Take an empty stretch away; where it was a pinned job, those on both sides of it are one from now on."""
        del self._stretches[number]
        if 0 < number < len(self._stretches):
            before, after = self._stretches[number - 1], self._stretches[number]
            if not before.is_pinned and not after.is_pinned:
                for _, place in chain(*after.in_turn(self._sessions)):
                    before.add(self._jobs[place], place, self._since[place])
                    self._stretch_of[place] = before
                before.sort()
                del self._stretches[number]

    def _order(self, stretch: "_Stretch", begins_s: float, share: float) -> Iterable[Place]:
        order = stretch.in_turn(self._sessions)
        return self._with_deadlines([*chain(*order)], begins_s, share) if stretch.due else chain.from_iterable(order)

    def _with_deadlines(self, order: list[Place], begins_s: float, share: float) -> Iterable[Place]:
        """Return the order as `policies.ours` has it where jobs have deadlines."""
        if share != self._share:
            self._share, self._needs_s = share, [(job.left_s or 0.0) / share for job in self._jobs]
        places = [*map(itemgetter(1), order)]
        needs_s = [*map(self._needs_s.__getitem__, places)]
        met = to_be_hurried([*map(self._due_s.__getitem__, places)], needs_s, begins_s)
        if not met:
            return order
        first = set(met)
        urgent = map(order.__getitem__, met)
        return chain(urgent, (it for number, it in enumerate(order) if number not in first))

    def _calendar_s(self, stretch: "_Stretch", share: float) -> float:
        """Return how long the calendar takes for a stretch, wherever somebody behind it has a deadline."""
        if not any(it.due for it in self._stretches):
            return 0.0
        return sum((self._jobs[place].left_s or 0.0) / share for place in stretch.places())


class FairLine:
    """A line for `policies.fair`. turns: as in a `ChoiceContext`; those of the campaign are counted here.

    A job that is done, or comes back, has been a turn of its owner.
    """

    def __init__(self, jobs: Sequence[Job], turns: Mapping[str | None, int]) -> None:
        self._jobs = {job.name: job for job in jobs}  # in the order of the queue
        self._turns = dict(turns)
        self._turn = max(turns.values(), default=0)
        self._has_deadlines = any(job.deadline_s is not None for job in jobs)
        self._groups: list[_Group] = []
        self._group_of: dict[str, _Group] = {}
        self._regroup(jobs)

    def __len__(self) -> int:
        return len(self._jobs)

    def first(self, context: ChoiceContext) -> str | None:
        begins_s = context.now_s
        for group in self._groups:
            theirs = replace(context, now_s=begins_s, share=context.share / len(group.lines))
            for owner in sorted(group.owners(), key=lambda owner: self._turns.get(owner, 0)):
                if name := group.lines[owner].first(theirs):
                    return name
            if self._has_deadlines:
                begins_s += needed_s([self._jobs[name] for name in group.names], context.share)
        return None

    def waits(self, name: str) -> int:
        return self._line_of(name).waits(name)

    def put(self, job: Job) -> None:
        self._line_of(job.name).put(job)
        self._jobs[job.name] = job
        self._count_turn(job)

    def remove(self, name: str) -> None:
        job, group = self._jobs.pop(name), self._group_of.pop(name)
        self._count_turn(job)
        group.remove(job)
        if not group.names:
            self._groups.remove(group)
            if job.pinned:  # those before and after it are one from now on
                self._regroup([replace(it, waits=self.waits(it.name)) for it in self._jobs.values()])

    def session_over(self, worked_on: Collection[str]) -> None:
        for group in self._groups:
            for line in group.lines.values():
                line.session_over(worked_on)

    def _line_of(self, name: str) -> Line:
        return self._group_of[name].lines[self._jobs[name].owner]

    def _count_turn(self, job: Job) -> None:
        self._turn += 1
        self._turns[job.owner] = self._turn

    def _regroup(self, jobs: Iterable[Job]) -> None:
        self._groups = [_Group(group) for group in between_pins(jobs)]
        self._group_of = {name: group for group in self._groups for name in group.names}


class _Group:
    """The jobs between two that a person has moved, or one of these: a line for each owner.

    names: of all of them, in the order of the queue.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.names = {job.name: job.owner for job in jobs}
        self.lines = {owner: Line([job for job in jobs if job.owner == owner]) for owner in self.owners()}

    def owners(self) -> Iterable[str | None]:
        """Return the owners, the one first whose job stands first in the queue."""
        return dict.fromkeys(self.names.values())

    def remove(self, job: Job) -> None:
        del self.names[job.name]
        self.lines[job.owner].remove(job.name)
        if not self.lines[job.owner]:
            del self.lines[job.owner]


class _Stretch:
    """The jobs between two that a person has moved, or one of these. due: how many of them have a deadline.

    What is not begun is kept by the session since which it waits: whoever waits longest comes first once that is long
    enough, and those who wait equally long come by their length.
    """

    def __init__(self, *, is_pinned: bool) -> None:
        self.is_pinned = is_pinned
        self.due = 0
        self._begun: list[Place] = []
        self._fresh: dict[int, list[Place]] = {}

    def __bool__(self) -> bool:
        return bool(self._begun or self._fresh)

    def add(self, job: Job, place: int, since: int) -> None:
        """Put a job in, before all are sorted."""
        assert job.left_s is not None, f"nobody knows how long it takes: {job}"
        (self._begun if job.begun else self._fresh.setdefault(since, [])).append((job.left_s, place))
        self.due += job.deadline_s is not None and not self.is_pinned

    def sort(self) -> None:
        for row in (self._begun, *self._fresh.values()):
            row.sort()

    def put_in(self, job: Job, place: int, since: int) -> None:
        assert job.left_s is not None, f"nobody knows how long it takes: {job}"
        insort(self._begun if job.begun else self._fresh.setdefault(since, []), (job.left_s, place))
        self.due += job.deadline_s is not None and not self.is_pinned

    def take_out(self, job: Job, place: int, since: int) -> None:
        assert job.left_s is not None, f"nobody knows how long it takes: {job}"
        row = self._begun if job.begun else self._fresh[since]
        del row[bisect_left(row, (job.left_s, place))]
        if not row and not job.begun:
            del self._fresh[since]
        self.due -= job.deadline_s is not None and not self.is_pinned

    def places(self) -> list[int]:
        return sorted(place for row in (self._begun, *self._fresh.values()) for _, place in row)

    def in_turn(self, sessions: int) -> Iterator[Sequence[Place]]:
        """Yield the jobs in rows as the default policy ranks them after so many sessions, deadlines aside."""
        waited = sorted(since for since in self._fresh if sessions - since >= MOST_WAITS)
        shortest_begun_s = self._begun[0][0] if self._begun else inf
        cuts = {since: bisect_left(self._fresh[since], (shortest_begun_s, -1)) for since in waited}
        for since, cut in cuts.items():
            yield self._fresh[since][:cut]
        yield self._begun
        for since, cut in cuts.items():
            yield self._fresh[since][cut:]
        rows = [row for since, row in self._fresh.items() if since not in cuts]
        yield rows[0] if len(rows) == 1 else sorted(chain(*rows))
