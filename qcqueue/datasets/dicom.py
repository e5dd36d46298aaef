"""DICOM files: one frame of grey or colour, shown as the file itself says that it is to be shown.

The only module that knows pydicom, which is imported when the first such file is met, and the only one that sees its
exceptions. A file says by its first bytes that it is DICOM, whatever its name. The window is the file's own, the first
of several; a file without one is a deep picture like any other, and one whose look is described in ways that are not
carried out here is refused in words.
"""

import io
import math
import struct
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from qcqueue.datasets.deep import deep, white_of
from qcqueue.datasets.limits import PIXELS_MAX, reason, shown
from qcqueue.datasets.picture import StoredPicture
from qcqueue.errors import DatasetInvalid, ExtraMissing

if TYPE_CHECKING:
    from pydicom import Dataset

MAGIC, MAGIC_AT = b"DICM", 128
INSTALL = 'pip install "qcqueue[dicom]"'
SAVE_AS_PNG = "save the picture as PNG, with the brightness and contrast you mean"
UNCOMPRESSED = "save it uncompressed"
PLUGINS = f'pip install "pylibjpeg[all]", or {UNCOMPRESSED}'

TRANSFER_SYNTAX, DEFLATED = (0x0002, 0x0010), "1.2.840.10008.1.2.1.99"
LONG_LENGTHS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
META_ELEMENTS_MAX = 100

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
BITS_MAX = 16

RUN_LENGTHS, RUN_LENGTHS_GROW = "1.2.840.10008.1.2.5", 2

NOT_CARRIED_OUT = {
    "ModalityLUTSequence": "a table for its values",
    "PerFrameFunctionalGroupsSequence": "a description for each frame",
}


def is_dicom(content: bytes) -> bool:
    return content[MAGIC_AT : MAGIC_AT + len(MAGIC)] == MAGIC


def read_dicom(content: bytes, *, named: str) -> StoredPicture:
    """Return the picture as it is to be shown; without a window and with more than 8 bits, its stored values.

    Raises: DatasetInvalid. ExtraMissing: pydicom is not installed.
    """
    try:
        from pydicom import dcmread
    except ImportError as exc:
        raise ExtraMissing(f"{named} is a DICOM file, which needs pydicom to be read", hint=INSTALL) from exc
    try:
        syntax = _transfer_syntax(content)
        if syntax == DEFLATED:  # it would be unpacked whole, however large, before anything can be asked of it
            raise DatasetInvalid(f"{named} is a deflated DICOM file", hint=UNCOMPRESSED)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(io.BytesIO(content))
            _check(dataset, named)
            return _picture(dataset, _pixels(dataset, syntax, named), named)
    except DatasetInvalid:
        raise
    # pydicom reads values when they are asked for, and raises nearly anything then.
    except Exception as exc:
        raise DatasetInvalid(
            f"{named} is damaged or cut short: {reason(exc)}", hint="copy it again or remove it"
        ) from exc


def _transfer_syntax(content: bytes) -> str:
    """Return how the file is written, from its first part, which is always written the same way; "" if it is lost."""
    at = MAGIC_AT + len(MAGIC)
    for _ in range(META_ELEMENTS_MAX):
        if at + 12 > len(content):
            return ""
        group, element, kind, length = struct.unpack_from("<HH2sH", content, at)
        if group != TRANSFER_SYNTAX[0]:
            return ""
        at += 8
        if kind in LONG_LENGTHS:
            (length,) = struct.unpack_from("<I", content, at)
            at += 4
        if (group, element) == TRANSFER_SYNTAX:
            return content[at : at + length].rstrip(b"\0 ").decode("ascii")
        at += length
    return ""


def _check(dataset: "Dataset", named: str) -> None:
    """Refuse what is no single picture, or one whose look would have to be guessed at."""
    if "PixelData" not in dataset:
        floats = "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset
        raise DatasetInvalid(
            f"{named} has floating-point pixels" if floats else f"{named} is a DICOM file without a picture",
            hint=SAVE_AS_PNG if floats else "copy it again or remove it",
        )
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise DatasetInvalid(f"{named} holds more than one frame", hint="save the one you mean as a file of its own")
    if int(dataset.Rows) * int(dataset.Columns) > PIXELS_MAX:
        raise DatasetInvalid(
            f"{named} has more than {PIXELS_MAX // 1_000_000} million pixels", hint="shrink it before importing"
        )
    colours, stored = str(dataset.PhotometricInterpretation), int(dataset.BitsStored)
    if colours not in GREY + COLOUR:
        raise DatasetInvalid(f"{named} has colours as {shown(colours)}, which is not read here", hint=SAVE_AS_PNG)
    bits_max = BITS_MAX if colours in GREY else 8
    if stored > bits_max or not 0 < stored <= int(dataset.BitsAllocated):
        raise DatasetInvalid(f"{named} has {stored} bits a sample; {bits_max} is the most", hint=SAVE_AS_PNG)
    if int(dataset.HighBit) != stored - 1:
        raise DatasetInvalid(f"{named} has its pixels in the upper bits of their bytes", hint=SAVE_AS_PNG)
    for keyword, words in NOT_CARRIED_OUT.items():
        if keyword in dataset:
            raise DatasetInvalid(f"{named} has {words}, which is not carried out here", hint=SAVE_AS_PNG)


def _pixels(dataset: "Dataset", syntax: str, named: str) -> npt.NDArray[Any]:
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    way = UID(syntax)
    if way.is_transfer_syntax and way.is_compressed:
        try:
            is_readable = get_decoder(way).is_available
        except NotImplementedError:
            raise DatasetInvalid(
                f"{named} is compressed as {shown(way.name)}, which nobody reads here", hint=UNCOMPRESSED
            ) from None
        if not is_readable:
            raise DatasetInvalid(
                f"{named} is compressed as {shown(way.name)}, which pydicom reads with a plugin only", hint=PLUGINS
            )
        size_bytes = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated // 8
        if way == RUN_LENGTHS and len(dataset.PixelData) > RUN_LENGTHS_GROW * size_bytes + 1024:
            raise ValueError("it is larger compressed than as it is")
        try:
            return _unpacked(dataset)
        except Exception as exc:  # of the plugin that took it on, which may know a part of the way only
            raise DatasetInvalid(
                f"{named} is compressed as {shown(way.name)}, which could not be undone: {reason(exc)}",
                hint=f"copy it again, or {PLUGINS}",
            ) from exc
    return _unpacked(dataset)


def _unpacked(dataset: "Dataset") -> npt.NDArray[Any]:
    pixels: npt.NDArray[Any] = dataset.pixel_array
    return pixels


def _picture(dataset: "Dataset", pixels: npt.NDArray[Any], named: str) -> StoredPicture:
    if pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8:
        return StoredPicture(named=named, shown=Image.fromarray(pixels))
    if pixels.ndim != 2 or pixels.dtype.kind not in "iu":
        raise ValueError(f"its pixels come out as {pixels.dtype} {list(pixels.shape)}")
    bits, is_signed = int(dataset.BitsStored), bool(int(dataset.PixelRepresentation))
    stored = (pixels.astype(np.int32) & white_of(bits)).astype(np.uint16)  # overlays may stand in the bits above
    slope = _number(dataset, "RescaleSlope", 1.0)
    is_inverted = str(dataset.PhotometricInterpretation) == "MONOCHROME1"
    if _is_empty(dataset, "WindowCenter") or _is_empty(dataset, "WindowWidth"):
        _check_windowless(dataset, is_signed, named)
        found = deep(stored, full=white_of(bits), is_white_zero=is_inverted != (slope < 0))
        if bits > 8:
            return StoredPicture(named=named, deep=found)
        return StoredPicture(named=named, shown=found.image(found.full).convert("RGB"))
    numbers = np.arange(1 << bits, dtype=np.float64)
    if is_signed:
        numbers[1 << bits - 1 :] -= 1 << bits
    grey = _through_window(numbers * slope + _number(dataset, "RescaleIntercept", 0.0), dataset, named)
    table = np.floor(np.clip(grey, 0, 1) * 255 + 0.5).astype(np.uint8)
    shown_through = Image.fromarray((255 - table if is_inverted else table)[stored])
    return StoredPicture(named=named, shown=shown_through.convert("RGB"), has_window=True)


def _check_windowless(dataset: "Dataset", is_signed: bool, named: str) -> None:
    if "VOILUTSequence" in dataset:
        raise DatasetInvalid(f"{named} has a table for its contrast instead of a window", hint=SAVE_AS_PNG)
    if is_signed:
        raise DatasetInvalid(
            f"{named} has signed pixels and no window to show them through",
            hint="give it a WindowCenter and a WindowWidth, or save the picture as PNG",
        )


def _through_window(values: npt.NDArray[np.float64], dataset: "Dataset", named: str) -> npt.NDArray[np.float64]:
    """Return 0 for black to 1 for white, as part 3 of DICOM computes it; what lies outside is left outside."""
    center, width = _number(dataset, "WindowCenter", 0.0), _number(dataset, "WindowWidth", 0.0)
    function = str(dataset.get("VOILUTFunction") or "LINEAR")
    if (width < 1 and function == "LINEAR") or width <= 0:
        raise DatasetInvalid(f"{named} has a window of width {width:g}", hint=SAVE_AS_PNG)
    if function == "LINEAR" and width == 1:
        return np.where(values > center - 0.5, 1.0, 0.0)
    if function == "LINEAR":
        return (values - (center - 0.5)) / (width - 1) + 0.5
    if function == "LINEAR_EXACT":
        return (values - center) / width + 0.5
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))
    raise DatasetInvalid(f"{named} has a window of the kind {shown(function)}", hint=SAVE_AS_PNG)


def _is_empty(dataset: "Dataset", keyword: str) -> bool:
    """Whether an element is not there, or has no value, which DICOM allows and means the same."""
    found = dataset.get(keyword)
    return found is None or (not isinstance(found, (int, float)) and len(found) == 0)


def _number(dataset: "Dataset", keyword: str, default: float) -> float:
    """Return the first number of an element, which must be one."""
    found = dataset.get(keyword)
    if found is None or found == "":
        return default
    number = float(found if isinstance(found, (int, float, str)) else found[0])
    if not math.isfinite(number):
        raise ValueError(f"its {keyword} is {number}")
    return number
