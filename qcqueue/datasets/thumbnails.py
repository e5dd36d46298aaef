"""From the pixels of one image to a small picture of few bytes, which a page can carry by the hundred."""

import io
from dataclasses import dataclass

from PIL import Image

from qcqueue.datasets.format import Bytes

COLOURS = 64
QUALITY = 85


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A picture as a browser takes it; media_type is "image/png" or "image/jpeg"."""

    content: bytes
    media_type: str


def thumbnail(pixels: Bytes, *, longest_side: int) -> Thumbnail:
    """Return uint8 [height, width, 3] made smaller where a side is longer, and never larger.

    A drawing is smaller as PNG of few colours, a photograph as JPEG; the smaller one is taken. The same pixels give the
    same bytes with the same version of Pillow.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    few = image.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    as_png = Thumbnail(content=_saved(few, "PNG", optimize=True), media_type="image/png")
    as_jpeg = Thumbnail(content=_saved(image, "JPEG", quality=QUALITY, optimize=True), media_type="image/jpeg")
    return min(as_png, as_jpeg, key=lambda it: len(it.content))


def _saved(image: Image.Image, format: str, **options: int) -> bytes:
    content = io.BytesIO()
    image.save(content, format, **options)
    return content.getvalue()
