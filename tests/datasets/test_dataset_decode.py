"""One image file to pixels: every mode means what a person sees, and broken bytes end in one sentence."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qcqueue.clock import seeded
from qcqueue.datasets.decode import decode
from qcqueue.datasets.format import Bytes
from qcqueue.errors import DatasetInvalid
from tests.datasets.pictures import encoded, png, tiff


def decoded(content: bytes, size: tuple[int, int] = (10, 14)) -> Bytes:
    return decode(content, named="a.png in photos", image_size=size)


def colour_of(content: bytes) -> tuple[int, int, int]:
    red, green, blue = decoded(content).reshape(-1, 3).mean(axis=0).round().astype(int).tolist()
    return red, green, blue


def plain(mode: str, colour: object, kind: str = "PNG") -> bytes:
    return encoded(Image.new(mode, (20, 30), colour), kind)  # type: ignore[arg-type]


def deep(value: int, dtype: str = "uint16", kind: str = "PNG") -> bytes:
    return encoded(Image.fromarray(np.full((30, 20), value, dtype)), kind)


def grey_of_32_bits(value: int) -> bytes:
    return tiff(np.full((30, 20), value, "<u4").tobytes(), (30, 20), bits=(32,))


def palette(colour: tuple[int, int, int], **options: Any) -> bytes:
    image = Image.new("P", (20, 30), 1)
    image.putpalette([9, 9, 9, *colour])
    return encoded(image, **options)


@pytest.mark.parametrize(
    ("content", "colour"),
    [
        (plain("RGB", (200, 100, 50)), (200, 100, 50)),
        (plain("L", 90), (90, 90, 90)),
        (plain("1", 1), (255, 255, 255)),
        (plain("LA", (90, 255)), (90, 90, 90)),
        (plain("LA", (90, 0)), (255, 255, 255)),
        (plain("RGBA", (200, 100, 50, 255)), (200, 100, 50)),
        (plain("RGBA", (200, 100, 50, 0)), (255, 255, 255)),
        (plain("RGBA", (0, 0, 0, 128)), (127, 127, 127)),
        (palette((10, 20, 30)), (10, 20, 30)),
        (palette((10, 20, 30), transparency=1), (255, 255, 255)),
        (palette((10, 20, 30), transparency=b"\xff\x00"), (255, 255, 255)),
        (deep(0), (0, 0, 0)),
        (deep(65535), (255, 255, 255)),
        (deep(32768), (128, 128, 128)),
        (deep(65535, kind="TIFF"), (255, 255, 255)),
        (deep(32768, ">u2", kind="TIFF"), (128, 128, 128)),
        (grey_of_32_bits(40_000), (156, 156, 156)),
        (plain("CMYK", (0, 255, 255, 0), "TIFF"), (255, 0, 0)),
        (plain("CMYK", (0, 0, 0, 255), "JPEG"), (0, 0, 0)),
        (plain("RGB", (200, 100, 50), "BMP"), (200, 100, 50)),
        (plain("RGB", (200, 100, 50), "PPM"), (200, 100, 50)),
        (plain("L", 90, "GIF"), (90, 90, 90)),
    ],
)
def test_every_mode_becomes_the_colour_a_person_sees(content: bytes, colour: tuple[int, int, int]) -> None:
    assert colour_of(content) == colour


def test_sixteen_bits_are_scaled_by_their_range_not_by_the_picture_so_a_dark_picture_stays_dark() -> None:
    assert colour_of(deep(6500)) == (25, 25, 25)


def test_a_picture_is_resized_once_to_height_and_width() -> None:
    assert decoded(png("tall", side=50), (10, 14)).shape == (10, 14, 3)
    assert decoded(encoded(Image.new("RGB", (1, 1), "red")), (10, 14)).shape == (10, 14, 3)


def test_shrinking_averages_instead_of_picking_pixels() -> None:
    checks = (np.indices((400, 400)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = decoded(encoded(Image.fromarray(checks)), (20, 20))
    assert 126 <= small.min() <= small.max() <= 129


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_a_rotation_written_in_exif_is_carried_out(orientation: int, corner: tuple[int, int]) -> None:
    image = Image.new("RGB", (40, 40), "white")
    image.paste("black", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("JPEG", "PNG"):
        assert decoded(encoded(image, kind, exif=exif), (8, 8))[corner].max() < 60


def test_a_preview_behind_a_phones_picture_is_no_second_picture() -> None:
    pair = encoded(Image.new("RGB", (20, 30), "red"), "MPO", save_all=True, append_images=[Image.new("RGB", (5, 5))])
    assert decoded(pair)[..., 0].min() > 240


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
def test_a_file_of_several_pictures_is_refused(kind: str) -> None:
    frames = [Image.new("RGB", (20, 30), colour) for colour in ("red", "blue", "green")]
    with pytest.raises(DatasetInvalid, match=r"^a.png in photos holds more than one picture$") as caught:
        decoded(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert caught.value.hint == "save the one you mean as PNG"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "a.png in photos is empty"),
        (b"patient,grade\n1,good\n", "a.png in photos is not an image that qcqueue can read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a.png in photos is not an image that qcqueue can read"),
        (b"\x80\x04\x95pickle", "a.png in photos is not an image that qcqueue can read"),
        (b"\x89PNG\r\n\x1a\n", "a.png in photos is not an image that qcqueue can read"),
        (png("cut")[:200], "a.png in photos is damaged or cut short"),
        (plain("RGB", "red", "JPEG")[:-200], "a.png in photos is damaged or cut short"),
        (grey_of_32_bits(70_000), "a.png in photos has the value 70000, above the 65535 of 16 bits"),
        (deep(-1, "int32", "TIFF"), "a.png in photos has signed pixels"),
        (deep(1, "float32", "TIFF"), "a.png in photos has floating-point pixels"),
    ],
)
def test_what_is_no_whole_picture_is_refused_in_one_sentence_with_a_hint(content: bytes, sentence: str) -> None:
    with pytest.raises(DatasetInvalid) as caught:
        decoded(content)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("bits", "sample_format", "sentence"),
    [
        (8, 2, "has signed pixels"),
        (16, 2, "has signed pixels"),
        (32, 2, "has signed pixels"),
        (16, 3, "has floating-point pixels"),
        (32, 3, "has floating-point pixels"),
        (64, 3, "has floating-point pixels"),
        (64, 1, "has 64 bits a sample"),
        (64, 2, "has signed pixels"),
        (32, 5, "has complex pixels"),
        (64, 6, "has complex pixels"),
        (8, 9, "has samples of a kind that is not known"),
        (14, 1, "is a TIFF of 14 bits, stored in a way that qcqueue cannot read"),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_samples_that_are_no_whole_numbers_from_zero_are_refused_as_what_they_are(
    order: str, bits: int, sample_format: int, sentence: str
) -> None:
    content = tiff(b"\x80" * (64 * bits // 8), (8, 8), bits=(bits,), order=order, more={339: [sample_format]})
    with pytest.raises(DatasetInvalid) as caught:
        decoded(content)
    assert str(caught.value) == f"a.png in photos {sentence}"
    assert caught.value.hint


def test_a_float_that_is_not_a_number_is_refused_as_a_float() -> None:
    with pytest.raises(DatasetInvalid, match="has floating-point pixels"):
        decoded(encoded(Image.fromarray(np.full((8, 8), np.nan, np.float32)), "TIFF"))
    with pytest.raises(DatasetInvalid):  # where Pillow knows that kind of file, for the same reason
        decoded(b"Pf\n2 2\n-1.0\n" + struct.pack("<4f", 0, 1, float("nan"), 1))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("bits", "dtype"), [((8,), "i1"), ((16,), "i2"), ((32,), "i4"), ((16, 16, 16), "i2")])
def test_signed_numbers_are_refused_though_none_is_below_zero(bits: tuple[int, ...], dtype: str, order: str) -> None:
    pixels = np.full((8, 8, len(bits)), 100).astype(order + dtype).tobytes()
    more = {339: [2] * len(bits)}
    with pytest.raises(DatasetInvalid, match=r"^a.png in photos has signed pixels$") as caught:
        decoded(tiff(pixels, (8, 8), bits=bits, photometric=2 if len(bits) > 1 else 1, order=order, more=more))
    assert caught.value.hint == "save it with whole numbers from 0, of 8 or 16 bits a pixel"


@pytest.mark.parametrize(
    ("bits", "photometric", "extra"),
    [((8,) * 5, 1, [0, 0, 0, 0]), ((16,) * 3, 1, [0, 0]), ((16, 16), 1, [0]), ((5, 6, 5), 2, []), ((32,) * 3, 2, [])],
)
def test_bands_that_are_no_colours_are_refused_in_words(
    bits: tuple[int, ...], photometric: int, extra: list[int]
) -> None:
    content = tiff(
        bytes(64 * sum(bits) // 8), (8, 8), bits=bits, photometric=photometric, more={338: extra} if extra else {}
    )
    with pytest.raises(DatasetInvalid, match=r"bands of|32 bits a sample") as caught:
        decoded(content)
    assert caught.value.hint == "save it as grey or RGB with 8 or 16 bits a sample"


@pytest.mark.parametrize("side", [10_001, 14_000, 2**31 - 1])
def test_a_small_file_that_claims_a_huge_picture_is_refused_before_it_is_unpacked(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    )
    with pytest.raises(DatasetInvalid, match="more than 100 million pixels"):
        decoded(b"\x89PNG\r\n\x1a\n" + chunks)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM"])
def test_bytes_broken_at_random_end_in_pixels_or_in_one_sentence(kind: str, tmp_path: Path) -> None:
    rng = seeded(f"broken/{kind}")
    whole = encoded(Image.open(_written(tmp_path, png("fuzz", side=24))), kind)
    for _ in range(120):
        broken = bytearray(whole[: rng.randrange(1, len(whole) + 1)])
        for _ in range(rng.randrange(1, 6)):
            broken[rng.randrange(min(len(broken), rng.choice([64, len(broken)])))] = rng.randrange(256)
        try:
            assert decoded(bytes(broken)).shape == (10, 14, 3)
        except DatasetInvalid as error:
            assert "\n" not in str(error)  # noqa: PT017 - both endings are right; what must not happen is a third


def _written(folder: Path, content: bytes) -> Path:
    path = folder / "whole.png"
    path.write_bytes(content)
    return path
