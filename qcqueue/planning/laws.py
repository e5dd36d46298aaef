"""How long sessions live and when the next one can be had: laws of chance, which draw windows.

A law draws an endless row of windows from a generator, the same for the same seed, whatever is done with them; so two
strategies can be compared on the same luck. Where a provider announces how long a session lives, the window says so;
where it does not, nobody in a campaign knows.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

from qcqueue.clock import Rng, seeded
from qcqueue.planning.survival import Life, Lifetime, learnt_life
from qcqueue.planning.windows import LONGEST_S as A_YEAR_S
from qcqueue.planning.windows import Account, Window, share_of
from qcqueue.providers.base import Profile
from qcqueue.text.humanize import DAY_S, HOUR_S

LONGEST_S = 12.0 * HOUR_S
MEAN_S = 2.0 * HOUR_S
WEEK_S = 7.0 * DAY_S

# Weibull's shape where many sessions die young and some live long; the scale gives it the mean of the others.
WEIBULL_SHAPE = 0.6
WEIBULL_SCALE_S = MEAN_S / math.gamma(1 + 1 / WEIBULL_SHAPE)

# A bathtub: half of the sessions die young and half near a limit, in the proportions of Google's preemptible machines
# (1 h and 0.8 h beside a limit of 24 h), with the limit brought down until the mean is about two hours.
BATHTUB_LIMIT_S = 4.0 * HOUR_S
BATHTUB_YOUNG_S, BATHTUB_OLD_S = BATHTUB_LIMIT_S / 24, BATHTUB_LIMIT_S / 30

# A fifth of all days has no GPU; in spells, a day without one is followed by another with this chance.
SHARE_OFF = 0.2
STAYS_OFF = 0.6

# How many sessions somebody has seen who knows a law well.
SEEN = 100

KAGGLE_LENGTHS_S = (12.0 * HOUR_S, 12.0 * HOUR_S, 6.0 * HOUR_S)
STUDIO_S = 4.0 * HOUR_S


Windows: TypeAlias = Callable[[Rng], Iterator[Window]]
Length: TypeAlias = Callable[[Rng], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """A law of session lengths on a calendar, with what somebody knows of it who has worked under it for long.

    mean_s: what a session lives on average. every_s: from one beginning to the next, on average. life: what is expected
    of a session whose end nobody announces, None where each is announced. comes_back: who has left a session is
    assumed to open the next at once, on what is left of its window; otherwise that is given up.
    """

    name: str
    says: str
    mean_s: float
    windows: Windows
    every_s: float = DAY_S
    life: Life | None = None
    comes_back: bool = False

    @property
    def share(self) -> float:
        """Return which part of the calendar sessions are."""
        return min(1.0, self.mean_s / self.every_s)

    @property
    def is_certain(self) -> bool:
        """Return whether there is no chance in it, so that one campaign tells all."""
        return self.life is None


def of_life(life: Life, *, name: str, says: str) -> Law:
    """Return the law of sessions that live as a forecast expects them to, such as one's own history: one a day."""
    return Law(name=name, says=says, mean_s=life.mean_s, windows=_drawn(life.draw, _daily), life=life)


def of_profile(profile: Profile) -> Law:
    """Return the law of an account of which a profile alone is known, as `plan` has it on the first day."""
    life = learnt_life([], profile=profile.session, ceiling_s=profile.ceiling_s)
    account = Account(life=life, cool_off=profile.cool_off, allowance=profile.window)
    mean_s = min(life.mean_s, A_YEAR_S)
    return Law(
        name=profile.name,
        says=f"by the profile {profile.name}, each opened as soon as one can be had",
        mean_s=mean_s,
        windows=account.windows,
        every_s=mean_s / share_of(profile),
        life=life,
        comes_back=True,
    )


def seen_as(lengths_s: Iterable[float]) -> Life:
    """Return what is expected of sessions by somebody who has seen these being taken away."""
    return learnt_life((Lifetime(held_s=length_s, was_taken=True) for length_s in lengths_s), profile=None)


def _announced(length_s: float) -> Windows:
    """Sessions of one length that is known beforehand, one a day."""

    def windows(rng: Rng) -> Iterator[Window]:
        for begins_s in _daily(rng):
            yield Window(begins_s=begins_s, held_s=length_s, promised_s=length_s)

    return windows


def _drawn(length_s: Length, calendar: Callable[[Rng], Iterator[float]]) -> Windows:
    """Sessions whose ends come without warning; one that lives into the next beginning keeps that from coming."""

    def windows(rng: Rng) -> Iterator[Window]:
        free_s = 0.0
        for begins_s in calendar(rng):
            if begins_s >= free_s:
                held_s = length_s(rng)
                free_s = begins_s + held_s
                yield Window(begins_s=begins_s, held_s=held_s)

    return windows


def _week(rng: Rng) -> Iterator[Window]:
    for week in count():
        for day, length_s in enumerate(KAGGLE_LENGTHS_S):
            yield Window(begins_s=week * WEEK_S + day * DAY_S, held_s=length_s, promised_s=length_s)


def _daily(rng: Rng) -> Iterator[float]:
    return (day * DAY_S for day in count())


def _days_off(rng: Rng) -> Iterator[float]:
    return (begins_s for begins_s in _daily(rng) if rng.random() >= SHARE_OFF)


def _spells_off(rng: Rng) -> Iterator[float]:
    """Days off in spells, as many in all as single ones would be."""
    falls_off = SHARE_OFF * (1 - STAYS_OFF) / (1 - SHARE_OFF)
    is_off = rng.random() < SHARE_OFF
    for begins_s in _daily(rng):
        if not is_off:
            yield begins_s
        is_off = rng.random() < (STAYS_OFF if is_off else falls_off)


def _exponential(rng: Rng) -> float:
    return min(rng.expovariate(1 / MEAN_S), LONGEST_S)


def _weibull(rng: Rng) -> float:
    return min(rng.weibullvariate(WEIBULL_SCALE_S, WEIBULL_SHAPE), LONGEST_S)


def _bathtub(rng: Rng) -> float:
    if rng.random() < 0.5:
        return min(rng.expovariate(1 / BATHTUB_YOUNG_S), BATHTUB_LIMIT_S)
    return max(0.0, BATHTUB_LIMIT_S - rng.expovariate(1 / BATHTUB_OLD_S))


def _at_random(
    name: str,
    says: str,
    mean_s: float,
    length_s: Length,
    calendar: Callable[[Rng], Iterator[float]] = _daily,
    *,
    every_s: float = DAY_S,
) -> Law:
    """Return the law of sessions that end without warning, known to somebody who has seen SEEN of them."""
    rng = seeded(name)
    life = seen_as(length_s(rng) for _ in range(SEEN))
    return Law(name=name, says=says, mean_s=mean_s, windows=_drawn(length_s, calendar), every_s=every_s, life=life)


def _mean_until_limit_s(survives: Callable[[float], float]) -> float:
    """Return the mean of a length that is cut at LONGEST_S: the area under the share that still lives."""
    parts = 2_000
    width_s = LONGEST_S / parts
    return width_s * math.fsum(survives((part + 0.5) * width_s) for part in range(parts))


_EXPONENTIAL_MEAN_S = MEAN_S * -math.expm1(-LONGEST_S / MEAN_S)
_WEIBULL_MEAN_S = _mean_until_limit_s(lambda age_s: math.exp(-((age_s / WEIBULL_SCALE_S) ** WEIBULL_SHAPE)))
_BATHTUB_MEAN_S = (BATHTUB_YOUNG_S + BATHTUB_LIMIT_S - BATHTUB_OLD_S) / 2

LAWS: Mapping[str, Law] = {
    law.name: law
    for law in (
        Law(
            name="fixed",
            says="2 h, known beforehand, every 24 h",
            mean_s=MEAN_S,
            windows=_announced(MEAN_S),
        ),
        _at_random(
            "exponential",
            "2 h on average, ending at any instant, 12 h at most, one a day",
            _EXPONENTIAL_MEAN_S,
            _exponential,
        ),
        _at_random(
            "bathtub",
            "2 h on average, half ending young and half near 4 h, one a day",
            _BATHTUB_MEAN_S,
            _bathtub,
        ),
        _at_random(
            "weibull",
            "many short and some long (Weibull, shape 0.6, mean 2 h), 12 h at most, one a day",
            _WEIBULL_MEAN_S,
            _weibull,
        ),
        _at_random(
            "days-off",
            "as exponential, and no GPU on a fifth of all days",
            _EXPONENTIAL_MEAN_S,
            _exponential,
            _days_off,
            every_s=DAY_S / (1 - SHARE_OFF),
        ),
        _at_random(
            "spells-off",
            "as exponential, and no GPU on a fifth of all days, in spells of 2.5 days on average",
            _EXPONENTIAL_MEAN_S,
            _exponential,
            _spells_off,
            every_s=DAY_S / (1 - SHARE_OFF),
        ),
        Law(
            name="kaggle",
            says="30 h a week: 12 h, 12 h and 6 h on its first three days, known beforehand",
            mean_s=math.fsum(KAGGLE_LENGTHS_S) / len(KAGGLE_LENGTHS_S),
            windows=_week,
            every_s=WEEK_S / len(KAGGLE_LENGTHS_S),
        ),
        Law(
            name="studio",
            says="4 h, known beforehand, every 24 h (Studio Lab)",
            mean_s=STUDIO_S,
            windows=_announced(STUDIO_S),
        ),
    )
}
