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
WITH_ALPHA = ("LA", "La", "RGBA", "RGBa")


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

    @property
    def is_dim(self) -> bool:
        """Whether the picture uses less than a quarter of its range, as 12 bits in 16 do."""
        return is_dim(self.highest, self.full)

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
