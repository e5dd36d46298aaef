"""What goes wrong with a photograph: blur, motion, noise, too dark, too bright, each in three severities.

Pure functions over one uint8 [height, width, 3] array; chance is drawn from the generator that is handed in.
Filters count in integers and the rest is single multiplications, so machines do not differ in the last bit.

    severity      1 mild    2 moderate   3 severe      at 75 pixels of height; lengths grow with the picture
    blur          0.9       1.7          2.8           Gaussian sigma, pixels
    motion        3.5       7            12            length of a straight path in any direction, pixels
    noise         11        24           42            standard deviation, grey levels
    dark          0.60      0.36         0.20          factor on every pixel
    bright        1.45      2.1          3.2           factor on every pixel, then clipped
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from qcqueue.datasets.format import Bytes

REFERENCE_HEIGHT_PIXELS = 75
WEIGHT_BITS = 10
NOISE_DRAWS = 4

NOISE_DEVIATION = math.sqrt(NOISE_DRAWS * (256**2 - 1) / 12)
"""Of the sum of four random bytes, which is near enough to a bell curve for the eye and for a network."""

Taps = Mapping[tuple[int, int], int]
"""A filter: weight of the pixel (down, right) of this one, all together 2 ** WEIGHT_BITS."""


class Degradation(StrEnum):
    BLUR = "blur"
    MOTION = "motion"
    NOISE = "noise"
    DARK = "dark"
    BRIGHT = "bright"


STRENGTHS: Mapping[Degradation, tuple[float, float, float]] = {
    Degradation.BLUR: (0.9, 1.7, 2.8),
    Degradation.MOTION: (3.5, 7.0, 12.0),
    Degradation.NOISE: (11.0, 24.0, 42.0),
    Degradation.DARK: (0.60, 0.36, 0.20),
    Degradation.BRIGHT: (1.45, 2.1, 3.2),
}


class Chance(Protocol):
    """The two draws needed of a seeded generator."""

    def random(self) -> float: ...

    def randbytes(self, n: int, /) -> bytes: ...


def degrade(pixels: Bytes, kind: Degradation, severity: int, chance: Chance) -> Bytes:
    """Return the picture degraded by one kind at severity 1, 2 or 3; strengths vary by a tenth from draw to draw."""
    strength = STRENGTHS[kind][severity - 1] * (0.9 + 0.2 * chance.random())
    scale = pixels.shape[0] / REFERENCE_HEIGHT_PIXELS
    match kind:
        case Degradation.BLUR:
            across = gaussian_taps(strength * scale)
            return filtered(
                filtered(pixels, across), {(right, down): weight for (down, right), weight in across.items()}
            )
        case Degradation.MOTION:
            return filtered(pixels, motion_taps(strength * scale, angle_turns=chance.random() / 2))
        case Degradation.NOISE:
            return noisy(pixels, strength, chance)
        case Degradation.DARK | Degradation.BRIGHT:
            return exposed(pixels, strength)


def exposed(pixels: Bytes, factor: float) -> Bytes:
    """Return the picture with every pixel multiplied and clipped, as a wrong exposure time does."""
    return _bytes(pixels * factor)


def noisy(pixels: Bytes, deviation: float, chance: Chance) -> Bytes:
    """Return the picture with bell-shaped noise of this standard deviation, in grey levels, on every channel."""
    draws = np.frombuffer(chance.randbytes(pixels.size * NOISE_DRAWS), np.uint8).reshape(NOISE_DRAWS, *pixels.shape)
    noise = (draws.sum(axis=0, dtype=np.int32) * 2 - NOISE_DRAWS * 255) * (deviation / NOISE_DEVIATION / 2)
    return _bytes(pixels + noise)


def filtered(pixels: Bytes, taps: Taps) -> Bytes:
    """Return the weighted mean of each pixel's neighbours; beyond its edge the picture is continued by its mirror."""
    height, width = pixels.shape[:2]
    reach = max(max(abs(down), abs(right)) for down, right in taps)
    wide = np.pad(pixels, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric").astype(np.int32)
    total: npt.NDArray[np.int32] = np.full(pixels.shape, 1 << (WEIGHT_BITS - 1), np.int32)
    for (down, right), weight in taps.items():
        top, left = reach + down, reach + right
        total += wide[top : top + height, left : left + width] * np.int32(weight)
    return (total >> WEIGHT_BITS).astype(np.uint8)


def gaussian_taps(sigma_pixels: float) -> Taps:
    """Return one row of a Gaussian filter, for a first pass across and a second one down."""
    reach = math.ceil(3 * sigma_pixels)
    return _whole({(0, step): math.exp(-0.5 * (step / sigma_pixels) ** 2) for step in range(-reach, reach + 1)})


def motion_taps(length_pixels: float, *, angle_turns: float) -> Taps:
    """Return the filter of a camera that moved evenly along a straight line while the shutter was open."""
    steps = 4 * math.ceil(length_pixels)
    raw: dict[tuple[int, int], float] = {(0, 0): 0.0}
    for step in range(steps + 1):
        along = (step / steps - 0.5) * length_pixels
        down, right = along * math.sin(math.tau * angle_turns), along * math.cos(math.tau * angle_turns)
        row, column = math.floor(down), math.floor(right)
        # A point between four pixels is shared among them by nearness, or slanted paths would come out as stairs.
        for row_step, row_share in ((0, row + 1 - down), (1, down - row)):
            for column_step, column_share in ((0, column + 1 - right), (1, right - column)):
                place = (row + row_step, column + column_step)
                raw[place] = raw.get(place, 0.0) + row_share * column_share
    return _whole(raw)


def _bytes(levels: npt.NDArray[np.floating[Any]]) -> Bytes:
    whole: Bytes = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return whole


def _whole(raw: Mapping[tuple[int, int], float]) -> Taps:
    """Return weights as integers with the promised sum; what rounding lost or won goes to the middle."""
    total = sum(raw.values())
    taps = {place: round(weight / total * (1 << WEIGHT_BITS)) for place, weight in raw.items()}
    taps[0, 0] += (1 << WEIGHT_BITS) - sum(taps.values())
    return {place: weight for place, weight in taps.items() if weight}
