"""How long a session will live: a curve learnt from those that were seen, and from a profile until they are enough.

Pure. Ages are seconds since the machine was given. A curve is kept as its cumulative hazard, -ln of the chance to
reach an age: it rises at a constant rate between two knots, may jump at a knot, and is infinite where no session
lives on. Always true: no chance rises with time, a promise is never outlived, and only a session that nothing ends
has a chance that does not go to zero.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from qcqueue.clock import Rng
from qcqueue.core.quantiles import Basis, Quantiles

# How many sessions a profile counts as. A free account gives about one a day, so within a week one's own say more.
PROFILE_WORTH = 4.0
# One end is spread over this share of the age at which it came, in so many steps, and never beyond the end before.
SHARE_OF_AN_END = 0.25
STEPS_OF_AN_END = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """One session: how long it was held, and whether it was taken away or left by itself."""

    held_s: float
    was_taken: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What happened at one age: of the sessions that reached it, `taken` were taken away and `left` left."""

    age_s: float
    reached: int
    taken: int
    left: int


def mean_life_s(lives: Iterable[Lifetime]) -> float | None:
    """Return the mean seconds until a session is taken away, None where none has been.

    Sessions that left by themselves would have lived on: they count with the time they were held, and not as an end.
    With a constant rate of ends this is the most likely mean.
    """
    seen = list(lives)
    taken = sum(life.was_taken for life in seen)
    return sum(life.held_s for life in seen) / taken if taken else None


def ends_by_age(lives: Iterable[Lifetime]) -> tuple[Ends, ...]:
    """Return each age at which any session ended, the youngest first.

    A session that left at the age at which another was taken had reached that age, and might have been taken too.
    """
    found: list[Ends] = []
    ordered = sorted(lives, key=lambda life: life.held_s)
    reached = len(ordered)
    for age_s, group in groupby(ordered, key=lambda life: life.held_s):
        ended = [life.was_taken for life in group]
        found.append(Ends(age_s=age_s, reached=reached, taken=sum(ended), left=len(ended) - sum(ended)))
        reached -= len(ended)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The chances of a session at every age. seen is how many sessions of this queue they rest on.

    knots_s begins with 0 and rises. hazards holds the cumulative hazard just after each knot, rates by how much it
    rises a second from there to the next.
    """

    knots_s: tuple[float, ...]
    hazards: tuple[float, ...]
    rates: tuple[float, ...]
    basis: Basis
    seen: int = 0

    def __post_init__(self) -> None:
        assert self.knots_s[0] == 0, f"a life that does not begin: {self}"
        assert len(self.knots_s) == len(self.hazards) == len(self.rates), f"a curve in pieces: {self}"

    def chance(self, age_s: float, further_s: float) -> float:
        """Return the chance that a session alive at age_s lives for further_s more, 0..1.

        One that outlived every end the curve knows of may end at any instant: 0 for whatever is more than nothing.
        """
        if further_s <= 0:
            return 1.0
        before = self.hazard(age_s)
        return 0.0 if math.isinf(before) else math.exp(before - self.hazard(age_s + further_s))

    def quantile(self, p: float, age_s: float = 0.0) -> float:
        """Return in how many seconds from age_s a session has ended with probability p; infinite where it need not."""
        assert 0 <= p <= 1, f"no probability: {p}"
        return self._until_s(math.inf if p == 1 else -math.log1p(-p), age_s)

    def spread(self, age_s: float = 0.0) -> Quantiles:
        """Return what is left of a session alive at age_s."""
        p10_s, p50_s, p90_s = (self.quantile(p, age_s) for p in (0.1, 0.5, 0.9))
        return Quantiles(p10_s=p10_s, p50_s=p50_s, p90_s=p90_s, basis=self.basis)

    def draw(self, rng: Rng, age_s: float = 0.0) -> float:
        """Return how much longer a session alive at age_s lives in one possible world."""
        return self._until_s(-math.log1p(-rng.random()), age_s)

    @property
    def mean_s(self) -> float:
        """Return how long a session lives on average, from its beginning."""
        return self.lived_s(0.0, math.inf)

    def lived_s(self, age_s: float, within_s: float) -> float:
        """Return how many of the next within_s seconds a session alive at age_s is expected to live."""
        before = self.hazard(age_s)
        if math.isinf(before):
            return 0.0
        until_s, lived_s = age_s + within_s, 0.0
        for knot in range(bisect_right(self.knots_s, age_s) - 1, len(self.knots_s)):
            from_s, to_s = max(age_s, self.knots_s[knot]), min(until_s, self._next_s(knot))
            if from_s >= to_s:
                break
            # A jump at age_s itself lies ahead of a session that is alive there.
            alive = math.exp(before - self._hazard_from(knot, from_s))
            lived_s += alive * _lived_s(self.rates[knot], to_s - from_s) if alive else 0.0
        return lived_s

    def promised(self, until_s: float) -> "Life":
        """Return this life under a promise: as before, and over at the age of until_s at the latest.

        The promise is a person's: the minutes of a pane, a flag, the end of a batch job.
        """
        return replace(self._cut(until_s), basis=Basis.SAID)

    def hazard(self, age_s: float) -> float:
        """Return -ln of the chance to reach an age; a jump at that age lies ahead."""
        knot = bisect_left(self.knots_s, age_s) - 1
        if knot < 0:
            return 0.0
        # What rounding adds must not make a later age the likelier one.
        return min(self._hazard_from(knot, age_s), self.hazards[knot + 1] if knot + 1 < len(self.hazards) else math.inf)

    def hazard_after(self, age_s: float) -> float:
        """Return -ln of the chance to live beyond an age; a jump at that age is over."""
        return self._hazard_from(bisect_right(self.knots_s, age_s) - 1, age_s)

    def _hazard_from(self, knot: int, age_s: float) -> float:
        return self.hazards[knot] + _risen(self.rates[knot], age_s - self.knots_s[knot])

    def _until_s(self, rise: float, age_s: float) -> float:
        """Return the seconds from age_s until the hazard has risen by so much: the inverse of the curve."""
        target = self.hazard(age_s) + rise if age_s else rise
        knot = bisect_right(self.hazards, target) - 1
        if knot < 0 or self.hazards[knot] == math.inf:
            # It ends by a jump at the beginning, or does not outlive the last of all ends.
            return max(0.0, self.knots_s[max(knot, 0)] - age_s)
        rate, next_s = self.rates[knot], self._next_s(knot)
        at_s = self.knots_s[knot] + (target - self.hazards[knot]) / rate if rate else math.inf
        return max(0.0, min(at_s, next_s) - age_s)

    def _next_s(self, knot: int) -> float:
        return self.knots_s[knot + 1] if knot + 1 < len(self.knots_s) else math.inf

    def _cut(self, until_s: float) -> "Life":
        assert until_s >= 0, f"over before it began: {until_s}"
        if math.isinf(self.hazard(until_s)):
            return self
        kept = bisect_left(self.knots_s, until_s)
        return replace(
            self,
            knots_s=(*self.knots_s[:kept], until_s),
            hazards=(*self.hazards[:kept], math.inf),
            rates=(*self.rates[:kept], 0.0),
        )


def learnt_life(
    lives: Iterable[Lifetime],
    *,
    profile: Quantiles | None,
    ceiling_s: float | None = None,
    worth: float = PROFILE_WORTH,
) -> Life:
    """Return how long sessions live, by those seen and by a profile that counts as `worth` sessions more.

    The product-limit estimate (Kaplan and Meier, JASA 53, 1958), where the profile's curve S0 is a Dirichlet prior of
    mass N = worth (Susarla and Van Ryzin, JASA 71, 1976). With Y sessions not over yet, the chance to reach an age
    falls by (N S0(b) + Y) / (N S0(a) + Y) from a to b, and where d sessions are taken by 1 - d / (N S0 + Y); a session
    that left only stops counting in Y. So it begins as S0 and comes to be the product-limit estimate of the own ones.

    It is that estimate wherever a session was taken, but an end is spread over the ages before it: at a single one it
    would look like a cliff, and the epoch that crosses it like a doomed one. Where several sessions were taken at one
    age, all but the first stay there: such a cliff is real.

    Beyond the last session seen, the profile alone goes on from there; where by the profile no session is left, ends
    come at random, one in each of its likely lengths. Nothing lives beyond ceiling_s, unless a session has. Without a
    profile S0 has ends at random at the rate of those seen, and where none was taken, sessions do not end.
    """
    seen = tuple(lives)
    mean_s = mean_life_s(seen) if profile is None else profile.p50_s
    if mean_s is None:
        curve = _through([(0.0, 0.0)], then_rate=0.0)
    else:
        # Whatever was seen at all has lived for a second.
        usual_s = max(mean_s, 1.0)
        prior = _through([(0.0, 0.0)], then_rate=1 / usual_s) if profile is None else _profile_life(profile)
        curve = _Blend(ends_by_age(seen), prior=prior, worth=worth).life(usual_s=usual_s) if seen else prior
    if ceiling_s is not None:
        curve = curve._cut(max(ceiling_s, *(life.held_s for life in seen), 0.0))
    taken = sum(life.was_taken for life in seen)
    if taken and (profile is None or taken >= worth):
        basis = Basis.HISTORY
    else:
        basis = Basis.PROFILE if profile is None else profile.basis
    return replace(curve, basis=basis, seen=len(seen))


def _profile_life(profile: Quantiles) -> Life:
    """Return the curve of a spread: ends come at a constant rate between its 10 %, its 50 % and its 90 %.

    The first tenth falls in as many seconds before the low figure as lie between that and the likely one, and the
    last tenth goes on at the rate before the high one. So the spread of ends at random gives exactly these back, and
    one without any width is a certain end.
    """
    p10_s, p50_s, p90_s = profile.p10_s, profile.p50_s, profile.p90_s
    assert 0 < p50_s <= p90_s < math.inf, f"no profile of sessions that end: {profile}"
    first_s = max(0.0, 2 * p10_s - p50_s)
    points = [(first_s, 0.0), (p10_s, math.log(10 / 9)), (p50_s, math.log(2)), (p90_s, math.log(10))]
    if p50_s == p90_s:
        return _through([*points, (p90_s, math.inf)], then_rate=0.0)
    return _through(points, then_rate=math.log(5) / (p90_s - p50_s))


class _Blend:
    """The curve of `learnt_life`, computed at every age at which anything happens to it."""

    def __init__(self, ends: Sequence[Ends], *, prior: Life, worth: float) -> None:
        self._ends = {end.age_s: end for end in ends}
        self._taken_s = [end.age_s for end in ends if end.taken]
        self._prior, self._worth = prior, worth

    def life(self, *, usual_s: float) -> Life:
        hazard, before_s, alive = 0.0, 0.0, max(end.reached for end in self._ends.values())
        points = [(0.0, 0.0)]
        for age_s in sorted({*self._prior.knots_s, *self._ends, *self._steps_s()}):
            hazard += self._risen_by_profile(before_s, age_s, alive) + self._risen_by_own(before_s, age_s)
            points.append((age_s, hazard))
            hazard += self._jump(age_s, alive)
            points.append((age_s, hazard))
            if math.isinf(hazard):
                break
            if end := self._ends.get(age_s):
                alive -= end.taken + end.left
            before_s = age_s
        return _through(points, then_rate=self._prior.rates[-1] or 1 / usual_s)

    def _steps_s(self) -> Iterator[float]:
        for taken_s in self._taken_s:
            from_s = self._spread_from_s(taken_s)
            yield from (from_s + (taken_s - from_s) * step / STEPS_OF_AN_END for step in range(STEPS_OF_AN_END))

    def _spread_from_s(self, taken_s: float) -> float:
        before = bisect_left(self._taken_s, taken_s) - 1
        return max((1 - SHARE_OF_AN_END) * taken_s, self._taken_s[before] if before >= 0 else 0.0)

    def _risen_by_profile(self, from_s: float, to_s: float, alive: int) -> float:
        if not alive:
            return self._prior.hazard(to_s) - self._prior.hazard_after(from_s)
        return math.log((self._beyond(from_s) + alive) / (self._up_to(to_s) + alive))

    def _risen_by_own(self, from_s: float, to_s: float) -> float:
        """Return the rise by that part of the next end that is spread between two ages."""
        following = bisect_left(self._taken_s, to_s)
        if following == len(self._taken_s):
            return 0.0
        end_s = self._taken_s[following]
        begin_s = self._spread_from_s(end_s)
        if to_s <= begin_s:
            return 0.0
        weight = self._up_to(end_s) + self._ends[end_s].reached
        begins, ends = (weight - (age_s - begin_s) / (end_s - begin_s) for age_s in (from_s, to_s))
        return math.log(begins / ends) if ends > 0 else math.inf

    def _jump(self, age_s: float, alive: int) -> float:
        """Return the rise at one age: a jump of the profile, and all but the first of the sessions taken there."""
        if not alive:
            return self._prior.hazard_after(age_s) - self._prior.hazard(age_s)
        taken = self._ends[age_s].taken if age_s in self._ends else 0
        spread = 1 if taken and age_s > 0 else 0
        left = self._beyond(age_s) + alive - taken
        return max(0.0, math.log((self._up_to(age_s) + alive - spread) / left)) if left > 0 else math.inf

    def _up_to(self, age_s: float) -> float:
        """Return how many of the profile's sessions reach an age."""
        return self._worth * math.exp(-self._prior.hazard(age_s))

    def _beyond(self, age_s: float) -> float:
        return self._worth * math.exp(-self._prior.hazard_after(age_s))


def _through(points: Sequence[tuple[float, float]], *, then_rate: float) -> Life:
    """Return the curve through (age, cumulative hazard), with a jump where an age comes again.

    After the last point the hazard rises by then_rate a second.
    """
    knots: list[tuple[float, float, float]] = []
    for age_s, group in groupby([(0.0, 0.0), *points], key=lambda point: point[0]):
        hazards = [hazard for _, hazard in group]
        knots.append((age_s, hazards[0], hazards[-1]))
    rates = [_rate(after, before, to_s - from_s) for (from_s, _, after), (to_s, before, _) in pairwise(knots)]
    return Life(
        knots_s=tuple(age_s for age_s, _, _ in knots),
        hazards=tuple(after for _, _, after in knots),
        rates=(*rates, 0.0 if math.isinf(knots[-1][2]) else then_rate),
        basis=Basis.PROFILE,
    )


def _rate(from_hazard: float, to_hazard: float, seconds: float) -> float:
    # A hazard that becomes infinite does so at an age, not on the way there.
    return 0.0 if math.isinf(to_hazard) else (to_hazard - from_hazard) / seconds


def _risen(rate: float, seconds: float) -> float:
    # Nothing rises in a curve without ends, for however long.
    return rate * seconds if rate else 0.0


def _lived_s(rate: float, seconds: float) -> float:
    """Return how much of some seconds is lived where ends come at a constant rate."""
    return -math.expm1(-rate * seconds) / rate if rate else seconds
