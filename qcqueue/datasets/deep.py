"""Pictures of more than 8 bits a sample: their values as they are stored, and how those become 8 bits.

Owns the arithmetic and leaves to `decode` how values are found in a file and to `depth` which value is to be white for
a whole import. Always true: a value is scaled by a number that somebody chose for all pictures or that the file's kind
names, never by the darkest and brightest point of one picture.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from qcqueue.datasets.format import Bytes

Values = npt.NDArray[np.unsignedinteger[Any]]

FULL = 0xFFFF
USUAL_BITS = (8, 10, 12, 14, 16)
DEEPEST_BITS = 32
OUTLIERS_ONE_IN = 1000
WITH_ALPHA = ("LA", "La", "RGBA", "RGBa")


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a picture uses of its range. highest, full: as in `Deep`.

    bulk: the highest value; where all but 1 in `OUTLIERS_ONE_IN` values are under a quarter of the range, the highest
    of those. lowest: where white is 0 and as many are in the last quarter, the lowest of those; otherwise 0.
    """

    highest: int
    full: int
    bulk: int
    lowest: int = 0

    @property
    def share(self) -> float:
        """Of the range, 0 to 1."""
        return (self.full - self.lowest if self.is_black else self.bulk) / self.full

    @property
    def is_dim(self) -> bool:
        """Whether less than a quarter of the range is used, as by 12 bits in 16, so that little would be seen."""
        return is_dim(self.bulk, self.full) or self.is_black

    @property
    def is_black(self) -> bool:
        """Whether white is 0 and the values lie so high that all would come out nearly black."""
        return is_dim(self.full - self.lowest, self.full)

    def words(self) -> str:
        if self.is_black:
            return f"values from {self.lowest} of {self.full}, where 0 is white"
        spared = "" if self.bulk == self.highest else " but for single pixels"
        return f"values up to {self.bulk} of {self.full}{spared}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deep:
    """values: [height, width], or [height, width, band] in the order of `mode`, which is Pillow's name for it.

    highest: the highest stored value, transparency aside. full: what is white (or black, where white is 0) unless
    somebody says otherwise: the most that the file's kind can hold, or what the file itself names.
    """

    values: Values
    highest: int
    full: int = FULL
    mode: str = "L"
    is_white_zero: bool = False

    def used(self) -> "Used":
        """Return what the picture uses of its range, leaving out single pixels as a broken sensor has them."""
        stored, spared = self._colours, self._colours.size // OUTLIERS_ONE_IN
        bulk, lowest = self.highest, 0
        low = stored[stored < -(-self.full // 4)]
        if low.size and stored.size - low.size <= spared:
            bulk = int(low.max())
        elif self.is_white_zero:
            high = stored[stored > self.full - -(-self.full // 4)]
            if high.size and stored.size - high.size <= spared:
                lowest = min(int(high.min()), self.full)
        return Used(highest=self.highest, full=self.full, bulk=bulk, lowest=lowest)

    def image(self, white: int) -> Image.Image:
        """Return the picture in 8 bits a sample, where the value `white` becomes 255. No value may be above it."""
        return self._image(eight_bits(self._colours, white), self._alpha(white))

    def upper_bits(self) -> Image.Image:
        """Return the picture in the upper 8 of its 16 bits, which is how Pillow reads colours of 16 bits."""
        return self._image((self._colours >> 8).astype(np.uint8), self._alpha(None))

    @property
    def _colours(self) -> Values:
        return self.values[..., :-1] if self.mode in WITH_ALPHA else self.values

    def _alpha(self, white: int | None) -> Bytes | None:
        if self.mode not in WITH_ALPHA:
            return None
        alpha = self.values[..., -1:]
        if white is None:
            return (alpha >> 8).astype(np.uint8)
        # Who writes colours of 12 bits into 16 may do so with transparency too.
        return eight_bits(alpha, white if int(alpha.max()) <= white else FULL)

    def _image(self, colours: Bytes, alpha: Bytes | None) -> Image.Image:
        if self.is_white_zero:
            colours = 255 - colours
        bands = colours if alpha is None else np.concatenate([colours, alpha], axis=-1)
        height, width = bands.shape[:2]
        return Image.frombytes(self.mode, (width, height), np.ascontiguousarray(bands).tobytes())


def deep(values: Values, *, full: int = FULL, mode: str = "L", is_white_zero: bool = False) -> Deep:
    """Return values as a picture, its highest found."""
    colours = values[..., :-1] if mode in WITH_ALPHA else values
    highest = int(colours.max(initial=0))
    return Deep(values=values, highest=highest, full=full, mode=mode, is_white_zero=is_white_zero)


def is_dim(highest: int, full: int) -> bool:
    return highest * 4 < full


def eight_bits(values: Values, white: int) -> Bytes:
    """Return uint8: `white` becomes 255, and what lies between is rounded to the nearest."""
    if values.dtype.itemsize > 2 and int(values.max(initial=0)) > FULL:
        return ((values.astype(np.uint64) * 255 + white // 2) // white).astype(np.uint8)
    scaled = (np.arange(FULL + 1, dtype=np.uint64) * 255 + white // 2) // white
    table: Bytes = np.minimum(scaled, 255).astype(np.uint8)
    return table[values]


def bits_for(highest: int) -> int:
    """Return the smallest usual depth that holds a value; beyond the usual ones, the smallest that does."""
    needed = highest.bit_length()
    return next((bits for bits in USUAL_BITS if bits >= needed), needed)


def white_of(bits: int) -> int:
    """Return the highest value that so many bits hold."""
    return (1 << bits) - 1
