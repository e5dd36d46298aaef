"""Practice pictures without photographs: noise in three colours, for whoever wants to see a run and not what it learns.

Needs nothing beside numpy and is made in an instant. Always true: the same number of pictures and the same seed are
the same bytes, whatever the versions of libraries.
"""

from math import prod

import numpy as np

from qcqueue.clock import seeded
from qcqueue.datasets.format import Dataset, Split, arrange
from qcqueue.datasets.limits import check_size
from qcqueue.datasets.split import proportional_totals
from qcqueue.errors import DatasetInvalid

CLASSES = ("blue", "green", "red")
NOTE = "noise, made to be told apart"
IMAGES_MIN = 3 * len(CLASSES)
SIDE_PX = 32
_NOISE = 200
_TINT = 40
"""How much stronger the colour of its class is in a picture, beside noise up to _NOISE."""


def build_patterns(*, images: int, side_px: int = SIDE_PX, seed: int) -> Dataset:
    """Return so many pictures, split as 2200:550:486, the classes in turn. Raises: DatasetInvalid: too few."""
    if images < IMAGES_MIN:
        raise DatasetInvalid(
            f"patterns of {images} images are too few; {IMAGES_MIN} is the least", hint=f"--images {IMAGES_MIN}"
        )
    check_size(images, (side_px, side_px))
    totals = proportional_totals(images, least=len(CLASSES))
    splits = np.repeat(np.array([*Split], np.uint8), totals)
    labels = (np.arange(images) % len(CLASSES)).astype(np.uint8)
    shape = (images, side_px, side_px, 3)
    noise = np.frombuffer(seeded(f"patterns/{seed}").randbytes(prod(shape)), np.uint8).reshape(shape)
    pictures = (noise.astype(np.uint16) * _NOISE // 255).astype(np.uint8)
    pictures[np.arange(images), ..., 2 - labels] += np.uint8(_TINT)
    return arrange(
        names=[f"{CLASSES[label]}/{number:04d}" for number, label in enumerate(labels)],
        images=pictures,
        columns=(labels, splits, np.zeros(images, np.uint8)),
        classes=CLASSES,
        source=f"patterns of qcqueue, seed {seed}",
        note=NOTE,
    )
