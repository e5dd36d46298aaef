"""The dataset blob: every image decoded once, in one safetensors file named by its SHA-256.

    images      uint8 [sample, height, width, 3]   RGB
    labels      uint8 [sample]                     index into classes
    splits      uint8 [sample]                     0 train, 1 validation, 2 test
    severities  uint8 [sample]                     0 = unknown or none, else 1 mild .. 3 severe
    metadata    one key "qcqueue": canonical JSON {format, summary, names}

Samples are sorted by (split, class, name), so the index of a sample is the same on every machine. One metadata
key only, because the order of several is not promised and equal datasets must have equal bytes. Nothing is
ever unpickled. Reading checks every shape and range before a caller sees an array.
"""

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from qcqueue.core.canonical import canonical_json, parse_json
from qcqueue.core.dataset import DatasetSummary
from qcqueue.errors import DigestMismatch, UnknownFormat

FORMAT = 1


class Split(IntEnum):
    TRAIN = 0
    VALIDATION = 1
    TEST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """All samples of one dataset in memory; arrays as in the module docstring."""

    summary: DatasetSummary
    names: tuple[str, ...]
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    splits: npt.NDArray[np.uint8]
    severities: npt.NDArray[np.uint8]

    def part(self, split: Split) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Return (images, labels) of one split, in dataset order."""
        chosen = self.splits == split
        return self.images[chosen], self.labels[chosen]


def to_bytes(dataset: Dataset) -> bytes:
    """Return the blob of `dataset`; equal datasets give equal bytes."""
    about = {"format": FORMAT, "summary": dataset.summary.to_json(), "names": list(dataset.names)}
    tensors = {
        "images": dataset.images,
        "labels": dataset.labels,
        "splits": dataset.splits,
        "severities": dataset.severities,
    }
    return save(tensors, metadata={"qcqueue": canonical_json(about)})


def load(path: Path) -> Dataset:
    """Read a dataset blob whose digest the caller has verified.

    Raises: UnknownFormat: written by a newer qcqueue. DigestMismatch: not a dataset at all.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            about: dict[str, Any] = parse_json((file.metadata() or {}).get("qcqueue", "{}"))
            if about.get("format", 0) > FORMAT:
                raise UnknownFormat(f"{path.name} is a dataset of a newer qcqueue; upgrade qcqueue")
            dataset = Dataset(
                summary=DatasetSummary.from_json(about["summary"]),
                names=tuple(about["names"]),
                images=file.get_tensor("images"),
                labels=file.get_tensor("labels"),
                splits=file.get_tensor("splits"),
                severities=file.get_tensor("severities"),
            )
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as exc:
        raise DigestMismatch(f"{path.name} is not a dataset") from exc
    _check(dataset, path.name)
    return dataset


def _check(dataset: Dataset, name: str) -> None:
    count = len(dataset.names)
    height, width = dataset.summary.image_size
    sound = (
        dataset.images.shape == (count, height, width, 3)
        and all(
            array.shape == (count,) and array.dtype == np.uint8
            for array in (dataset.labels, dataset.splits, dataset.severities)
        )
        and dataset.images.dtype == np.uint8
        and (count == 0 or int(dataset.labels.max()) < len(dataset.summary.classes))
        and (count == 0 or int(dataset.splits.max()) <= Split.TEST)
    )
    if not sound:
        raise DigestMismatch(f"{name} is not a dataset: its arrays do not fit together")
