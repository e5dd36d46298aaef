"""What is broken beside the pixels is no damage: the picture is that of the clean file, turned where that can be
read."""

import contextlib
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from qcqueue.clock import seeded
from qcqueue.datasets.decode import decode
from qcqueue.datasets.format import Bytes
from qcqueue.errors import DatasetInvalid
from tests.datasets.pictures import chunk, encoded, tiff

SIDE = 16
FAR = 10**8
BOMB = zlib.compress(bytes(20_000_000))


def decoded(content: bytes) -> Bytes:
    return decode(content, named="a.png", image_size=(SIDE, SIDE))


def picture() -> Image.Image:
    pixels = np.frombuffer(seeded("metadata").randbytes(48), np.uint8).reshape(4, 4, 3)
    return Image.fromarray(np.kron(pixels, np.ones((4, 4, 1), np.uint8)))


def exif(*entries: tuple[int, int, int, int], order: str = "<", count: int | None = None) -> bytes:
    """A camera's note. entries: (tag, type, count, value); count: of entries, where the note lies about it."""
    found = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    found += struct.pack(order + "H", len(entries) if count is None else count)
    for tag, kind, numbers, value in entries:
        short = kind == 3 and numbers == 1
        field = struct.pack(order + "HH", value, 0) if short else struct.pack(order + "I", value)
        found += struct.pack(order + "HHI", tag, kind, numbers) + field
    return found + bytes(4)


TURNED = (0x112, 3, 1, 6)
BROKEN_NOTES = {
    "a note of nothing": (b"", False),
    "a note that is cut": (b"\0\x08\0\x02\x01\x12\0\x03", False),
    "a note that is no note": (b"junk", False),
    "a note that points nowhere": (b"II*\0\xff\xff\xff\xff", False),
    "an orientation that is none": (exif((0x112, 3, 1, 99)), False),
    "an orientation in words": (exif((0x112, 2, 4, 0x66)), False),
    "an orientation and a maker that lies elsewhere": (exif((0x10F, 2, 500, FAR), TURNED), True),
    "an orientation and a note of a kind that is not known": (exif(TURNED, (0x131, 77, 9, FAR)), True),
    "an orientation and more notes that never come": (exif(TURNED, count=40)[:-4], True),
    "an orientation and a folder of notes that lies elsewhere": (exif(TURNED, (0x8769, 4, 1, FAR), order=">"), True),
}


def webp_with(note: bytes) -> bytes:
    flags = bytes([8, 0, 0, 0]) + struct.pack("<I", SIDE - 1)[:3] * 2
    chunks = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + flags + encoded(picture(), "WEBP", lossless=True)[12:]
    chunks += b"EXIF" + struct.pack("<I", len(note)) + note + bytes(len(note) % 2)
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def upright(is_turned: bool, clean: bytes) -> Bytes:
    return np.rot90(decoded(clean), -1) if is_turned else decoded(clean)


@pytest.mark.parametrize("note", BROKEN_NOTES)
def test_a_picture_with_a_broken_camera_note_is_that_of_the_clean_file(note: str) -> None:
    body, is_turned = BROKEN_NOTES[note]
    png, jpeg = encoded(picture()), encoded(picture(), "JPEG", quality=95)
    assert np.array_equal(decoded(png[:33] + chunk(b"eXIf", body) + png[33:]), upright(is_turned, png))
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 8) + b"Exif\0\0" + body
    assert np.array_equal(decoded(jpeg[:2] + segment + jpeg[2:]), upright(is_turned, jpeg))
    webp = encoded(picture(), "WEBP", lossless=True)
    assert np.array_equal(decoded(webp_with(body)), upright(is_turned, webp))


BROKEN_CHUNKS = {
    "a text that unpacks to megabytes": chunk(b"zTXt", b"XML\0\0" + BOMB),
    "an international text that unpacks to megabytes": chunk(b"iTXt", b"key\0\1\0\0\0" + BOMB),
    "a text of megabytes": chunk(b"tEXt", b"key\0" + b"y" * 5_000_000),
    "many texts of a megabyte": chunk(b"zTXt", b"XML\0\0" + zlib.compress(b"x" * 1_000_000)) * 70,
    "a text that is not packed as it says": chunk(b"zTXt", b"XML\0\0junk"),
    "a text packed in an unknown way": chunk(b"zTXt", b"XML\0\7junk"),
    "a text with a wrong checksum": chunk(b"tEXt", b"key\0value", checksum=1),
    "a colour profile that is none": chunk(b"iCCP", b"name\0\0junk"),
    "a colour profile that unpacks to megabytes": chunk(b"iCCP", b"name\0\0" + BOMB),
    "a colour profile with a wrong checksum": chunk(b"iCCP", b"name\0\0junk", checksum=1),
    "a size in inches that is cut": chunk(b"pHYs", b"\0"),
    "a gamma that is empty": chunk(b"gAMA", b""),
    "a note of an animation that is cut": chunk(b"acTL", b"\0"),
    "a transparency that is cut": chunk(b"tRNS", b"\0"),
    "a transparency with a wrong checksum": chunk(b"tRNS", bytes(6), checksum=1),
    "a chunk nobody knows with a wrong checksum": chunk(b"abCd", b"?", checksum=1),
}


@pytest.mark.parametrize("name", BROKEN_CHUNKS)
def test_a_png_with_a_broken_chunk_is_that_of_the_clean_file(name: str) -> None:
    png = encoded(picture())
    note = chunk(b"eXIf", exif(TURNED))
    for at in (33, png.index(b"IDAT") - 4, png.index(b"IEND") - 4):
        broken = png[:at] + BROKEN_CHUNKS[name] + png[at:]
        assert np.array_equal(decoded(broken), decoded(png))
        assert np.array_equal(decoded(png[:33] + note + broken[33:]), upright(True, png))
        with pytest.raises(DatasetInvalid):
            decoded(broken[: broken.index(b"IDAT") + 40])


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_note_that_a_png_keeps_as_text_turns_it_though_another_text_is_too_large(is_packed: bool) -> None:
    png, body = encoded(picture()), b"Exif\0\0" + exif(TURNED)
    digits = b"\nexif\n%8d\n%s\n" % (len(body), body.hex("\n", 36).encode())
    name = b"Raw profile type exif\0"
    note = chunk(b"zTXt", name + b"\0" + zlib.compress(digits)) if is_packed else chunk(b"tEXt", name + digits)
    broken = BROKEN_CHUNKS["a text that unpacks to megabytes"]
    for parts in (note + broken, broken + note):
        assert np.array_equal(decoded(png[:33] + parts + png[33:]), upright(True, png))
    for wrong in (name + b"\0" + BOMB, name + b"\0junk", name, name + b"\0" + zlib.compress(b"\nexif\n 3\nxyz")):
        parts = chunk(b"zTXt", wrong) + broken
        assert np.array_equal(decoded(png[:33] + parts + png[33:]), decoded(png))


@pytest.mark.parametrize(
    "segment",
    [
        b"\xff\xe0\0\x07JFIF\0",
        b"\xff\xee\0\x07Adobe",
        b"\xff\xe2\0\x12ICC_PROFILE\0\x01\x09xx",
        b"\xff\xe2\0\x0eICC_PROFILE\0",
        b"\xff\xe2\0\x0aMPF\0junk",
        b"\xff\xe2\0\x10MPF\0II*\0\x08\0\0\0\x05\0",
        b"\xff\xed\0\x16Photoshop 3.0\x008BIM\x03\xed",
        b"\xff\xe1\0\x21http://ns.adobe.com/xap/1.0/\0<x",
        b"\xff\xfe\0\x06\xff\xfe\0\0",
        b"\xff\xe5\0\x02",
    ],
)
def test_a_jpeg_with_a_broken_segment_is_that_of_the_clean_file(segment: bytes) -> None:
    for is_progressive in (False, True):
        jpeg = encoded(picture(), "JPEG", quality=95, progressive=is_progressive)
        for at in (2, jpeg.index(b"\xff\xdb")):
            broken = jpeg[:at] + segment + jpeg[at:]
            assert np.array_equal(decoded(broken), decoded(jpeg))
            with pytest.raises(DatasetInvalid):
                decoded(broken[:-100])


@pytest.mark.parametrize(
    "extension",
    [
        b"\x21\xfe\x03\xff\xfe\x80\0",
        b"\x21\xfe\0",
        b"\x21\xfe" + (b"\xff" + b"z" * 255) * 500 + b"\0",
        b"\x21\xff\x0bNETSCAPE2.0\0",
        b"\x21\xff\x03NET\0",
        b"\x21\xf9\x01\x01\0",
        b"\x21\x01\x02ab\0",
    ],
)
def test_a_gif_with_a_broken_comment_is_that_of_the_clean_file(extension: bytes) -> None:
    gif = encoded(picture().quantize(8), "GIF")
    at = 13 + (3 << ((gif[10] & 7) + 1))
    assert np.array_equal(decoded(gif[:at] + extension + gif[at:]), decoded(gif))
    with pytest.raises(DatasetInvalid):
        decoded((gif[:at] + extension + gif[at:])[:-30])


@pytest.mark.parametrize(
    "entry",
    [
        (270, 2, 500, FAR),
        (282, 5, 1, FAR),
        (305, 2, 2**32 - 1, FAR),
        (305, 99, 1, 0),
        (330, 4, 3, FAR),
        (700, 1, 900, FAR),
        (33723, 4, 100, FAR),
        (34377, 1, 9**8, FAR),
        (34665, 4, 1, FAR),
        (34675, 7, 500, FAR),
        (34853, 4, 1, FAR),
        (65000, 12, 10**9, FAR),
        (0, 0, 0, 0),
        (274, 2, 9, FAR),
        (274, 3, 1, 77),
    ],
)
def test_a_tiff_with_an_odd_tag_is_that_of_the_clean_file(entry: tuple[int, int, int, int]) -> None:
    pixels = np.asarray(picture())
    for order in "<>":
        grey = pixels[..., 0].astype(order + "u2") * 256
        for content, about in (
            (pixels.tobytes(), {"bits": (8, 8, 8), "photometric": 2}),
            (grey.tobytes(), {"bits": (16,)}),
        ):
            clean = tiff(content, (SIDE, SIDE), order=order, **about)
            odd = tiff(content, (SIDE, SIDE), order=order, odd=[entry], **about)
            assert np.array_equal(decoded(odd), decoded(clean))
            nowhere = odd[:-4] + struct.pack(order + "I", FAR)
            assert np.array_equal(decoded(nowhere), decoded(clean))


@pytest.mark.parametrize("pixels", [np.asarray(picture()), np.asarray(picture())[..., 0].astype(np.uint16)])
def test_a_second_picture_of_a_tiff_is_still_seen(pixels: npt.NDArray[Any]) -> None:
    first, second = (Image.fromarray(np.ascontiguousarray(part)) for part in (pixels, pixels[::-1]))
    with pytest.raises(DatasetInvalid, match="holds more than one picture"):
        decoded(encoded(first, "TIFF", save_all=True, append_images=[second]))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF"])
def test_a_picture_with_notes_is_whole_or_refused_wherever_it_is_cut_or_broken(kind: str) -> None:
    note = Image.Exif()
    note[0x112] = 6
    whole = webp_with(exif(TURNED)) if kind == "WEBP" else encoded(picture(), kind, exif=note, comment=b"seen")
    expected = decoded(whole)
    rng = seeded(f"notes/{kind}")
    for cut in range(1, len(whole), 1 + len(whole) // 150):
        with contextlib.suppress(DatasetInvalid):
            assert decoded(whole[:cut]).shape == expected.shape
        broken = bytearray(whole)
        for _ in range(4):
            broken[rng.randrange(min(len(whole), 80))] = rng.choice((0, 1, 255, rng.randrange(256)))
        with contextlib.suppress(DatasetInvalid):
            assert decoded(bytes(broken[: rng.choice((cut, len(whole)))])).shape == expected.shape
