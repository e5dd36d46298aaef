"""An import of deep pictures: one scale for all of them, and a refusal that says what was found where that would spoil
some."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qcqueue.clock import seeded
from qcqueue.datasets.depth import Depth
from qcqueue.datasets.format import load, to_bytes
from qcqueue.errors import DatasetInvalid
from tests.datasets.pictures import Files, encoded, folder_of, imported, png16, ramp, ramp_in_8_bits, tiff

SIDE = 8

Make = Callable[[int], bytes]
"""From a highest value to a file whose picture has it."""


def png_grey(highest: int) -> bytes:
    return png16(ramp(highest))


def png_rgb(highest: int) -> bytes:
    return png16(ramp(highest, bands=3))


def png_grey_alpha(highest: int) -> bytes:
    values = ramp(highest, bands=2)
    values[..., 1] = 0xFFFF
    return png16(values)


def tiff_16(highest: int) -> bytes:
    return tiff(ramp(highest).astype("<u2").tobytes(), (SIDE, SIDE), bits=(16,))


def tiff_32(highest: int) -> bytes:
    return tiff(ramp(highest).astype(">u4").tobytes(), (SIDE, SIDE), bits=(32,), order=">")


def tiff_rgba(highest: int) -> bytes:
    values = ramp(highest, bands=4)
    values[..., 3] = 0xFFFF
    pixels = values.astype("<u2").tobytes()
    return tiff(pixels, (SIDE, SIDE), bits=(16,) * 4, photometric=2, more={338: [2]})


def pgm(highest: int) -> bytes:
    return b"P5 8 8 65535 " + ramp(highest).astype(">u2").tobytes()


def ppm(highest: int) -> bytes:
    return b"P6 8 8 65535 " + ramp(highest, bands=3).astype(">u2").tobytes()


def shallow(highest: int) -> bytes:
    return encoded(Image.fromarray(ramp(highest).astype(np.uint8)))


KINDS_OF_TWO: dict[str, Make] = {"a": png_grey, "b": lambda highest: png_rgb(highest + 250)}
KINDS: list[Make] = [png_grey, png_rgb, png_grey_alpha, tiff_16, tiff_32, tiff_rgba, pgm, ppm]


def two_classes(make_a: Make, highest_a: int, make_b: Make, highest_b: int) -> Files:
    """Four pictures of each class, no two alike, the first with the highest value."""
    files: Files = {}
    for name, make, highest in (("a", make_a, highest_a), ("b", make_b, highest_b)):
        files |= {f"{name}/{index}": make(highest - index * (highest // 16)) for index in range(4)}
    return files


def refusal(path: Path, depth: Depth | None = None) -> DatasetInvalid:
    with pytest.raises(DatasetInvalid) as caught:
        imported(path, image_size=(SIDE, SIDE), depth=depth)
    return caught.value


def image_of(path: Path, name: str, depth: Depth | None) -> list[int]:
    dataset = imported(path, image_size=(SIDE, SIDE), depth=depth)
    label, name = dataset.summary.classes.index(name[0]), name[2:]
    (index,) = (at for at, found in enumerate(dataset.names) if (found, dataset.labels[at]) == (name, label))
    found: list[int] = dataset.images[index, ..., 0].tolist()
    return found


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_a_depth_that_is_not_used_up_is_refused_and_both_choices_mend_it(tmp_path: Path, make: Make, bits: int) -> None:
    white = (1 << bits) - 1
    path = folder_of(tmp_path / "scans", two_classes(make, white, make, white - 5))
    refused = refusal(path)
    assert str(refused) == (
        f"8 pictures in scans have more than 8 bits, but the highest value is {white} of 65535: "
        "most of their contrast would be lost"
    )
    assert refused.hint == f"--depth {bits}, or --depth auto"
    for depth in (bits, "auto"):
        assert image_of(path, "a/0", depth) == ramp_in_8_bits(white, white).tolist()


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_a_depth_that_is_used_up_is_imported_without_a_word(tmp_path: Path, make: Make) -> None:
    path = folder_of(tmp_path / "scans", two_classes(make, 0xFFFF, make, 20_000))
    dataset = imported(path, image_size=(SIDE, SIDE))
    assert dataset.summary.note == ""
    assert "deep_white" not in dataset.summary.to_json()


def test_a_quarter_of_the_range_is_enough(tmp_path: Path) -> None:
    enough = {
        f"{name}/{index}": make(16_384 + index * 500) for name, make in KINDS_OF_TWO.items() for index in range(4)
    }
    imported(folder_of(tmp_path / "enough", enough))
    assert "16383 of 65535" in str(refusal(folder_of(tmp_path / "few", two_classes(png_grey, 16_383, png_rgb, 16_000))))


@pytest.mark.parametrize(
    ("make_a", "highest_a", "make_b", "highest_b", "words", "hint"),
    [
        (shallow, 255, png_grey, 4095, "a has 8 bits, b has values up to 4095 of 65535", 12),
        (tiff_16, 1023, shallow, 255, "a has values up to 1023 of 65535, b has 8 bits", 10),
        (shallow, 255, png_rgb, 60_000, "a has 8 bits, b has values up to 60000 of 65535", 16),
        (png_grey, 4095, png_grey, 50_000, "a has values up to 4095 of 65535, b has values up to 50000 of 65535", 16),
        (tiff_32, 65_000, ppm, 255, "a has values up to 65000 of 65535, b has values up to 255 of 65535", 16),
    ],
)
def test_a_depth_that_differs_between_classes_is_refused_with_what_each_has(
    tmp_path: Path, make_a: Make, highest_a: int, make_b: Make, highest_b: int, words: str, hint: int
) -> None:
    path = folder_of(tmp_path / "mixed", two_classes(make_a, highest_a, make_b, highest_b))
    refused = refusal(path)
    assert str(refused) == f"the depth of the pictures in mixed differs between classes: {words}"
    assert refused.hint == f"--depth {hint}, or --depth auto"
    for depth in (hint, "auto"):
        imported(path, depth=depth)


def test_of_many_classes_those_are_named_that_use_least(tmp_path: Path) -> None:
    files: Files = {f"class {number:02}/{index}": png_grey(60_000 - index) for number in range(9) for index in range(3)}
    files |= {f"dark/{index}": png_grey(900 - index) for index in range(3)}
    assert ": dark has values up to 900 of 65535, class" in str(refusal(folder_of(tmp_path / "many", files)))
    assert str(refusal(tmp_path / "many")).endswith(" and 4 more")


def test_one_deep_picture_among_others_is_no_difference_between_classes(tmp_path: Path) -> None:
    files = two_classes(shallow, 255, shallow, 200) | {"b/deep": png_grey(50_000)}
    assert imported(folder_of(tmp_path / "photos", files)).summary.note == ""


def test_what_was_used_stands_in_the_note_and_is_read_back(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "scans", two_classes(png_grey, 4000, tiff_rgba, 3900))
    for depth, white, note in (
        (12, 4095, "deep pictures scaled by 4095 (--depth 12)"),
        ("auto", 4000, "deep pictures scaled by 4000, their highest value (--depth auto)"),
    ):
        dataset = imported(path, depth=depth)  # type: ignore[arg-type]
        assert (dataset.summary.deep_white, dataset.summary.note) == (white, note)
        (tmp_path / "blob").write_bytes(to_bytes(dataset))
        assert load(tmp_path / "blob").summary == dataset.summary


def test_pictures_of_8_bits_beside_deep_ones_keep_their_scale_and_the_note_tells_of_both(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "mixed", two_classes(shallow, 255, png_grey, 4095))
    dataset = imported(path, depth=12)
    assert dataset.summary.note.startswith(
        "deep pictures scaled by 4095 (--depth 12); pictures of 8 bits beside them, scaled by 255: 4"
    )
    assert image_of(path, "a/0", 12) == ramp_in_8_bits(255, 255).tolist()
    assert image_of(path, "b/0", 12) == ramp_in_8_bits(4095, 4095).tolist()


def test_one_scale_holds_for_the_whole_import_so_a_dark_picture_stays_dark(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "scans", two_classes(png_grey, 4095, tiff_32, 2000))
    assert image_of(path, "b/0", "auto") == ramp_in_8_bits(2000, 4095).tolist()
    assert image_of(path, "b/0", 14) == ramp_in_8_bits(2000, 16_383).tolist()


def test_a_depth_where_nothing_is_deep_is_refused(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "photos", two_classes(shallow, 255, shallow, 200))
    for depth in (12, "auto"):
        refused = refusal(path, depth)
        assert str(refused) == f"no picture in photos has more than 8 bits, so --depth {depth} would change nothing"
        assert refused.hint == "leave --depth out"


def test_values_above_the_depth_are_refused_file_by_file_and_the_hint_holds_them_all(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "scans", two_classes(png_grey, 1000, png_rgb, 5000))
    refused = refusal(path, 10)
    assert refused.args == ("4 of the 8 images in scans cannot be used",)
    assert refused.problems[0] == "b/0 in scans has the value 5000, above the 1023 of 10 bits; it needs --depth 14"
    assert refused.hint == "--depth 14, or --depth auto"
    imported(path, depth=14)


def test_values_of_more_than_16_bits_need_a_word(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "scans", two_classes(tiff_32, 1_000_000, tiff_32, 900_000))
    refused = refusal(path)
    assert refused.problems[0] == "a/0 in scans has the value 1000000, above the 65535 of 16 bits; it needs --depth 20"
    assert refused.hint == "--depth 20, or --depth auto"
    assert image_of(path, "a/0", 20) == ramp_in_8_bits(1_000_000, (1 << 20) - 1).tolist()
    assert image_of(path, "a/0", "auto") == ramp_in_8_bits(1_000_000, 1_000_000).tolist()


def test_broken_files_are_named_before_the_depth_is_judged(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "scans", two_classes(png_grey, 1000, png_rgb, 1000) | {"a/broken": b""})
    assert str(refusal(path)) == "a/broken in scans is empty"


def test_pictures_that_are_black_all_over_are_no_division_by_zero(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "black", {f"{name}/{index}": png_grey(0) for name in "ab" for index in range(8)})
    assert refusal(path).hint == "--depth 8, or --depth auto"
    for depth in (8, "auto"):
        assert str(refusal(path, depth)).startswith("one picture stands in the images 16 times")


def test_a_class_whose_white_is_zero_is_judged_by_its_stored_values(tmp_path: Path) -> None:
    def white_is_zero(highest: int) -> bytes:
        return tiff(ramp(highest).astype("<u2").tobytes(), (SIDE, SIDE), bits=(16,), photometric=0)

    path = folder_of(tmp_path / "films", two_classes(white_is_zero, 4095, white_is_zero, 4000))
    assert refusal(path).hint == "--depth 12, or --depth auto"
    assert image_of(path, "a/0", 12) == (255 - ramp_in_8_bits(4095, 4095)).tolist()


def hot(make: Make) -> Make:
    """Pictures of one bright pixel beside 1,600 of 12 bits."""
    return lambda highest: make_hot(make, highest)


def make_hot(make: Make, highest: int) -> bytes:
    values = ramp(highest, side=40)
    values[0, 0] = 0xFFFF
    if make is png_grey:
        return png16(values)
    if make is png_rgb:
        return png16(np.repeat(values[..., None], 3, axis=-1))
    if make is pgm:
        return b"P5 40 40 65535 " + values.astype(">u2").tobytes()
    return tiff(values.astype("<u2").tobytes(), (40, 40), bits=(16,))


@pytest.mark.parametrize("make", [png_grey, png_rgb, pgm, tiff_16], ids=lambda make: make.__name__)
def test_one_bright_pixel_in_each_picture_hides_no_depth_that_is_not_used_up(tmp_path: Path, make: Make) -> None:
    path = folder_of(tmp_path / "hot", two_classes(hot(make), 4095, hot(make), 4000))
    refused = refusal(path)
    assert str(refused) == (
        "most of the contrast of the pictures in hot would be lost: a has values up to 4095 of 65535 but for single "
        "pixels, b has values up to 4000 of 65535 but for single pixels"
    )
    assert refused.hint == (
        "--depth 16 if they are meant to be so dark, or leave out what is above 4095 and give --depth 12"
    )
    imported(path, depth=16)


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_one_bright_picture_in_a_class_hides_no_depth_that_is_not_used_up(tmp_path: Path, make: Make) -> None:
    files = two_classes(make, 4095, make, 65_535) | {"a/bright": make(65_000)}
    refused = refusal(folder_of(tmp_path / "mixed", files))
    assert str(refused) == (
        "the depth of the pictures in mixed differs between classes: "
        "4 of 5 pictures in a have values up to 4095 of 65535, b has values up to 65535 of 65535"
    )
    assert refused.hint == (
        "--depth 16 if they are meant to be so dark, or leave out what is above 4095 and give --depth 12"
    )
    imported(tmp_path / "mixed", depth=16)


def test_half_of_every_class_is_refused_too_and_8_bits_beside_them_are_told_of(tmp_path: Path) -> None:
    files = {
        f"{name}/{number}": png_grey(highest + number + (9 if name == "b" else 0))
        for name in "ab"
        for number, highest in enumerate((4000, 4000, 65_000, 65_000))
    }
    refused = refusal(folder_of(tmp_path / "half", files | {"b/shallow": shallow(255)}))
    assert str(refused) == (
        "most of the contrast of the pictures in half would be lost: 2 of 4 pictures in a have values up to 4001 of "
        "65535, 2 of 4 deep pictures in b have values up to 4010 of 65535 beside 8 bits"
    )


def test_honestly_dark_pictures_are_no_depth_that_is_not_used_up(tmp_path: Path) -> None:
    def exposed(share: float, seed: int) -> bytes:
        rng = seeded(f"exposed/{seed}")
        values = np.array([rng.betavariate(1.2, 3) for _ in range(1600)]).reshape(40, 40) * share * 0xFFFF
        values[0, 0] = share * 0xFFFF
        return png16(values.astype(np.uint32))

    files = {f"dark/{seed}": exposed(0.40 + seed / 100, seed) for seed in range(5)}
    files |= {f"varied/{seed}": exposed(share, seed + 9) for seed, share in enumerate((0.2, 0.4, 0.6, 0.8, 1))}
    imported(folder_of(tmp_path / "photos", files))


@pytest.mark.parametrize("order", ["<", ">"])
def test_where_white_is_zero_what_would_come_out_black_is_refused(tmp_path: Path, order: str) -> None:
    def film(highest: int) -> bytes:
        values = 0xFFFF - ramp(highest, side=40)
        values[0, 0] = 0  # a single white pixel
        return tiff(values.astype(order + "u2").tobytes(), (40, 40), bits=(16,), photometric=0, order=order)

    path = folder_of(tmp_path / "films", two_classes(film, 4095, film, 4000))
    refused = refusal(path)
    assert str(refused) == (
        "most of the contrast of the pictures in films would be lost: a has values from 61440 of 65535, where 0 is "
        "white, b has values from 61535 of 65535, where 0 is white"
    )
    assert refused.hint == "--depth 16 if they are meant to be so dark, or save them again with 0 as black"
    imported(path, depth=16)
    assert refusal(path, 12).problems[0].endswith("above the 4095 of 12 bits; it needs --depth 16")


@pytest.mark.parametrize("make", [png_rgb, tiff_rgba, ppm, png_grey, tiff_16, pgm], ids=lambda make: make.__name__)
def test_the_whole_range_said_in_words_makes_what_was_made_without_a_word(tmp_path: Path, make: Make) -> None:
    """As 0.5.1 made it where the range is hardly used: the upper byte of colours, and grey rounded."""
    path = folder_of(tmp_path / "old", two_classes(make, 16_000, make, 13_000))
    found = image_of(path, "a/0", 16)
    if make in (png_rgb, tiff_rgba):
        assert found == (ramp(16_000) >> 8).tolist()
    elif make is not ppm:  # of which Pillow has its own idea
        assert found == ramp_in_8_bits(16_000, 0xFFFF).tolist()
    with Image.open(path / "a" / "0") as image:
        if image.mode == "RGB":
            assert found == np.asarray(image)[..., 0].tolist()
