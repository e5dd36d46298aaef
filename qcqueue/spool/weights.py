"""What a session asks of a trainer that gets ready: to have the ImageNet weights a job begins with; and its answer.

The question goes over the trainer's pipe, the answer comes back as a file. Both are JSON. The trainer answers while its
libraries load, and never builds a model for it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcqueue.catalog.models import ImageNetFile, imagenet_file


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedWeights:
    """The weights for images of (height, width) in pixels. given: a copy on this machine, to be put where Keras looks.

    may_download: False to be told only whether they are here.
    """

    model: str
    image_size: tuple[int, int]
    given: Path | None = None
    may_download: bool = True

    @property
    def file(self) -> ImageNetFile:
        return imagenet_file(self.model, self.image_size)

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "image_size": list(self.image_size),
            "given": str(self.given) if self.given else None,
            "may_download": self.may_download,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "WantedWeights":
        given, image_size = value["given"], tuple(value["image_size"])
        return cls(**(value | {"image_size": image_size, "given": Path(given) if given else None}))


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundWeights:
    """Where the file lies whole, or why it cannot be had; neither where it is not here and may not be downloaded."""

    path: Path | None = None
    obstacle: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"path": str(self.path) if self.path else None, "obstacle": self.obstacle}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "FoundWeights":
        return cls(path=Path(value["path"]) if value["path"] else None, obstacle=value["obstacle"])
