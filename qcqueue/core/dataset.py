"""What the queue knows of a dataset without opening it."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from qcqueue.core.shaped import shaped


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """Facts of one content-addressed dataset. image_size is (height, width) in pixels; counts are images.

    note is shown wherever the dataset is, such as "synthetic degradations, not clinical data". deep_white: the value
    that became 255 in deep pictures, which have more than 8 bits a sample; None for the most that each file can hold.
    """

    classes: tuple[str, ...]
    image_size: tuple[int, int]
    train: int
    validation: int
    test: int
    source: str
    note: str = ""
    attribution: str = ""
    deep_white: int | None = None

    @property
    def bare(self) -> "DatasetSummary":
        """The facts that follow from the images alone, and not from where they came from or what was said of them."""
        return replace(self, source="", note="", attribution="", deep_white=None)

    @property
    def images(self) -> int:
        return self.train + self.validation + self.test

    def to_json(self) -> dict[str, Any]:
        """Return what is stored. deep_white is left out where nobody chose one, as before there was a choice: equal
        datasets keep equal bytes."""
        known = asdict(self)
        if self.deep_white is None:
            del known["deep_white"]
        return known

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "DatasetSummary":
        """Raises ValueError: it is no summary."""
        summary = shaped(cls, value)
        if min(summary.train, summary.validation, summary.test, *summary.image_size) < 0:
            raise ValueError("it counts less than nothing")
        return summary
