"""Pictures of more than 8 bits: every kind of file gives its whole values, and white is where it is said to be."""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from qcqueue.clock import seeded
from qcqueue.datasets.decode import decode, read_picture
from qcqueue.datasets.deep import Deep, bits_for
from qcqueue.datasets.format import Bytes
from qcqueue.datasets.picture import check_white_is_known
from qcqueue.errors import DatasetInvalid
from tests.datasets.pictures import Values, chunk, encoded, png16, ramp, ramp_in_8_bits, tiff

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


def whole(colours: Values, bits: int) -> npt.NDArray[Any]:
    """Return what colours of so many bits come out as in 8: of 16 the upper byte, as without a word."""
    return colours >> 8 if bits == 16 else np.rint(colours * 255.0 / ((1 << bits) - 1))


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
    assert np.array_equal(decoded(content, white), whole(np.broadcast_to(colours, (8, 8, 3)), bits))


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
    assert np.array_equal(decoded(content, white), whole(np.broadcast_to(colours, (8, 8, 3)), bits))


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
    assert stored(content).used().is_dim


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
    with pytest.raises(DatasetInvalid, match=r"damaged or cut short: .* cut short$"):
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


@pytest.mark.parametrize("white", [None, 4095, 65535])
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("unseen", [0, 0x0101, 4000, 300])
def test_a_colour_of_a_png_that_is_not_to_be_seen_is_white_as_in_8_bits(
    bands: int, unseen: int, white: int | None
) -> None:
    values = np.full((SIDE, SIDE, bands), 2000, np.uint16)
    values[:4] = unseen
    content = png16(values if bands > 1 else values[..., 0])
    found = decoded(content[:33] + chunk(b"tRNS", struct.pack(f">{bands}H", *[unseen] * bands)) + content[33:], white)
    plain = decoded(content, white)
    assert (found[:4] == 255).all()
    assert np.array_equal(found[4:], plain[4:])


def test_what_is_not_seen_has_no_say_in_which_value_is_the_highest() -> None:
    values = ramp(4095)
    values[0] = 0xFFFF
    content = png16(values)
    seen = content[:33] + chunk(b"tRNS", b"\xff\xff") + content[33:]
    assert (stored(content).highest, stored(seen).highest) == (0xFFFF, 4095)


@pytest.mark.parametrize("magic", [b"P2", b"P5", b"P3", b"P6"])
@pytest.mark.parametrize("white", [100, 1000, 4000])
def test_a_netpbm_picture_with_values_above_the_white_it_names_is_refused(magic: bytes, white: int) -> None:
    bands = 3 if magic in (b"P3", b"P6") else 1
    content = netpbm(magic, ramp(white + 1, bands=bands), white)
    with pytest.raises(DatasetInvalid) as caught:
        decoded(content)
    if magic in (b"P5", b"P6"):
        assert str(caught.value) == f"a.png has the value {white + 1}, above {white}, which it names as white"
    assert caught.value.hint
    commented = netpbm(magic, ramp(white, bands=bands), white).replace(b"\n8\n", b"\n8 # 9 high\n")
    assert decoded(commented).max() == 255


def test_a_stack_of_slices_in_one_tiff_is_more_than_one_picture() -> None:
    with pytest.raises(DatasetInvalid, match=r"^a.png holds more than one picture$"):
        decoded(tiff(bytes(2 * SIDE * SIDE), (SIDE, SIDE), more={32997: [2]}))
    assert decoded(tiff(bytes(SIDE * SIDE), (SIDE, SIDE), more={32997: [1]})).max() == 0


PREVIEW = r"^a.png holds a preview and its picture elsewhere, as raw camera files do$"


def with_below(kind: int | None, side: int, *, tag: int = 254) -> bytes:
    """A TIFF whose first directory names another below it, of a picture of that side. kind: what the first says of
    itself in `tag`."""
    about = {} if kind is None else {tag: [kind]}
    whole = tiff(ramp(255).astype("u1").tobytes(), (SIDE, SIDE), more={330: [0]} | about)
    entry = struct.pack("<HHI", 330, 4, 1)
    at = whole.index(entry) + len(entry)
    below = struct.pack("<H", 2) + struct.pack("<HHII", 256, 4, 1, side) + struct.pack("<HHII", 257, 4, 1, side)
    return whole[:at] + struct.pack("<I", len(whole)) + whole[at + 4 :] + below + bytes(4)


@pytest.mark.parametrize(
    "content",
    [
        with_below(1, 400),
        with_below(1, 4),
        with_below(None, 400),
        with_below(0, 400),
        with_below(2, 1, tag=255),
        with_below(3, SIDE),
    ],
)
def test_a_preview_is_never_taken_for_the_picture(content: bytes) -> None:
    with pytest.raises(DatasetInvalid, match=PREVIEW) as caught:
        decoded(content)
    assert caught.value.hint == "develop it to PNG or JPEG"


@pytest.mark.parametrize("content", [with_below(0, 4), with_below(None, SIDE), with_below(1, 4, tag=255)])
def test_a_picture_with_smaller_ones_below_it_is_the_picture(content: bytes) -> None:
    assert np.array_equal(decoded(content)[..., 0], ramp(255))


def test_a_picture_that_calls_itself_small_is_taken_where_there_is_no_other() -> None:
    assert decoded(tiff(bytes(SIDE * SIDE), (SIDE, SIDE), more={254: [1]})).max() == 0


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [(8,), (16,), (8, 8, 8), (16, 16, 16)])
def test_a_tiff_is_called_damaged_wherever_it_is_cut(bits: tuple[int, ...], order: str) -> None:
    """The directory and what it names lie at the end, as libtiff writes them."""
    pixels = noise(255, bands=len(bits)).astype(f"{order}u{bits[0] // 8}").tobytes()
    photometric = 2 if len(bits) > 1 else 1
    whole = tiff(pixels, (SIDE, SIDE), bits=bits, photometric=photometric, order=order)
    at_end = struct.unpack_from(order + "I", whole, 4)[0]
    cuts = [4, 6, 8, 20, len(pixels), at_end, at_end + 1, *range(at_end + 2, len(whole) - 4, 5)]
    for cut in cuts:
        with pytest.raises(DatasetInvalid, match=r"^a.png is damaged or cut short: ") as caught:
            decoded(whole[:cut])
        assert caught.value.hint == "copy it again or remove it"


@pytest.mark.parametrize("tag", [258, 339])
def test_a_tiff_whose_kinds_of_samples_lie_behind_the_cut_is_damaged(tag: int) -> None:
    content = tiff(noise(255, bands=3).astype("u1").tobytes(), (SIDE, SIDE), bits=(8, 8, 8), photometric=2)
    entry = struct.pack("<HHII", tag, 3, 3, 10**8)
    start = struct.unpack_from("<I", content, 4)[0]
    at = content.index(struct.pack("<HH", 258, 4), start)
    with pytest.raises(DatasetInvalid, match=r"damaged or cut short: what it says of its pixels is cut short$"):
        decoded(content[:at] + entry + content[at + 12 :])
