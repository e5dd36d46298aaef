"""From the bytes of one image file to pixels: any mode and size in, uint8 RGB of the asked size out.

Owns the whole conversation with Pillow, and treats its decoders as what they are, old code that reads hostile
bytes: only plain picture formats, the size judged before a pixel is unpacked, every failure one sentence.

How a mode becomes RGB: grey is repeated; anything transparent is laid over white; 16-bit grey is scaled by its
full range, never by the picture's own darkest and brightest point, because exposure is part of quality; a rotation
in EXIF is carried out; then one resize with a Lanczos filter, which averages when it shrinks. Proportions are not kept.
"""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from qcqueue.datasets.format import Bytes
from qcqueue.datasets.limits import PIXELS_MAX, reason
from qcqueue.errors import DatasetInvalid

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Not EPS (it starts a PostScript interpreter), nor anything else that is more program than picture."""

CONVERT = "convert it to PNG or remove it"


def decode(content: bytes, *, named: str, image_size: tuple[int, int]) -> Bytes:
    """Return uint8 [height, width, 3] of one image file. named: how an error calls it. Raises: DatasetInvalid."""
    if not content:
        raise DatasetInvalid(f"{named} is empty", hint="remove it or copy it again")
    try:
        # Pillow warns about odd metadata it survives; nobody importing 3,000 images can act on that.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(content, named) as image:
                _check(image, named)
                upright = ImageOps.exif_transpose(image)
                pixels = _rgb(upright, named).resize((image_size[1], image_size[0]), Image.Resampling.LANCZOS)
    except DatasetInvalid:
        raise
    # A decoder fed broken bytes raises nearly anything: OSError, SyntaxError, struct.error, IndexError, ...
    except Exception as exc:
        raise DatasetInvalid(
            f"{named} is damaged or cut short: {reason(exc)}", hint="copy it again or remove it"
        ) from exc
    return np.asarray(pixels, np.uint8)


def _opened(content: bytes, named: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as exc:
        raise _too_large(named) from exc
    except UnidentifiedImageError as exc:
        raise DatasetInvalid(f"{named} is not an image that qcqueue can read", hint=CONVERT) from exc


def _check(image: Image.Image, named: str) -> None:
    if image.width * image.height > PIXELS_MAX:
        raise _too_large(named)
    # A phone's MPO is a JPEG whose second picture is a preview; elsewhere a second frame is somebody's data.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise DatasetInvalid(f"{named} holds more than one picture", hint="save the one you mean as PNG")


def _rgb(image: Image.Image, named: str) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_eight_bits(image, named)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        picture = image.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(paper, picture).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image, named: str) -> Bytes:
    deep = np.asarray(image)
    if deep.dtype.kind not in "iu" or deep.min() < 0 or deep.max() > 0xFFFF:
        raise DatasetInvalid(f"{named} has pixels of more than 16 bits", hint="save it with 8 or 16 bits a pixel")
    return ((deep.astype(np.uint32) * 255 + 0x7FFF) // 0xFFFF).astype(np.uint8)


def _too_large(named: str) -> DatasetInvalid:
    return DatasetInvalid(
        f"{named} has more than {PIXELS_MAX // 1_000_000} million pixels", hint="shrink it before importing"
    )
