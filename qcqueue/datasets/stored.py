"""What Pillow is asked for: an image opened with its size judged first, and the values it stores in more than 8 bits.

Pillow keeps 16 bits of grey only. Of colours it keeps the upper byte and says nothing, so it is asked twice here, for
the upper and for the lower byte; of a TIFF whose bands it does not put together it is asked for each band as for grey.
What it cannot be asked for is refused in words, signed numbers too, because nobody says which of them is black. Numbers
are as they are stored, and white is not inverted.
"""

import io
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from qcqueue.datasets.deep import FULL, Deep, Values, deep, eight_bits, white_of
from qcqueue.datasets.format import Bytes
from qcqueue.datasets.limits import PIXELS_MAX
from qcqueue.datasets.picture import StoredPicture, rgb
from qcqueue.datasets.tiff import (
    Directory,
    Tag,
    TagKind,
    bands_apart,
    bands_side_by_side,
    check_directory,
    check_whole,
    plain,
)
from qcqueue.errors import DatasetInvalid

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Not EPS (it starts a PostScript interpreter), nor anything else that is more program than picture."""

WHOLE_NUMBERS = "save it with whole numbers from 0, of 8 or 16 bits a pixel"
FEWER_BITS = "save it as grey or RGB with 8 or 16 bits a sample"
PNG_GREY, PNG_GREY_ALPHA = 0, 4
_BETWEEN = rb"\s(?:\s|#[^\r\n]*[\r\n])*"
_PPM = re.compile(rb"P([2356])(%(_)s)(\d+)(%(_)s\d+%(_)s)(\d+)\s" % {b"_": _BETWEEN})
"""Kind, what stands between, width, height and what stands around it, white. A comment inside a number is too odd."""


def opened(content: bytes, named: str) -> ImageFile.ImageFile:
    """Open an image without unpacking it. Raises: DatasetInvalid: it is too large. And whatever Pillow does."""
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as exc:
        raise _too_large(named) from exc
    if image.width * image.height > PIXELS_MAX:
        raise _too_large(named)
    return image


def check_single(is_animated: bool, named: str) -> None:
    """Refuse more than one picture in a file. Raises: DatasetInvalid."""
    if is_animated:
        raise DatasetInvalid(f"{named} holds more than one picture", hint="save the one you mean as PNG")


def png_values(image: Image.Image, content: bytes) -> Deep | None:
    """Return what a PNG of 16 bits stores, a colour that stands for nothing as transparency; None for fewer bits."""
    header = content.index(b"IHDR") + 4
    bits, colours = content[header + 8], content[header + 9]
    if bits != 16:
        return None
    unseen = image.info.get("transparency")
    if colours == PNG_GREY:
        return _seen(np.asarray(image).astype(np.uint16)[..., None], unseen)
    if colours == PNG_GREY_ALPHA:  # four bytes a pixel, which Pillow hands over as they are when it is told of RGBA
        parts = _read_as(content, lambda raw: "RGBA")
        return deep(_joined(parts[..., 0::2], parts[..., 1::2]), mode="LA")
    values = _sixteen_bits(content)
    return _seen(values, unseen) if values.shape[-1] == 3 else deep(values, mode=image.mode)


def _seen(values: Values, unseen: Any) -> Deep:
    """Return grey or RGB [height, width, band], with transparency where it is the colour that is not to be seen."""
    bands = values.shape[-1]
    if unseen is None:
        return deep(values, mode="RGB") if bands == 3 else deep(values[..., 0])
    is_unseen = (values == np.asarray(unseen, np.uint16)).all(axis=-1, keepdims=True)
    alpha = np.where(is_unseen, 0, FULL).astype(np.uint16)
    # What is not seen has no say in which value is the highest.
    colours = np.where(is_unseen, 0, values).astype(np.uint16)
    return deep(np.concatenate([colours, alpha], axis=-1), mode="RGBA" if bands == 3 else "LA")


def _sixteen_bits(content: bytes) -> Values:
    """Return the whole of colours of 16 bits, of which Pillow keeps the upper byte: it is asked for each in turn."""
    return _joined(_read_as(content, _upper_byte), _read_as(content, _lower_byte))


def _joined(upper: Bytes, lower: Bytes) -> npt.NDArray[np.uint16]:
    values: npt.NDArray[np.uint16] = upper.astype(np.uint16) * np.uint16(256)
    values += lower
    return values


def _read_as(content: bytes, raw: Callable[[str], str]) -> Bytes:
    """Decode with another idea of what the bytes are. raw: from Pillow's name of it to the one that is wanted."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        image.tile = [_retold(tile, raw) for tile in image.tile]
        return np.asarray(image, np.uint8)


def _retold(tile: Any, raw: Callable[[str], str]) -> Any:
    args = raw(tile[3]) if isinstance(tile[3], str) else (raw(tile[3][0]), *tile[3][1:])
    return type(tile)(*tile[:3], args) if hasattr(tile, "_fields") else (*tile[:3], args)


def _upper_byte(raw: str) -> str:
    return raw.replace("RGBa", "RGBA")


def _lower_byte(raw: str) -> str:
    colours, order = _upper_byte(raw).split(";16")
    native_lower = "B" if sys.byteorder == "little" else "L"
    return f"{colours};16{ {'B': 'L', 'L': 'B', 'N': native_lower}[order] }"


def ppm_picture(image: Image.Image, content: bytes, named: str) -> StoredPicture | None:
    """Return a picture of more than 8 bits, which Pillow has scaled already by the white that the file names."""
    header = _PPM.match(content)
    if header is not None:
        _check_netpbm(header, content, named, values=image.width * image.height * len(image.getbands()))
    if image.mode == "I" and (
        header is None or int(header[5]) <= 0xFF
    ):  # Pillow found the numbers where they are not looked for here
        return StoredPicture(named=named, deep=deep(np.asarray(image).astype(np.uint16)))
    if header is None or int(header[5]) <= 0xFF:
        return None
    white, width = int(header[5]), int(header[3])
    if image.mode == "I":
        scaled, shown, mode = np.asarray(image), None, "L"
    else:
        # As a grey picture of three times the width, because Pillow keeps 16 bits of grey and 8 of colours.
        grey = {b"3": b"P2", b"6": b"P5"}[header[1]] + header[2] + b"%d" % (3 * width) + content[header.end(3) :]
        with opened(grey, named) as wide:
            scaled = np.asarray(wide).reshape(image.height, image.width, 3)
        shown, mode = rgb(image), "RGB"
    values = ((scaled.astype(np.uint64) * white + FULL // 2) // FULL).astype(np.uint16)
    if shown is None:
        shown = Image.fromarray(eight_bits(scaled.astype(np.uint16), FULL)).convert("RGB")
    return StoredPicture(named=named, shown=shown, deep=deep(values, full=white, mode=mode))


def _check_netpbm(header: re.Match[bytes], content: bytes, named: str, *, values: int) -> None:
    """Refuse numbers above the white that the file names. Pillow cuts them off, but refuses those written in digits."""
    white = int(header[5])
    if header[1] not in (b"5", b"6"):
        return
    size, kind = (1, "u1") if white <= 0xFF else (2, ">u2")
    room = (len(content) - header.end()) // size
    highest = int(np.frombuffer(content, kind, min(values, room), header.end()).max(initial=0))
    if highest > white:
        raise DatasetInvalid(
            f"{named} has the value {highest}, above {white}, which it names as white",
            hint="save it again as PNG, or name its highest value in its first lines",
        )


def tiff_picture(directory: Directory, named: str) -> StoredPicture:
    """Return what the first directory of a TIFF shows. Raises: DatasetInvalid, and whatever Pillow does."""
    bits = directory.bits
    check_directory(directory)
    if directory.is_preview:
        raise DatasetInvalid(
            f"{named} holds a preview and its picture elsewhere, as raw camera files do",
            hint="develop it to PNG or JPEG",
        )
    if directory.kind is not TagKind.UNSIGNED:
        what = f"{directory.kind} pixels" if directory.kind else "samples of a kind that is not known"
        raise DatasetInvalid(f"{named} has {what}", hint=WHOLE_NUMBERS)
    check_single(directory.number(Tag.IMAGE_DEPTH, 1) > 1, named)
    if max(bits) > 32 or (max(bits) > 16 and len(bits) > 1):
        raise DatasetInvalid(f"{named} has {max(bits)} bits a sample", hint=FEWER_BITS)
    check_whole(directory)
    if _is_put_together_here(directory):
        return _tiff_of_bands(directory, named)
    turn = directory.orientation
    content = plain(directory)
    with opened(content, named) as image:
        check_single(getattr(image, "is_animated", False), named)
        is_native = bool(image.tile) and image.tile[0][0] == "libtiff"
        image.load()
        if set(bits) == {16} and len(bits) > 1:
            values, about = _sixteen_bits(content), _colours(directory, named)
            return StoredPicture(
                named=named, shown=rgb(image), deep=deep(values[..., : len(about["mode"])], **about), orientation=turn
            )
        if max(bits) > 8:
            return StoredPicture(named=named, deep=_tiff_grey(image, directory, is_native), orientation=turn)
        return StoredPicture(named=named, shown=rgb(image), orientation=turn)


def _tiff_grey(image: Image.Image, directory: Directory, is_native: bool) -> Deep:
    """Return one band of 12, 16 or 32 bits. is_native: the order of the bytes is this machine's by now."""
    (bits,) = directory.bits
    values = np.ascontiguousarray(np.asarray(image)).astype(np.uint16 if bits <= 16 else np.int32)
    if bits > 16 and is_native and directory.order == ">" and sys.byteorder == "little":
        values = values.byteswap()  # Pillow takes it for what the file says, but libtiff has turned it round
    unsigned: Values = values.view(np.uint16 if bits <= 16 else np.uint32)
    return deep(unsigned, full=min(FULL, white_of(bits)), is_white_zero=directory.is_white_zero)


def _is_put_together_here(directory: Directory) -> bool:
    """Whether Pillow reads the bands but not, or not rightly, the colours that they are together."""
    bits, count = set(directory.bits), len(directory.bits)
    if bits == {16}:
        return count == 2 or directory.is_planar
    return bits == {8} and directory.is_planar and count in (2, 4)


def _tiff_of_bands(directory: Directory, named: str) -> StoredPicture:
    check_single(directory.following != 0, named)
    about = _colours(directory, named)
    found = deep(_bands(directory, named)[..., : len(about["mode"])], **about)
    if max(directory.bits) <= 8:
        return StoredPicture(named=named, shown=rgb(found.image(white_of(8))), orientation=directory.orientation)
    return StoredPicture(named=named, shown=rgb(found.upper_bits()), deep=found, orientation=directory.orientation)


def _bands(directory: Directory, named: str) -> Values:
    """Return [height, width, band]."""
    if directory.is_planar:
        bands = [_grey_values(content, named) for content in bands_apart(directory)]
        return np.stack(bands, axis=-1)
    if directory.number(Tag.COMPRESSION, 1) != 1 and directory.number(Tag.PREDICTOR, 1) != 1:
        raise DatasetInvalid(
            f"{named} has transparency beside 16 bits of grey, compressed with a predictor", hint=FEWER_BITS
        )
    wide = _grey_values(bands_side_by_side(directory), named)
    return wide.reshape(len(wide), -1, len(directory.bits))


def _grey_values(content: bytes, named: str) -> npt.NDArray[np.uint16]:
    with opened(content, named) as image:
        return np.asarray(image).astype(np.uint16)


def _colours(directory: Directory, named: str) -> dict[str, Any]:
    """Return what the bands are together. Raises: DatasetInvalid: nobody could say."""
    extra = directory.numbers(Tag.EXTRA_SAMPLES)
    photometric, count = directory.number(Tag.PHOTOMETRIC, 1), len(directory.bits)
    alpha = {(): "A", (0,): "", (1,): "a", (2,): "A", (999,): "A"}.get(extra[:1])
    about = {(1, 2): "L", (0, 2): "L", (2, 3): "RGB", (2, 4): "RGB", (5, 4): "CMYK"}.get((photometric, count))
    if about is None or alpha is None or (about == "L" and not (extra and alpha)):
        raise DatasetInvalid(
            f"{named} has {count} bands of {max(directory.bits)} bits, which are neither grey nor RGB nor CMYK",
            hint=FEWER_BITS,
        )
    mode = about + alpha if (about, count) in (("L", 2), ("RGB", 4)) else about
    return {"mode": mode, "is_white_zero": photometric == 0}


def _too_large(named: str) -> DatasetInvalid:
    return DatasetInvalid(
        f"{named} has more than {PIXELS_MAX // 1_000_000} million pixels", hint="shrink it before importing"
    )
