"""Which sample comes when, and which way up: pure integer functions of (seed, epoch, sample id).

Nothing here has state, so there is nothing to save and a run can be taken up at any step. Integers only: the
same on every processor and with every numpy, unlike the streams of `numpy.random`, which may change between
versions while a job lives for weeks. The golden values in the tests fix these functions for ever.
"""

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_ORDER = 1
_FLIPS = 2


def epoch_order(seed: int, epoch: int, ids: Integers) -> Integers:
    """Return `ids` in the order of one epoch (from 1); a sample's place depends on its id, not on its neighbours'."""
    return ids[np.argsort(_draws(seed, _ORDER, epoch, ids), kind="stable")]


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
