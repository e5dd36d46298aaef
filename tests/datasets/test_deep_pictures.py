"""Pictures of more than 8 bits: every kind of file gives its whole values, and white is where it is said to be."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from qcqueue.clock import seeded
from qcqueue.datasets.decode import decode, read_picture
from qcqueue.datasets.deep import Deep, bits_for
from qcqueue.datasets.format import Bytes
from qcqueue.datasets.picture import check_white_is_known
from qcqueue.errors import DatasetInvalid
from tests.datasets.pictures import Values, encoded, png16, ramp, ramp_in_8_bits, tiff

SIDE = 8


def decoded(content: bytes, white: int | None = None) -> Bytes:
    return decode(content, named="a.png", image_size=(SIDE, SIDE), white=white)


def stored(content: bytes) -> Deep:
    found = read_picture(content, named="a.png").deep
    assert found is not None
    return found


def noise(highest: int, *, bands: int = 1) -> Values:
    """Values in no order at all, so that a byte or a band in the wrong place shows."""
    drawn = np.frombuffer(seeded(f"deep/{highest}/{bands}").randbytes(SIDE * SIDE * bands * 4), np.uint32)
    values = (drawn.reshape(SIDE, SIDE, bands) % (highest + 1)).astype(np.uint16)
    values[0, 0] = highest
    return values if bands > 1 else values[..., 0]


def grey_tiff(values: Values, bits: int, *, order: str = "<", **about: Any) -> bytes:
    return tiff(values.astype(f"{order}u{bits // 8}").tobytes(), (SIDE, SIDE), bits=(bits,), order=order, **about)


def netpbm(magic: bytes, values: Values, white: int) -> bytes:
    numbers = b" ".join(b"%d" % value for value in values.ravel().tolist())
    pixels = numbers if magic in (b"P2", b"P3") else values.astype(">u2" if white > 255 else "u1").tobytes()
    return magic + b"\n# seen at 3 4\n%d # wide\n%d\n%d\n" % (SIDE, SIDE, white) + pixels


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_grey_of_16_bits_is_scaled_by_the_white_that_is_asked_for(bits: int) -> None:
    white = (1 << bits) - 1
    for content in (png16(ramp(white)), grey_tiff(ramp(white), 16), grey_tiff(ramp(white), 32, order=">")):
        assert stored(content).highest == white
        assert np.array_equal(decoded(content, white)[..., 0], ramp_in_8_bits(white, white))


@pytest.mark.parametrize("bits", [20, 24, 31, 32])
def test_grey_of_32_bits_is_read_whole_whatever_pillow_takes_it_for(bits: int) -> None:
    white = (1 << bits) - 1
    for order in "<>":
        content = grey_tiff(ramp(white), 32, order=order)
        assert stored(content).highest == white
        assert np.array_equal(decoded(content, white)[..., 1], ramp_in_8_bits(white, white))
        with pytest.raises(DatasetInvalid, match=rf"has the value {white}, above the 65535 of 16 bits") as caught:
            decoded(content)
        assert caught.value.hint == f"--depth {bits}, or --depth auto"


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("bands", [2, 3, 4])
def test_colours_of_16_bits_are_read_whole_from_a_png(bands: int, bits: int) -> None:
    white = (1 << bits) - 1
    values = noise(white, bands=bands)
    if bands != 3:
        values[..., -1] = 0xFFFF
    colours = values[..., :-1] if bands != 3 else values
    content = png16(values)
    assert stored(content).highest == white
    assert np.array_equal(stored(content).values, values)
    assert np.array_equal(decoded(content, white), np.rint(np.broadcast_to(colours, (8, 8, 3)) * 255.0 / white))


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize(("bands", "extra"), [(2, 2), (3, None), (4, 2), (4, 0)])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("is_planar", [False, True])
def test_colours_of_16_bits_are_read_whole_from_a_tiff(
    order: str, bands: int, extra: int | None, bits: int, is_planar: bool
) -> None:
    white = (1 << bits) - 1
    values = noise(white, bands=bands)
    if extra == 2:
        values[..., -1] = white
    pixels = (values.transpose(2, 0, 1) if is_planar else values).astype(order + "u2").tobytes()
    more = {} if extra is None else {338: [extra]}
    if is_planar:
        plane = SIDE * SIDE * 2
        more |= {284: [2], 273: [8 + band * plane for band in range(bands)], 279: [plane] * bands}
    content = tiff(pixels, (SIDE, SIDE), bits=[16] * bands, photometric=2 if bands > 2 else 1, order=order, more=more)
    colours = values if extra is None else values[..., :-1]
    assert np.array_equal(decoded(content, white), np.rint(np.broadcast_to(colours, (8, 8, 3)) * 255.0 / white))


def test_colours_of_16_bits_keep_their_upper_byte_where_no_white_is_said() -> None:
    values = noise(0xFFFF, bands=3)
    assert np.array_equal(decoded(png16(values)), values >> 8)
    content = tiff(values.astype("<u2").tobytes(), (SIDE, SIDE), bits=(16, 16, 16), photometric=2)
    assert np.array_equal(decoded(content), values >> 8)


def test_transparency_of_12_bits_in_16_is_of_12_bits_as_the_colours_are() -> None:
    values = np.full((SIDE, SIDE, 4), 4095, np.uint16)
    values[..., :3] = 0
    assert decoded(png16(values), 4095).max() == 0
    values[..., 3] = 0
    assert decoded(png16(values), 4095).min() == 255


@pytest.mark.parametrize("magic", [b"P2", b"P5", b"P3", b"P6"])
@pytest.mark.parametrize("white", [15, 100, 1000, 1023, 4095, 65535])
def test_a_netpbm_picture_is_scaled_by_the_white_it_names(magic: bytes, white: int) -> None:
    values = noise(white, bands=3 if magic in (b"P3", b"P6") else 1)
    content = netpbm(magic, values, white)
    expected = np.rint((values if values.ndim == 3 else values[..., None]) * 255.0 / white)
    assert np.abs(decoded(content) - expected).max() == 0
    if white > 255:
        assert stored(content).full == white
        assert np.array_equal(stored(content).values, values)
        assert np.abs(decoded(content, 65535) - np.rint(expected * white / 65535)).max() <= 1


def test_a_netpbm_picture_with_a_comment_in_the_middle_of_a_number_is_as_pillow_reads_it() -> None:
    content = netpbm(b"P5", noise(1023), 1023)
    odd = content.replace(b"\n1023\n", b"\n10#seen\n23\n")
    assert np.array_equal(decoded(odd), decoded(content))


@pytest.mark.parametrize("photometric", [0, 1])
def test_twelve_bits_packed_into_three_bytes_are_their_own_range(photometric: int) -> None:
    values = noise(4095)
    packed = int("".join(f"{value:012b}" for value in values.ravel().tolist()), 2).to_bytes(SIDE * SIDE * 3 // 2)
    found = decoded(tiff(packed, (SIDE, SIDE), bits=(12,), photometric=photometric))[..., 0]
    expected = np.rint(values * 255.0 / 4095)
    assert np.array_equal(found, expected if photometric else 255 - expected)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_fewer_than_8_bits_fills_the_range(bits: int) -> None:
    values = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % (1 << bits)).astype(np.uint8)
    packed = int("".join(f"{value:0{bits}b}" for value in values.ravel().tolist()), 2).to_bytes(SIDE * SIDE * bits // 8)
    expected = values * (255 // ((1 << bits) - 1))
    for order in "<>":
        for photometric in (0, 1):
            found = decoded(tiff(packed, (SIDE, SIDE), bits=(bits,), photometric=photometric, order=order))[..., 2]
            assert np.array_equal(found, expected if photometric else 255 - expected)
    assert np.array_equal(decoded(encoded(Image.fromarray(expected), bits=bits))[..., 0], expected)


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("order", ["<", ">"])
def test_where_white_is_zero_it_comes_out_white(order: str, bits: int) -> None:
    white = min((1 << bits) - 1, 0xFFFF)
    content = grey_tiff(ramp(white), bits, order=order, photometric=0)
    assert np.array_equal(decoded(content)[..., 0], 255 - ramp_in_8_bits(white, white))
    assert decoded(content)[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("order", ["<", ">"])
def test_where_white_is_zero_the_white_that_is_asked_for_is_the_black(order: str) -> None:
    content = grey_tiff(ramp(4095), 16, order=order, photometric=0)
    assert np.array_equal(decoded(content, 4095)[..., 0], 255 - ramp_in_8_bits(4095, 4095))
    assert stored(content).is_dim


@pytest.mark.parametrize("kind", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_files_are_no_different(kind: str) -> None:
    values = noise(4095)
    content = encoded(Image.fromarray(values), "TIFF", compression=kind, tiffinfo={262: 0})
    assert np.array_equal(decoded(content, 4095)[..., 0], 255 - np.rint(values * 255.0 / 4095))


def test_a_deep_picture_is_turned_as_it_asks_to_be() -> None:
    values = ramp(4095)
    upright = decoded(grey_tiff(values, 16), 4095)
    assert np.array_equal(decoded(grey_tiff(values, 16, more={274: [6]}), 4095), np.rot90(upright, -1))


def test_a_value_above_white_is_refused_with_the_depth_it_would_need() -> None:
    with pytest.raises(DatasetInvalid) as caught:
        decoded(png16(ramp(4095)), 1023)
    assert str(caught.value) == "a.png has the value 4095, above the 1023 of 10 bits; it needs --depth 12"
    assert caught.value.hint == "--depth 12, or --depth auto"


@pytest.mark.parametrize(
    ("highest", "bits"), [(0, 8), (255, 8), (256, 10), (1023, 10), (4000, 12), (4096, 14), (65535, 16), (65536, 17)]
)
def test_the_depth_for_a_value_is_the_smallest_usual_one(highest: int, bits: int) -> None:
    assert bits_for(highest) == bits


@pytest.mark.parametrize("cut", [1, 2, 50, 100])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_whose_pixels_are_cut_is_not_filled_up_with_what_is_written_behind_them(bits: int, cut: int) -> None:
    whole = grey_tiff(ramp(255), bits)
    at = whole.index(ramp(255).astype(f"<u{bits // 8}").tobytes())
    # The directory before the pixels, as most programs write it.
    directory = whole[int.from_bytes(whole[4:8], "little") :]
    size = SIDE * SIDE * bits // 8
    moved = directory.replace(
        b"\x11\x01\x04\0\x01\0\0\0\x08\0\0\0", b"\x11\x01\x04\0\x01\0\0\0" + bytes([8 + len(directory), 0, 0, 0])
    )
    content = b"II*\0\x08\0\0\0" + moved + whole[at : at + size]
    assert decoded(content).shape == (SIDE, SIDE, 3)
    with pytest.raises(DatasetInvalid, match="damaged or cut short: its pixels are cut short"):
        decoded(content[:-cut])


def test_a_tiff_whose_size_cannot_be_read_is_not_read_in_another_size() -> None:
    whole = grey_tiff(ramp(255), 16)
    endless = whole.replace(b"\x01\x01\x04\0\x01\0\0\0", b"\x01\x01\x04\0\x01\x03\0\0")
    assert endless != whole
    with pytest.raises(DatasetInvalid, match="it does not say how wide and high it is"):
        decoded(endless)
    few = whole.replace(b"\x01\x01\x04\0\x01\0\0\0\x08", b"\x01\x01\x04\0\x01\0\0\0\x09")
    assert few != whole
    with pytest.raises(DatasetInvalid, match="its pixels are not all there"):
        decoded(few)


def test_a_picture_alone_is_not_guessed_at() -> None:
    dim, bright = (read_picture(png16(ramp(highest)), named="a.png") for highest in (4095, 60_000))
    with pytest.raises(
        DatasetInvalid, match=r"^a.png has more than 8 bits and its highest value is 4095 of 65535"
    ) as caught:
        check_white_is_known(dim, None)
    assert caught.value.hint == "give its depth: depth=12"
    with pytest.raises(DatasetInvalid, match=r"^a.png has the value 4095, above 3000, which is white$"):
        check_white_is_known(dim, 3000)
    check_white_is_known(dim, 4095)
    check_white_is_known(bright, None)
    check_white_is_known(read_picture(encoded(Image.new("L", (9, 9))), named="a.png"), 4095)
