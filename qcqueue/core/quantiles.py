"""A figure nobody knows exactly: what some seconds are in 10, 50 and 90 of 100 cases, and whom that comes from."""

from dataclasses import dataclass
from enum import StrEnum

from qcqueue.text.humanize import duration


class Basis(StrEnum):
    """Where a figure comes from; shown beside it wherever a person reads it."""

    PROFILE = "profile"
    HISTORY = "your history"
    SAID = "you said"
    LIVE = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Seconds: at most p10_s in one case of ten, p50_s in every second, p90_s in nine of ten."""

    p10_s: float
    p50_s: float
    p90_s: float
    basis: Basis

    def __post_init__(self) -> None:
        assert 0 <= self.p10_s <= self.p50_s <= self.p90_s, f"no quantiles: {self}"

    @property
    def said(self) -> str:
        """Say it, such as "1 h 00 min to 5 h 00 min, likely 2 h 00 min"."""
        if self.p10_s == self.p90_s:
            return duration(self.p50_s)
        return f"{duration(self.p10_s)} to {duration(self.p90_s)}, likely {duration(self.p50_s)}"

    def since(self, at_s: float) -> "Quantiles":
        """Return the same moments counted from another; what lies before it is at it."""
        p10_s, p50_s, p90_s = (max(0.0, it - at_s) for it in (self.p10_s, self.p50_s, self.p90_s))
        return Quantiles(p10_s=p10_s, p50_s=p50_s, p90_s=p90_s, basis=self.basis)
