"""What the queue knows of a dataset without opening it."""

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """Facts of one content-addressed dataset. image_size is (height, width) in pixels; counts are images.

    note is shown wherever the dataset is, such as "synthetic degradations, not clinical data".
    """

    classes: tuple[str, ...]
    image_size: tuple[int, int]
    train: int
    validation: int
    test: int
    source: str
    note: str = ""
    attribution: str = ""

    @property
    def bare(self) -> "DatasetSummary":
        """The facts that follow from the images alone, and not from where they came from or what was said of them."""
        return replace(self, source="", note="", attribution="")

    @property
    def images(self) -> int:
        return self.train + self.validation + self.test

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "DatasetSummary":
        return cls(**(value | {"classes": tuple(value["classes"]), "image_size": tuple(value["image_size"])}))
