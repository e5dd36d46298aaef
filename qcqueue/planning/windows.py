"""Windows, each one chance to work, and those that are likely to come to one account by what is known of it today.

How long a session lives is a `Life`; when the next GPU can be had, and how long it stays away once a session was taken,
are quantiles; a provider's allowance cuts a session short and lets the next wait until enough of it has returned.
Always true: windows come in their order and never overlap. Whoever reads a date made of them is assumed to open the
notebook as soon as a GPU is to be had.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qcqueue.clock import Rng
from qcqueue.core.quantiles import Quantiles
from qcqueue.planning.survival import Life
from qcqueue.providers.base import Allowance, Profile
from qcqueue.text.humanize import DAY_S

# A session of less is not worth opening a notebook for, and a sum of seconds is not exact.
SHORTEST_S = 60.0

# What comes back at one moment does so within this, for an allowance gives back second by second.
RETURNS_WITHIN_S = 1800.0

# Where nothing ends a session, a year is as good as for ever: nobody plans further.
LONGEST_S = 366 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One chance to work. begins_s: since the campaign began. held_s: until the machine is taken away.

    promised_s: how long the session is known to live, None where its end comes without warning. age_s: how long the
    machine has been held already.
    """

    begins_s: float
    held_s: float
    promised_s: float | None = None
    age_s: float = 0.0

    def after(self, used_s: float) -> "Window":
        """Return what is left of it for another session, once one has left by itself."""
        return Window(
            begins_s=self.begins_s + used_s,
            held_s=self.held_s - used_s,
            promised_s=None if self.promised_s is None else self.promised_s - used_s,
            age_s=self.age_s + used_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is known of one account now. Seconds count from now; what is past is below 0.

    age_s: how old the session is that is at work, None for none. next_in_s: when a GPU is to be had again, None for
    now. cool_off: how long it stays away once a session was taken, None where it does not. used: from when until when
    GPU time was used that the allowance may still count.
    """

    life: Life
    age_s: float | None = None
    next_in_s: Quantiles | None = None
    cool_off: Quantiles | None = None
    allowance: Allowance | None = None
    used: tuple[tuple[float, float], ...] = ()

    @property
    def is_endless(self) -> bool:
        """Whether nothing that is known ends a session or keeps the next from coming."""
        return self.cool_off is None and self.allowance is None and self.life.chance(0.0, LONGEST_S) == 1.0

    def windows(self, rng: Rng) -> Iterator[Window]:
        """Draw an endless row of windows."""
        spent = _Spent(self.allowance, self.used)
        now_s, age_s = 0.0, self.age_s or 0.0
        if self.age_s is None and self.next_in_s:
            now_s = drawn(self.next_in_s, rng)
        while True:
            now_s = spent.returns_s(now_s)
            held_s = min(self.life.draw(rng, age_s), spent.left_s(now_s), LONGEST_S)
            yield Window(begins_s=now_s, held_s=held_s, age_s=age_s)
            spent.use(now_s, now_s + held_s)
            # The session at work has its own age; every later one is born in its window.
            age_s = 0.0
            now_s += held_s + (drawn(self.cool_off, rng) if self.cool_off else 0.0)


def share_of(profile: Profile) -> float:
    """Return which part of the calendar becomes training under a profile, on average."""
    window, session, cool_off = profile.window, profile.session, profile.cool_off
    if window:
        return window.allowed_s / window.period_s
    if session and cool_off:
        return session.p50_s / max(DAY_S, session.p50_s + cool_off.p50_s)
    return 1.0


def drawn(spread: Quantiles, rng: Rng) -> float:
    """Draw one length, straight between the figures of a spread and beyond them."""
    share = rng.random()
    side_s = spread.p50_s - spread.p10_s if share < 0.5 else spread.p90_s - spread.p50_s
    return max(0.0, spread.p50_s + side_s * (share - 0.5) / 0.4)


def returning_at(used_s: float, at_s: float, period_s: float) -> tuple[tuple[float, float], ...]:
    """Return spans of GPU time that an allowance counts as used_s until at_s, and soon after that no more."""
    pieces = math.ceil(used_s / RETURNS_WITHIN_S)
    return ((at_s - period_s, at_s - period_s + used_s / pieces),) * pieces if pieces else ()


class _Spent:
    """GPU time that was used, as far as an allowance still counts it."""

    def __init__(self, allowance: Allowance | None, used: Sequence[tuple[float, float]]) -> None:
        self._allowance = allowance
        self._used = deque(sorted(used))

    def use(self, from_s: float, until_s: float) -> None:
        self._used.append((from_s, until_s))

    def left_s(self, at_s: float) -> float:
        """Return how long a session that begins now can be held before nothing is left."""
        if self._allowance is None:
            return LONGEST_S
        return max(0.0, self._allowance.allowed_s - self._counted_s(at_s))

    def returns_s(self, at_s: float) -> float:
        """Return when there is enough for a session, from at_s on: what was used first returns first."""
        while self._allowance is not None and self._used and self.left_s(at_s) < SHORTEST_S:
            # Each is let go once, whatever the last bit of a sum says, so this ends.
            at_s = max(at_s, self._used.popleft()[1] + self._allowance.period_s)
        return at_s

    def _counted_s(self, at_s: float) -> float:
        assert self._allowance is not None, "nothing is counted where nothing is limited"
        since_s = at_s - self._allowance.period_s
        while self._used and self._used[0][1] <= since_s:  # it has returned, and what is asked for only rises
            self._used.popleft()
        return sum(max(0.0, until_s - max(from_s, since_s)) for from_s, until_s in self._used)
