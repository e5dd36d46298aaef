"""What came of the rehearsal of a resume, as `show` and the report tell it. A fact of one attempt on one machine.

It is no part of a run's record: that has the same bits with a rehearsal and without.
"""

from dataclasses import asdict, dataclass
from typing import Any

from qcqueue.core.shaped import shaped


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """differs: in a few words what was not the same the second time, "" for nothing. seconds: what finding out took."""

    processor: str
    differs: str
    seconds: float

    @property
    def is_exact(self) -> bool:
        return not self.differs

    @property
    def sentence(self) -> str:
        """Say it, such as "resume rehearsed on Tesla T4: exact"."""
        return f"resume rehearsed on {self.processor}: {'exact' if self.is_exact else f'not exact, {self.differs}'}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Rehearsal":
        """Raises ValueError: it is none."""
        return shaped(cls, value)
