"""Whether to begin what may never be saved, in a session that is near its end.

Pure: what is known of the next save and of the session goes in, a verdict with its reason in words comes out. Always
true: who has saved nothing yet is not told to leave as long as there is any chance, so a session that lives longer
than its start, one save interval, its stall and its lag makes progress that lasts.
"""

from dataclasses import dataclass

from qcqueue.planning.survival import Life
from qcqueue.text.humanize import duration, whole_percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is trained up to the next save, and how long until that is safe in the store.

    train_s: training still to be done before the save. stall_s, lag_s: how long the save stops training, and how long
    it is on its way then. unsaved_s: training that is done already and would be safe with it.
    """

    train_s: float
    stall_s: float
    lag_s: float
    unsaved_s: float = 0.0

    def __post_init__(self) -> None:
        assert min(self.train_s, self.stall_s, self.lag_s, self.unsaved_s) >= 0, f"time runs back: {self}"

    @property
    def safe_in_s(self) -> float:
        return self.train_s + self.stall_s + self.lag_s

    @property
    def worth_s(self) -> float:
        """Return how much training the save would keep."""
        return self.train_s + self.unsaved_s


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAdvice:
    """Whether to go on. chance: that the unit is safe before the session ends. reason: a sentence with the numbers."""

    is_worth_it: bool
    chance: float
    reason: str


def judge(unit: Unit, life: Life, *, age_s: float, has_saved: bool) -> StopAdvice:
    """Return whether a session of age_s should begin a unit. has_saved: something that it trained is safe.

    Let T be what is left of the session, u = unit.safe_in_s and w = unit.worth_s, in seconds of quota. To leave now
    keeps nothing and costs nothing more. To go on keeps w where T >= u, and wastes the T that were held where T < u:

        gain = p w - E[T; T < u],    p = P(T >= u),    E[T; T < u] = E[min(T, u)] - p u

    A unit is not worth it where p < 1/2 and the gain is not above 0. The first decides only where stall and lag are
    long: as E[T; T < u] <= (1 - p) u, the gain is above 0 for every p above 1/2 where a unit is nearly all training.
    A session that is known to end in R seconds has p = 1 and a gain of w, or p = 0 and one of -R: it goes on exactly
    as long as u <= R. One that ends at random, with mean m, has p >= 1/2 where u <= m ln 2, so that it is not told to
    leave then at any age; and for w = u not before u = 1.26 m, where exp(u/m) = 1 + 2 u/m.
    """
    chance = life.chance(age_s, unit.safe_in_s)
    kept_s = chance * unit.worth_s
    lost_s = max(0.0, life.lived_s(age_s, unit.safe_in_s) - chance * unit.safe_in_s)
    pays = chance >= 0.5 or kept_s > lost_s
    # A chance can be too small for a number and yet be one.
    begins = not has_saved and age_s + unit.safe_in_s <= life.quantile(1)
    if pays:
        said = "It is worth going on"
    else:
        said = "It goes on because nothing of it is saved yet" if begins else "It is not worth going on"
    return StopAdvice(
        is_worth_it=pays or begins,
        chance=chance,
        reason=(
            f"{said}: the next save is safe in {duration(unit.safe_in_s)}, and {duration(age_s)} old a session lives "
            f"that long in {whole_percent(chance)} of cases ({life.basis}); to be expected are {duration(kept_s)} of "
            f"training kept against {duration(lost_s)} lost."
        ),
    )
