"""From the pixels of one image to a small PNG that a page can carry."""

import io

from PIL import Image

from qcqueue.datasets.format import Bytes


def as_png(pixels: Bytes, *, longest_side: int) -> bytes:
    """Return uint8 [height, width, 3] as PNG, made smaller where a side is longer; never larger, so that it stays true.

    The same pixels give the same bytes with the same version of Pillow.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()
