"""From the bytes of one image file to pixels: any mode and size in, uint8 RGB of the asked size out; or a thumbnail.

Treats Pillow's decoders as what they are, old code that reads hostile bytes: only plain picture formats, the size
judged before a pixel is unpacked, every failure one sentence. What is broken beside the pixels is no failure. More than
8 bits are scaled by one number, never by the picture's own darkest and brightest point, because exposure is part of
quality.
"""

import io
import warnings
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from qcqueue.datasets.deep import Deep
from qcqueue.datasets.dicom import is_dicom, read_dicom
from qcqueue.datasets.format import Bytes
from qcqueue.datasets.limits import reason
from qcqueue.datasets.metadata import bare, orientation
from qcqueue.datasets.picture import TURNS, StoredPicture, pixels_of, rgb
from qcqueue.datasets.stored import (
    FEWER_BITS,
    WHOLE_NUMBERS,
    check_single,
    opened,
    png_values,
    ppm_picture,
    tiff_picture,
)
from qcqueue.datasets.tiff import Directory, is_tiff, read_directory
from qcqueue.errors import DatasetInvalid

CONVERT = "convert it to PNG or remove it"
EXIF_ORIENTATION = 0x0112

# Of a thumbnail as PNG, and as JPEG.
COLOURS = 64
QUALITY = 85


def decode(content: bytes, *, named: str, image_size: tuple[int, int], white: int | None = None) -> Bytes:
    """Return uint8 [height, width, 3] of one image file.

    named: how an error calls it. white: the value that becomes 255 in a picture of more than 8 bits; None for the
    highest its file can hold. Raises: DatasetInvalid. ExtraMissing: it is a DICOM file, and pydicom is not installed.
    """
    return pixels_of(read_picture(content, named=named), image_size=image_size, white=white)


def read_picture(content: bytes, *, named: str) -> StoredPicture:
    """Return what is in one image file. Raises as `decode`."""
    if not content:
        raise DatasetInvalid(f"{named} is empty", hint="remove it or copy it again")
    if is_dicom(content):
        return read_dicom(content, named=named)
    # Pillow warns about odd metadata it survives; nobody importing 3,000 images can act on that.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        directory = read_directory(content)
        try:
            return tiff_picture(directory, named) if directory else _picture(content, named)
        except DatasetInvalid:
            raise
        # A decoder fed broken bytes raises nearly anything: OSError, SyntaxError, struct.error, IndexError, ...
        except Exception as exc:
            without = bare(content)
            if without is None:
                raise _refused(exc, content, named, directory) from exc
        try:
            return _picture(without.content, named, exif=without.exif)
        except DatasetInvalid:
            raise
        except Exception as exc:
            raise _refused(exc, content, named, None) from exc


def _picture(content: bytes, named: str, *, exif: bytes = b"") -> StoredPicture:
    with opened(content, named) as image:
        # A phone's MPO is a JPEG whose second picture is a preview; elsewhere a second frame is somebody's data.
        check_single(image.format != "MPO" and getattr(image, "is_animated", False), named)
        image.load()
        turn = _orientation(image, exif)
        if image.format == "PNG" and (found := png_values(image, content)):
            return StoredPicture(named=named, shown=_shown(image, found), deep=found, orientation=turn)
        if image.format == "PPM" and (picture := ppm_picture(image, content, named)):
            return picture
        if image.mode == "F":
            raise DatasetInvalid(f"{named} has floating-point pixels", hint=WHOLE_NUMBERS)
        return StoredPicture(named=named, shown=rgb(image), orientation=turn)


def _shown(image: Image.Image, found: Deep) -> Image.Image | None:
    """Return what Pillow shows of a PNG of 16 bits; None for grey, which is scaled here.

    It looks for a colour that is not to be seen by one byte of two, which is wrong where the bytes differ.
    """
    if image.mode.startswith("I"):
        return None
    unseen = image.info.get("transparency", ())
    return rgb(image) if all(value >> 8 == value & 0xFF for value in unseen) else rgb(found.upper_bits())


def _orientation(image: Image.Image, exif: bytes) -> int:
    """Return how the picture is to be turned, as far as that can be read."""
    try:
        turn = image.getexif().get(EXIF_ORIENTATION)
    except Exception:  # it is read as an image is, and as little is known of what it may raise
        turn = None
    return turn if turn in TURNS else orientation(exif or image.info.get("exif") or b"")


def _refused(exc: Exception, content: bytes, named: str, directory: Directory | None) -> DatasetInvalid:
    if isinstance(exc, UnidentifiedImageError) and not directory and is_tiff(content):
        exc = ValueError("what it says of its pixels is not there")
    if isinstance(exc, UnidentifiedImageError):
        if directory and (bits := directory.bits) and max(bits) > 0:
            bands = f"{len(bits)} bands of " if len(bits) > 1 else ""
            return DatasetInvalid(
                f"{named} is a TIFF of {bands}{'/'.join(map(str, dict.fromkeys(bits)))} bits, "
                "stored in a way that qcqueue cannot read",
                hint=FEWER_BITS,
            )
        return DatasetInvalid(f"{named} is not an image that qcqueue can read", hint=CONVERT)
    return DatasetInvalid(f"{named} is damaged or cut short: {reason(exc)}", hint="copy it again or remove it")


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
