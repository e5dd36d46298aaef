"""Profiles and histories of sessions, by hand and by Hypothesis, for tests of how long one lives."""

import math

from hypothesis import strategies as st

from qcqueue.core.quantiles import Basis, Quantiles
from qcqueue.planning.survival import Life, Lifetime, learnt_life
from qcqueue.text.humanize import HOUR_S

TWO_HOURS_S = 2.0 * HOUR_S


def profile_of(low_h: float, likely_h: float, high_h: float) -> Quantiles:
    return Quantiles(p10_s=low_h * HOUR_S, p50_s=likely_h * HOUR_S, p90_s=high_h * HOUR_S, basis=Basis.PROFILE)


def at_random(mean_s: float) -> Quantiles:
    """Return the 10, 50 and 90 % of a session that may end at any instant, at a constant rate."""
    p10_s, p50_s, p90_s = (-mean_s * math.log1p(-p) for p in (0.1, 0.5, 0.9))
    return Quantiles(p10_s=p10_s, p50_s=p50_s, p90_s=p90_s, basis=Basis.PROFILE)


def taken(*held_s: float) -> list[Lifetime]:
    return [Lifetime(held_s=it, was_taken=True) for it in held_s]


def left(*held_s: float) -> list[Lifetime]:
    return [Lifetime(held_s=it, was_taken=False) for it in held_s]


USUAL = profile_of(1, 2, 5)
CERTAIN = profile_of(2, 2, 2)

# Few enough different lengths that some fall together.
lengths_s = st.one_of(st.floats(min_value=1, max_value=50_000), st.integers(1, 8).map(lambda hours: hours * HOUR_S))
histories = st.lists(st.builds(Lifetime, held_s=lengths_s.map(float), was_taken=st.booleans()), max_size=12)
profiles = st.lists(st.floats(min_value=1, max_value=50_000), min_size=3, max_size=3).map(
    lambda three: Quantiles(p10_s=min(three), p50_s=sorted(three)[1], p90_s=max(three), basis=Basis.PROFILE)
)
ceilings_s = st.one_of(st.none(), st.floats(min_value=60, max_value=90_000))
worths = st.sampled_from((0.0, 0.5, 4.0, 20.0))


@st.composite
def lives(draw: st.DrawFn) -> Life:
    life = learnt_life(
        draw(histories), profile=draw(st.one_of(st.none(), profiles)), ceiling_s=draw(ceilings_s), worth=draw(worths)
    )
    promise_s = draw(ceilings_s)
    return life if promise_s is None else life.promised(promise_s)
