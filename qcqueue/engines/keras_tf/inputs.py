"""What a block of steps is given: indices into the images that lie on the device, or the images themselves.

A call makes up to `MOST_STEPS` steps, whatever their number with arrays of one shape, so that it is traced once.
`Resident` copies all images to the device once and sends no more than indices and flips after that. A GPU cannot pick
bytes, so eight of them lie there as one integer. Nothing it does to an image lands on the host, and no position is a
tensor that a compiler would compile anew for. `Sent` is for what does not fit, and for augmentations that only the host
knows. Always true: both give the bits of `batches.TrainingData`.

Which kernels a GPU has was read from TensorFlow 2.21's registry: GatherV2 has none for uint8, ReverseV2, SelectV2 and
Bitcast have; int32 is dealt with on the host by most, int64 is not.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from qcqueue.engines.batches import Batch, TrainingData, flips

MOST_STEPS = 8
"""How many steps one call makes at most."""

_WORD = 8  # bytes

# What keeps its images in another memory than the host's has none to give away; more than that stays on the host.
RESIDENT_SHARE = 0.25
RESIDENT_BYTES_MAX = 256 << 20


class Inputs(Protocol):
    """How the batches of a block reach the device."""

    signature: tuple[Any, ...]

    def pack(self, batches: Sequence[Batch]) -> tuple[npt.NDArray[Any], ...]:
        """Return the arrays of one call; the batches are of one size, and at most `MOST_STEPS`."""
        ...

    def batch(self, index: Any, *packed: Any) -> tuple[Any, Any]:
        """Return the images, uint8 [sample, height, width, 3], and labels of a batch within a graph."""
        ...


class Resident:
    """All images of a dataset on the device, as words of eight bytes. Implements `Inputs`."""

    def __init__(self, data: TrainingData) -> None:
        self._data = data
        count, *self._shape = data.images.shape
        self._bytes = int(np.prod(self._shape))
        words = -(-self._bytes // _WORD)
        padded = np.zeros((count, words * _WORD), np.uint8)
        padded[:, : self._bytes] = data.images.reshape(count, -1)
        self._images = tf.constant(padded.view(np.int64))
        self._labels = tf.constant(data.labels.astype(np.int64))
        of_each = tf.TensorSpec((MOST_STEPS, None), tf.bool)
        self.signature = (tf.TensorSpec((MOST_STEPS, None), tf.int64), of_each, of_each)

    def pack(self, batches: Sequence[Batch]) -> tuple[npt.NDArray[Any], ...]:
        ids = np.zeros((MOST_STEPS, len(batches[0].ids)), np.int64)
        sideways, upside_down = np.zeros(ids.shape, np.bool_), np.zeros(ids.shape, np.bool_)
        for row, batch in enumerate(batches):
            ids[row] = batch.ids
            if self._data.augment == "flips":
                sideways[row], upside_down[row] = flips(self._data.seed, batch.epoch, batch.ids)
        return ids, sideways, upside_down

    def batch(self, index: Any, *packed: Any) -> tuple[Any, Any]:
        ids, sideways, upside_down = (tf.gather(it, index) for it in packed)
        flat = tf.reshape(tf.bitcast(tf.gather(self._images, ids), tf.uint8), (-1, self._images.shape[1] * _WORD))
        images = tf.reshape(flat[:, : self._bytes], (-1, *self._shape))
        if self._data.augment == "flips":
            images = tf.where(sideways[:, None, None, None], tf.reverse(images, [2]), images)
            images = tf.where(upside_down[:, None, None, None], tf.reverse(images, [1]), images)
        return images, tf.gather(self._labels, ids)


class Sent:
    """The images of each block, made on the host. Implements `Inputs`."""

    def __init__(self, data: TrainingData) -> None:
        self._shape = data.images.shape[1:]
        self.signature = (
            tf.TensorSpec((MOST_STEPS, None, *self._shape), tf.uint8),
            tf.TensorSpec((MOST_STEPS, None), tf.int64),
        )

    def pack(self, batches: Sequence[Batch]) -> tuple[npt.NDArray[Any], ...]:
        count = len(batches[0].ids)
        images = np.zeros((MOST_STEPS, count, *self._shape), np.uint8)
        labels = np.zeros((MOST_STEPS, count), np.int64)
        for row, batch in enumerate(batches):
            images[row], labels[row] = batch.images, batch.labels
        return images, labels

    def batch(self, index: Any, *packed: Any) -> tuple[Any, Any]:
        images, labels = packed
        return tf.gather(images, index), tf.gather(labels, index)


def inputs_for(data: TrainingData, *, device_bytes: int | None) -> Inputs:
    """Return how the images of a job reach the device. device_bytes: what memory of its own that has, None for none."""
    most = RESIDENT_BYTES_MAX if device_bytes is None else device_bytes * RESIDENT_SHARE
    fits = data.images.nbytes <= most and data.augment in ("none", "flips")
    return Resident(data) if fits else Sent(data)
