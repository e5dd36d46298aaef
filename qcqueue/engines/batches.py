"""The dataset as training sees it: checked against the spec once, then batches as a pure function of the step.

Images stay uint8 in memory; a batch is a gather and what the augmentation of the job makes of it. For 32 images
of 75x75 that takes a fraction of a millisecond, so nothing is read ahead and the pipeline has no state at all: which
sample comes when, and which way up, are integer functions of (seed, epoch, sample id), and a run can be taken up at any
step. Integers only: the same on every processor and with every numpy, unlike the streams of `numpy.random`, which may
change between versions while a job lives for weeks. The golden values in the tests fix these functions for ever.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qcqueue.catalog.augmentations import AUGMENTATIONS
from qcqueue.core.spec import JobSpec
from qcqueue.datasets.format import Dataset, Split, load
from qcqueue.errors import BadData, DigestMismatch, DiskFailed
from qcqueue.stores.files import holds
from qcqueue.stores.names import is_digest

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Images = npt.NDArray[np.uint8]
Augment = Callable[..., Images]

_ORDER = 1
_FLIPS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One training step's samples, by their ids. labels: int32 [sample]. step counts from 0, epoch from 1."""

    step: int
    epoch: int
    ids: Integers
    labels: npt.NDArray[np.int32]
    data: "TrainingData"

    @property
    def images(self) -> Images:
        """The images as this epoch shows them: uint8 [sample, height, width, 3], made anew each time."""
        return self.data.shown(self.ids, epoch=self.epoch)


class TrainingData:
    """A dataset with the order and augmentation of one spec."""

    def __init__(self, dataset: Dataset, spec: JobSpec) -> None:
        _check(dataset, spec)
        self.classes = dataset.summary.classes
        self.images: Images = dataset.images
        self.labels: npt.NDArray[Any] = dataset.labels
        self.seed, self.augment = spec.seed, spec.augment
        self._dataset = dataset
        self._spec = spec
        self._augment = _augmentation(spec.augment)
        self._train_ids: Integers = np.flatnonzero(dataset.splits == Split.TRAIN)
        self.steps = -(-len(self._train_ids) // spec.batch_size)

    def batches(self, epoch: int, *, first_step: int) -> Iterator[Batch]:
        """Yield the batches of an epoch (from 1) from `first_step` (from 0) on; the last may be smaller."""
        order = epoch_order(self._spec.seed, epoch, self._train_ids)
        size = self._spec.batch_size
        for step in range(first_step, self.steps):
            yield self._batch(epoch, step, order[step * size : (step + 1) * size])

    def part(self, split: Split) -> tuple[Images, npt.NDArray[Any]]:
        """Return (images, labels) of a split in dataset order."""
        return self._dataset.part(split)

    def names(self, ids: Integers) -> list[str]:
        return [self._dataset.names[index] for index in ids]

    def shown(self, ids: Integers, *, epoch: int) -> Images:
        """Return images of samples as an epoch shows them, augmented."""
        images = self.images[ids]
        return self._augment(images, seed=self.seed, epoch=epoch, ids=ids) if self._augment else images

    def _batch(self, epoch: int, step: int, ids: Integers) -> Batch:
        return Batch(step=step, epoch=epoch, ids=ids, labels=self.labels[ids].astype(np.int32), data=self)


def load_data(path: Path, spec: JobSpec) -> TrainingData:
    """Read the dataset of a job, from a file that is called by its digest.

    Raises: BadData: it is no dataset, or does not fit the spec. DiskFailed: it is not what this machine was given.
    """
    try:
        dataset = load(path)
    except DigestMismatch as exc:
        if is_digest(path.name) and not holds(path, path.name):
            raise DiskFailed(f"the copy of {spec.dataset} in this machine's cache cannot be read any more") from exc
        raise BadData(f"the dataset {spec.dataset} cannot be read: {exc}") from exc
    return TrainingData(dataset, spec)


def _augmentation(name: str) -> Augment | None:
    """Return the function of a row of `catalog.augmentations`, None where images stay as they are."""
    apply = AUGMENTATIONS[name].apply
    if apply is None:
        return None
    module, _, function = apply.partition(":")
    found: Augment = getattr(import_module(module), function)
    return found


def _check(dataset: Dataset, spec: JobSpec) -> None:
    summary = dataset.summary
    if summary.image_size != spec.image_size:
        found, wanted = ("x".join(map(str, size)) for size in (summary.image_size, spec.image_size))
        raise BadData(f"the images of {spec.dataset} are {found} pixels and the job wants {wanted}")
    if len(summary.classes) < 2:
        raise BadData(f"{spec.dataset} has {len(summary.classes)} class; two are the least that can be told apart")
    if len(dataset.labels) and int(dataset.labels.max()) >= len(summary.classes):
        raise BadData(f"{spec.dataset} has a label beyond its {len(summary.classes)} classes")
    for split in Split:
        if not np.any(dataset.splits == split):
            raise BadData(f"the {split.name.lower()} part of {spec.dataset} is empty")


def epoch_order(seed: int, epoch: int, ids: Integers) -> Integers:
    """Return `ids` in the order of one epoch (from 1); a sample's place depends on its id, not on its neighbours'."""
    return ids[np.argsort(_draws(seed, _ORDER, epoch, ids), kind="stable")]


def mirrored(images: Images, *, seed: int, epoch: int, ids: Integers) -> Images:
    """Mirror some of a batch's images sideways and some upside down, in place: the augmentation "flips"."""
    sideways, upside_down = flips(seed, epoch, ids)
    images[sideways] = images[sideways][:, :, ::-1]
    images[upside_down] = images[upside_down][:, ::-1]
    return images


def flips(seed: int, epoch: int, ids: Integers) -> tuple[Flags, Flags]:
    """Return for each sample whether it is mirrored left to right, and whether top to bottom, in one epoch."""
    draws = _draws(seed, _FLIPS, epoch, ids)
    return (draws & np.uint64(1)).astype(np.bool_), (draws >> np.uint64(1) & np.uint64(1)).astype(np.bool_)


def splitmix64(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return 64 well-mixed bits of each value (Steele, Lea and Flood 2014); arithmetic is modulo 2^64."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ mixed >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return mixed ^ mixed >> np.uint64(31)


def _draws(seed: int, purpose: int, epoch: int, ids: Integers) -> npt.NDArray[np.uint64]:
    key = np.zeros(1, np.uint64)  # an array, because numpy warns when a scalar wraps around
    for part in (seed, purpose, epoch):
        key = splitmix64(key ^ np.uint64(part & 0xFFFF_FFFF_FFFF_FFFF))
    return splitmix64(key ^ ids.astype(np.uint64))
