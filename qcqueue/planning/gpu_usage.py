"""One's own sessions as a quota sees them: when a GPU was held, and when it was away in between. Decides only.

A GPU counts as away from the end of a session that was taken away, or after which one was refused, until the next
session that has one. Always true: two machines that are held at once count twice, and two sessions on one machine once,
as providers count it; nothing that another machine's clock puts into the future counts at all.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from qcqueue.planning.cool_off import Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUse:
    """One session that is over. was_taken: it was taken away, or stopped because it had come to its limit.

    gpu_refused: it wanted a GPU and got none. A session that wanted none has neither the one nor the other. machine:
    the same for those that may have shared one, empty where that is not known.
    """

    started_at_s: float
    ended_at_s: float
    processor_is_gpu: bool
    gpu_refused: bool = False
    was_taken: bool = False
    machine: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """A time in which the GPU was away. refused_at_s: when it was asked for in vain, the first time first.

    was_taken: it began with a session that was taken away. began_unseen: no session was there when it began, and
    began_at_s is only when a GPU was first refused. ended_at_s is infinity for one that goes on.
    """

    began_at_s: float
    ended_at_s: float = math.inf
    refused_at_s: tuple[float, ...] = ()
    was_taken: bool = False
    began_unseen: bool = False

    @property
    def refused_after_s(self) -> float:
        """Return how long after its beginning a GPU was still refused, 0 where nobody asked."""
        return self.refused_at_s[-1] - self.began_at_s if self.refused_at_s else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """An account's sessions as seen at now_s. spans: from when to when each GPU was held.

    absences are those that are over, in their order; away is the one that goes on, None where nothing shows one.
    """

    now_s: float
    spans: tuple[tuple[float, float], ...]
    is_held: bool
    absences: tuple[Absence, ...]
    away: Absence | None

    def used_s(self, since_s: float) -> float:
        """Return the GPU time since a moment."""
        return sum(max(0.0, end_s - max(start_s, since_s)) for start_s, end_s in self.spans)

    def used_since_s(self, allowed_s: float) -> float:
        """Return the last moment since which as much as allowed_s was used; that much must have been used at all."""
        moments_s = sorted({moment_s for span in self.spans for moment_s in span}, reverse=True)
        for later_s, earlier_s in pairwise(moments_s):
            rest_s, used_s = self.used_s(later_s), self.used_s(earlier_s)
            if used_s >= allowed_s:
                return later_s - (later_s - earlier_s) * (allowed_s - rest_s) / (used_s - rest_s)
        raise AssertionError(f"{allowed_s} s of GPU time were never used")

    @property
    def back_at_s(self) -> float:
        """Return when a GPU was there again after it had last been away, minus infinity where it never was."""
        return max((absence.ended_at_s for absence in self.absences), default=-math.inf)

    @property
    def waits(self) -> tuple[Wait, ...]:
        """Return what the absences that are over tell of how long one lasts."""
        return tuple(
            Wait(at_least_s=absence.refused_after_s, at_most_s=absence.ended_at_s - absence.began_at_s)
            for absence in self.absences
        )


def look_back(
    sessions: Iterable[GpuUse], *, now_s: float, running_since_s: float | None = None, running_on: str = ""
) -> Past:
    """Return the past of an account. sessions: those that are over, in any order.

    running_since_s: when the session with a GPU began that is at work now, and running_on its machine. Moments are
    seconds since the epoch.
    """
    seen = [_until(now_s, session) for session in sessions]
    with_gpu = [session for session in seen if session.processor_is_gpu]
    if running_since_s is not None:
        running = GpuUse(started_at_s=running_since_s, ended_at_s=now_s, processor_is_gpu=True, machine=running_on)
        with_gpu.append(_until(now_s, running))
    refused_at_s = sorted(session.started_at_s for session in seen if session.gpu_refused)
    stretches = _stretches(with_gpu)
    absences = [_absence(this, following.started_at_s, refused_at_s) for this, following in pairwise(stretches)]
    is_held = running_since_s is not None
    return Past(
        now_s=now_s,
        spans=held_once((it.machine, it.started_at_s, it.ended_at_s) for it in with_gpu),
        is_held=is_held,
        absences=tuple(filter(None, absences)),
        away=None if is_held else _away(stretches, refused_at_s),
    )


def held_once(sessions: Iterable[tuple[str, float, float]]) -> tuple[tuple[float, float], ...]:
    """Return from when to when machines were held: by sessions, each with its machine, its beginning and its end."""
    spans, held_until_s = list[tuple[float, float]](), dict[str, float]()
    for machine, from_s, to_s in sorted(sessions, key=lambda it: it[1]):
        before_s = held_until_s.get(machine, -math.inf) if machine else -math.inf
        held_until_s[machine] = max(before_s, to_s)
        if to_s > before_s:
            spans.append((max(from_s, before_s), to_s))
    return tuple(spans)


def _until(now_s: float, session: GpuUse) -> GpuUse:
    started_at_s = min(session.started_at_s, now_s)
    return replace(session, started_at_s=started_at_s, ended_at_s=min(max(session.ended_at_s, started_at_s), now_s))


def _stretches(sessions: Iterable[GpuUse]) -> list[GpuUse]:
    """Return the times in which one GPU or several were held; each ended as that of its sessions which ended last."""
    stretches: list[GpuUse] = []
    for session in sorted(sessions, key=lambda it: (it.started_at_s, it.ended_at_s)):
        if stretches and session.started_at_s < stretches[-1].ended_at_s:
            last = max(stretches[-1], session, key=lambda it: it.ended_at_s)
            stretches[-1] = replace(last, started_at_s=stretches[-1].started_at_s)
        else:
            stretches.append(session)
    return stretches


def _absence(before: GpuUse, ended_at_s: float, refused_at_s: Sequence[float]) -> Absence | None:
    """Return the absence after a stretch, None where nothing shows that there was one. refused_at_s: in their order."""
    refused = tuple(refused_at_s[bisect_left(refused_at_s, before.ended_at_s) : bisect_right(refused_at_s, ended_at_s)])
    if not before.was_taken and not refused:
        return None
    return Absence(
        began_at_s=before.ended_at_s, ended_at_s=ended_at_s, refused_at_s=refused, was_taken=before.was_taken
    )


def _away(stretches: Sequence[GpuUse], refused_at_s: Sequence[float]) -> Absence | None:
    """Return the absence that goes on."""
    if stretches:
        return _absence(stretches[-1], math.inf, refused_at_s)
    if not refused_at_s:
        return None
    return Absence(began_at_s=refused_at_s[0], refused_at_s=tuple(refused_at_s), began_unseen=True)
