"""The dataset blob: every image decoded once, in one safetensors file named by its SHA-256.

    images      uint8 [sample, height, width, 3]   RGB
    labels      uint8 [sample]                     index into classes
    splits      uint8 [sample]                     0 train, 1 validation, 2 test
    severities  uint8 [sample]                     0 = unknown or none, else 1 mild .. 3 severe
    metadata    one key "qcqueue": canonical JSON {format, summary, names}

Samples are sorted by (split, class, name), so the index of a sample is the same on every machine. One metadata
key only, because the order of several is not promised and equal datasets must have equal bytes. Nothing is
ever unpickled. Reading checks every shape, range and count before a caller sees an array.

The blob needs no qcqueue to be read. Worked example, the third validation image of a blob and what it shows:

    import json
    from safetensors import safe_open

    with safe_open("blob", framework="numpy") as file:
        about = json.loads(file.metadata()["qcqueue"])
        splits, labels = file.get_tensor("splits"), file.get_tensor("labels")
        index = (splits == 1).nonzero()[0][2]
        picture = file.get_slice("images")[index : index + 1][0]    # uint8 [height, width, 3], the rest stays on disk
        print(about["names"][index], about["summary"]["classes"][labels[index]], picture.shape)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from qcqueue.core.dataset import DatasetSummary
from qcqueue.errors import DigestMismatch, UnknownFormat
from qcqueue.stores.files import is_of_a_disk, of_this_machine
from qcqueue.text.canonical_json import canonical_json, parse_json

FORMAT = 1
SEVERITY_MAX = 3

Bytes = npt.NDArray[np.uint8]
Columns = tuple[Bytes, Bytes, Bytes]


class Split(IntEnum):
    TRAIN = 0
    VALIDATION = 1
    TEST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """All samples of one dataset in memory; arrays as in the module docstring."""

    summary: DatasetSummary
    names: tuple[str, ...]
    images: Bytes
    labels: Bytes
    splits: Bytes
    severities: Bytes

    def part(self, split: Split) -> tuple[Bytes, Bytes]:
        """Return (images, labels) of one split, in dataset order."""
        chosen = self.splits == split
        return self.images[chosen], self.labels[chosen]


def arrange(
    *,
    names: Sequence[str],
    images: Bytes,
    columns: Columns,
    classes: Sequence[str],
    source: str,
    note: str = "",
    attribution: str = "",
    deep_white: int | None = None,
) -> Dataset:
    """Return samples in any order as a dataset: in the blob's order, with the counts of its summary taken from them.

    columns: labels, splits, severities, each uint8 [sample]. Names must be unique within a class and split.
    deep_white: as in the summary.
    """
    labels, splits, severities = columns
    order = sorted(range(len(names)), key=lambda index: (splits[index], labels[index], names[index]))
    train, validation, test = (int((splits == split).sum()) for split in Split)
    height, width = images.shape[1:3]
    return Dataset(
        summary=DatasetSummary(
            classes=tuple(classes),
            image_size=(int(height), int(width)),
            train=train,
            validation=validation,
            test=test,
            source=source,
            note=note,
            attribution=attribution,
            deep_white=deep_white,
        ),
        names=tuple(names[index] for index in order),
        images=images[order],
        labels=labels[order],
        splits=splits[order],
        severities=severities[order],
    )


def to_bytes(dataset: Dataset) -> bytes:
    """Return the blob of `dataset`; equal datasets give equal bytes."""
    problem = _problem(dataset)
    assert problem is None, problem
    about = {"format": FORMAT, "summary": dataset.summary.to_json(), "names": list(dataset.names)}
    tensors = {
        "images": dataset.images,
        "labels": dataset.labels,
        "splits": dataset.splits,
        "severities": dataset.severities,
    }
    # safetensors writes the memory it is given: a view with other strides would come back as other pixels.
    tensors = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    return save(tensors, metadata={"qcqueue": canonical_json(about)})


def load(path: Path) -> Dataset:
    """Read a dataset blob whose digest the caller has verified.

    Raises: UnknownFormat: written by a newer qcqueue. DigestMismatch: not a dataset, or one that contradicts itself.
    """
    return _read(path, lambda file: file.get_tensor("images"))


def load_mapped(path: Path) -> Dataset:
    """Read all but the pixels: its images are mapped from the file, which must stay, and read where they are looked at.

    Raises as `load`.
    """
    return _read(path, lambda file: _mapped(path, file.get_slice("images")))


def _mapped(path: Path, images: Any) -> Bytes:
    """Return the images where they lie in the file, whose header the library has compared with its size."""
    if images.get_dtype() != "U8":
        raise ValueError("its images are not bytes")
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        begin, end = parse_json(file.read(header_bytes).decode())["images"]["data_offsets"]
    shape = tuple(images.get_shape())
    if begin == end:
        return np.empty(shape, np.uint8)
    return np.memmap(path, np.uint8, "r", offset=8 + header_bytes + begin, shape=shape)


def _read(path: Path, images_of: Callable[[Any], Bytes]) -> Dataset:
    try:
        with safe_open(path, framework="numpy") as file:
            about: dict[str, Any] = parse_json((file.metadata() or {}).get("qcqueue", "{}"))
            if about.get("format", 0) > FORMAT:
                raise UnknownFormat(f"{path.name} is a dataset of a newer qcqueue", hint="pip install -U qcqueue")
            dataset = Dataset(
                summary=DatasetSummary.from_json(about["summary"]),
                names=tuple(about["names"]),
                images=images_of(file),
                labels=file.get_tensor("labels"),
                splits=file.get_tensor("splits"),
                severities=file.get_tensor("severities"),
            )
        problem = _problem(dataset)
    except OSError as exc:
        if is_of_a_disk(exc, path):
            raise of_this_machine(path, exc) from exc
        raise DigestMismatch(f"{path.name} is not a dataset") from exc
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as exc:
        raise DigestMismatch(f"{path.name} is not a dataset") from exc
    if problem is not None:
        raise DigestMismatch(f"{path.name} is not a dataset: {problem}")
    return dataset


def _problem(dataset: Dataset) -> str | None:
    """Return what is wrong with the arrays and the summary together, or None."""
    count = len(dataset.names)
    height, width = dataset.summary.image_size
    columns = (dataset.labels, dataset.splits, dataset.severities)
    if dataset.images.shape != (count, height, width, 3) or any(column.shape != (count,) for column in columns):
        return "its arrays do not fit together"
    if any(array.dtype != np.uint8 for array in (dataset.images, *columns)):
        return "its arrays are not bytes"
    limits = (len(dataset.summary.classes) - 1, Split.TEST, SEVERITY_MAX)
    if any(count and int(column.max()) > limit for column, limit in zip(columns, limits, strict=True)):
        return "a label, split or severity is out of range"
    if _counts(dataset.splits) != (dataset.summary.train, dataset.summary.validation, dataset.summary.test):
        return "its splits are not of the size its summary says"
    places = list(zip(dataset.splits.tolist(), dataset.labels.tolist(), dataset.names, strict=True))
    if any(first >= second for first, second in pairwise(places)):
        return "its samples are out of order"
    return None


def _counts(splits: Bytes) -> tuple[int, ...]:
    return tuple(int((splits == split).sum()) for split in Split)
