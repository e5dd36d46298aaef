"""DICOM files: shown as they say themselves that they are to be shown, or refused in words."""

import io
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcqueue.datasets.decode import decode, read_picture
from qcqueue.datasets.format import Bytes
from qcqueue.errors import DatasetInvalid, ExtraMissing
from tests.datasets.pictures import folder_of, imported, png

pydicom = pytest.importorskip("pydicom", reason='NOT TESTED HERE: DICOM; pip install "qcqueue[dicom]" and again')

SIDE = 8
STEPS = np.tile(np.arange(SIDE) * 500, (SIDE, 1)).astype(np.uint16)
WINDOW: dict[str, Any] = {"WindowCenter": 2000, "WindowWidth": 4000}
IN_WINDOW = [0, 32, 64, 96, 128, 159, 191, 223]
EXPLICIT, IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED, RUN_LENGTHS = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"


def dicom(pixels: Any = STEPS, *, bits: int | None = None, syntax: str = EXPLICIT, **elements: Any) -> bytes:
    """A file with one picture. bits: stored, where they are fewer than there is room for."""
    allocated = pixels.dtype.itemsize * 8
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    dataset.SOPClassUID, dataset.SOPInstanceUID = pydicom.uid.SecondaryCaptureImageStorage, "1.2.3"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored = allocated, bits or allocated
    dataset.HighBit, dataset.PixelRepresentation = (bits or allocated) - 1, int(pixels.dtype.kind == "i")
    order = ">" if syntax == BIG_ENDIAN else "<"
    dataset.add_new(
        "PixelData", "OW" if allocated > 8 else "OB", pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    )
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def compressed(syntax: str, pixels: bytes) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(dicom(bits=12, **WINDOW)))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    dataset.add_new("PixelData", "OB", pydicom.encaps.encapsulate([pixels]))
    dataset["PixelData"].is_undefined_length = True
    file = io.BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def decoded(content: bytes, white: int | None = None) -> Bytes:
    return decode(content, named="a.dcm", image_size=(SIDE, SIDE), white=white)


def steps(content: bytes) -> list[int]:
    found: list[int] = decoded(content)[0, :, 0].tolist()
    return found


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_grey_is_shown_through_the_window_of_the_file(syntax: str) -> None:
    content = dicom(bits=12, syntax=syntax, **WINDOW)
    assert steps(content) == IN_WINDOW
    assert read_picture(content, named="a.dcm").has_window


def test_of_several_windows_the_first_is_taken() -> None:
    assert steps(dicom(bits=12, WindowCenter=[2000, 5], WindowWidth=[4000, 2])) == IN_WINDOW


def test_where_the_lowest_value_is_white_the_picture_is_turned_round() -> None:
    content = dicom(bits=12, PhotometricInterpretation="MONOCHROME1", **WINDOW)
    assert steps(content) == [255 - value for value in IN_WINDOW]


@pytest.mark.parametrize("bits", [12, 16])
def test_values_are_rescaled_before_the_window_is_applied(bits: int) -> None:
    hounsfield = (np.tile(np.arange(SIDE) * 300 - 1000, (SIDE, 1))).astype(np.int16)
    window: dict[str, Any] = {"WindowCenter": 40, "WindowWidth": 400}
    signed = steps(dicom(hounsfield, bits=bits, **window))
    moved = dicom((hounsfield + 1024).astype(np.uint16), bits=bits, RescaleSlope=1, RescaleIntercept=-1024, **window)
    assert signed == steps(moved) == [0, 0, 0, 38, 230, 255, 255, 255]
    halved = dicom(
        ((hounsfield + 1024) // 2).astype(np.uint16), bits=bits, RescaleSlope=2, RescaleIntercept=-1024, **window
    )
    assert steps(halved) == signed


def test_other_ways_to_use_a_window_are_carried_out_or_named() -> None:
    assert steps(dicom(bits=12, VOILUTFunction="LINEAR_EXACT", **WINDOW)) == [0, 32, 64, 96, 128, 159, 191, 223]
    assert steps(dicom(bits=12, VOILUTFunction="SIGMOID", **WINDOW)) == [30, 47, 69, 96, 128, 159, 186, 208]
    assert steps(dicom(bits=12, WindowCenter=1000, WindowWidth=1)) == [0, 0] + [255] * 6
    with pytest.raises(DatasetInvalid, match=r"^a.dcm has a window of the kind ODD$"):
        decoded(dicom(bits=12, VOILUTFunction="ODD", **WINDOW))


def test_without_a_window_it_is_a_deep_picture_with_the_range_of_its_bits() -> None:
    found = read_picture(dicom(bits=12), named="a.dcm")
    assert not found.has_window
    assert found.deep is not None
    assert (found.deep.highest, found.deep.full) == (3500, 4095)
    assert steps(dicom(bits=12)) == [0, 31, 62, 93, 125, 156, 187, 218]
    assert decoded(dicom(), 4095)[0, :, 0].tolist() == steps(dicom(bits=12))
    assert steps(dicom(bits=12, PhotometricInterpretation="MONOCHROME1"))[0] == 255
    assert steps(dicom((STEPS // 16).astype(np.uint8))) == [0, 31, 62, 93, 125, 156, 187, 218]


@pytest.mark.parametrize("center", [None, "", [], 2000])
def test_a_window_without_numbers_is_no_window(center: Any) -> None:
    found = read_picture(dicom(bits=12, WindowCenter=center, WindowWidth=None), named="a.dcm")
    assert not found.has_window
    assert steps(dicom(bits=12, WindowCenter=center, WindowWidth=None)) == steps(dicom(bits=12))
    assert steps(dicom(bits=12, WindowCenter=None, WindowWidth=4000)) == steps(dicom(bits=12))


def test_a_window_beside_none_is_a_difference_that_is_called_by_its_name(tmp_path: Path) -> None:
    def scans(**ways: dict[str, Any]) -> dict[str, bytes]:
        return {
            f"{name}/{index}.dcm": dicom((STEPS + 30 * index + 130 * at).astype(np.uint16), bits=12, **way)
            for at, (name, way) in enumerate(ways.items())
            for index in range(4)
        }

    with pytest.raises(DatasetInvalid) as caught:
        imported(folder_of(tmp_path / "scans", scans(a={}, b=WINDOW)))
    assert str(caught.value) == (
        "the depth of the pictures in scans differs between classes: "
        "a has values up to 3590 of 4095, b has a DICOM window"
    )
    assert caught.value.hint == "--depth 12, or --depth auto"
    imported(tmp_path / "scans", depth=12)
    with pytest.raises(DatasetInvalid, match=r"b has 8 bits or a DICOM window$"):
        imported(folder_of(tmp_path / "scans", {"b/photo.png": png(7)}))


def test_bits_above_those_that_are_stored_are_not_the_picture() -> None:
    assert steps(dicom(STEPS | 0xF000, bits=12, **WINDOW)) == IN_WINDOW


def test_colours_of_8_bits_are_what_they_are() -> None:
    colours = np.frombuffer(png("dicom", side=40)[200:392], np.uint8).reshape(SIDE, SIDE, 3)
    assert np.array_equal(decoded(dicom(colours)), colours)
    assert np.array_equal(
        decoded(dicom(colours.transpose(2, 0, 1).reshape(SIDE, SIDE, 3), PlanarConfiguration=1)), colours
    )


def test_what_is_packed_in_run_lengths_is_unpacked() -> None:
    dataset = pydicom.dcmread(io.BytesIO(dicom(bits=12, **WINDOW)))
    dataset.compress(pydicom.uid.UID(RUN_LENGTHS))
    file = io.BytesIO()
    dataset.save_as(file)
    assert steps(file.getvalue()) == IN_WINDOW


LOOKUP = [pydicom.Dataset()]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (dicom(bits=12, NumberOfFrames=2), "holds more than one frame"),
        (dicom(bits=12, PhotometricInterpretation="PALETTE COLOR"), "has colours as PALETTE COLOR"),
        (dicom(np.zeros((SIDE, SIDE, 3), np.uint16)), "has 16 bits a sample; 8 is the most"),
        (dicom(STEPS.astype(np.int16)), "has signed pixels and no window to show them through"),
        (dicom(bits=12, HighBit=15), "has its pixels in the upper bits"),
        (dicom(bits=12, WindowCenter=1, WindowWidth=0), "has a window of width 0"),
        (dicom(bits=12, VOILUTSequence=LOOKUP), "has a table for its contrast instead of a window"),
        (dicom(bits=12, ModalityLUTSequence=LOOKUP, **WINDOW), "has a table for its values"),
        (dicom(bits=12, PerFrameFunctionalGroupsSequence=LOOKUP, **WINDOW), "has a description for each frame"),
        (dicom(bits=12, Rows=60_000, Columns=60_000), "has more than 100 million pixels"),
        (dicom(bits=12)[:-20], "is damaged or cut short"),
        (dicom(bits=12)[:300], "is a DICOM file without a picture"),
        (bytes(128) + b"DICM", "is a DICOM file without a picture"),
        (dicom(syntax=DEFLATED), "is a deflated DICOM file"),
        (compressed("1.2.840.10008.1.2.4.70", b"\xff\xd8"), "is compressed as JPEG Lossless"),
        (compressed("1.2.840.10008.1.2.4.80", b"\xff\xd8"), "is compressed as JPEG-LS"),
        (compressed("1.2.840.10008.1.2.4.90", b"junk"), "is compressed as JPEG 2000"),
        (compressed("1.2.840.10008.1.2.4.100", b"junk"), "is compressed as MPEG2"),
        (compressed(RUN_LENGTHS, bytes(100_000)), "is damaged or cut short: it is larger compressed than as it is"),
    ],
)
def test_what_cannot_be_shown_as_it_says_is_refused_in_words(content: bytes, sentence: str) -> None:
    with pytest.raises(DatasetInvalid) as caught:
        decoded(content)
    assert str(caught.value).startswith(f"a.dcm {sentence}")
    assert str(caught.value).isprintable()
    assert caught.value.hint


def test_a_file_that_is_dicom_is_known_by_its_bytes_and_one_that_is_not_by_them_too() -> None:
    assert decode(dicom(bits=12, **WINDOW), named="scan.png", image_size=(SIDE, SIDE))[0, 1, 0] == IN_WINDOW[1]
    assert decode(png(1), named="scan.dcm", image_size=(SIDE, SIDE)).shape == (SIDE, SIDE, 3)
    with pytest.raises(DatasetInvalid, match="is not an image that qcqueue can read"):
        decode(b"no preamble", named="scan.dcm", image_size=(SIDE, SIDE))


def test_an_import_of_dicom_files_says_that_their_windows_were_used(tmp_path: Path) -> None:
    files = {
        f"{name}/{index}.dcm": dicom((STEPS + 30 * index + 130 * at).astype(np.uint16), bits=12, **WINDOW)
        for at, name in enumerate(("good", "reject"))
        for index in range(4)
    }
    dataset = imported(folder_of(tmp_path / "scans", files), image_size=(SIDE, SIDE))
    assert dataset.summary.note.startswith("DICOM pictures shown through the window in their file: 8")
    with pytest.raises(DatasetInvalid, match=r"^no picture in scans has more than 8 bits"):
        imported(tmp_path / "scans", image_size=(SIDE, SIDE), depth=12)


def test_without_pydicom_a_dicom_file_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    content = dicom(bits=12)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ExtraMissing, match=r"^a.dcm is a DICOM file, which needs pydicom to be read$") as caught:
        decoded(content)
    assert caught.value.hint == 'pip install "qcqueue[dicom]"'


def test_the_size_of_what_is_deflated_is_never_found_out() -> None:
    bomb = dicom(np.zeros((64, 64), np.uint16), syntax=DEFLATED)
    assert zlib.crc32(bomb)  # it is a whole file, and only its kind is refused
    with pytest.raises(DatasetInvalid, match="is a deflated DICOM file"):
        decoded(bomb)
