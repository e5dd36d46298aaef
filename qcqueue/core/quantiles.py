"""A figure nobody knows exactly: a low, a likely and a high guess of some seconds, and whom they come from."""

from dataclasses import dataclass
from enum import StrEnum


class Basis(StrEnum):
    """Where a figure comes from; shown beside it wherever a person reads it."""

    PROFILE = "profile"
    HISTORY = "your history"
    SAID = "you said"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Seconds between low_s and high_s in four of five cases, likely_s in the middle case."""

    low_s: float
    likely_s: float
    high_s: float
    basis: Basis

    def __post_init__(self) -> None:
        assert 0 <= self.low_s <= self.likely_s <= self.high_s, f"no spread: {self}"

    def since(self, at_s: float) -> "Quantiles":
        """Return the same moments counted from another; what lies before it is at it."""
        low_s, likely_s, high_s = (max(0.0, it - at_s) for it in (self.low_s, self.likely_s, self.high_s))
        return Quantiles(low_s=low_s, likely_s=likely_s, high_s=high_s, basis=self.basis)
