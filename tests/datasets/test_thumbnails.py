"""A thumbnail is small in pixels and bytes, looks like its image, and is the same whenever it is made."""

import io

import numpy as np
import pytest
from PIL import Image

from qcqueue.datasets.decode import Thumbnail, thumbnail
from qcqueue.datasets.format import Bytes
from tests.browser.pages import photographs


def a_photograph(side: int) -> Bytes:
    pixels: Bytes = photographs(validation=1, test=1, side=side).images[0]
    return pixels


def a_drawing(height: int, width: int) -> Bytes:
    """Half red, half blue: what JPEG makes larger than PNG."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 200
    pixels[:, width // 2 :, 2] = 200
    return pixels


def opened(small: Thumbnail) -> Image.Image:
    return Image.open(io.BytesIO(small.content))


@pytest.mark.parametrize(("pixels", "kind"), [(a_photograph(96), "JPEG"), (a_drawing(96, 96), "PNG")])
def test_a_photograph_is_a_jpeg_and_a_drawing_a_png_and_both_say_so(pixels: Bytes, kind: str) -> None:
    small = thumbnail(pixels, longest_side=96)
    assert opened(small).format == kind
    assert small.media_type == f"image/{kind.lower()}"
    assert len(small.content) < pixels.nbytes / 4


@pytest.mark.parametrize(
    ("height", "width", "size"), [(300, 200, (64, 96)), (10, 1000, (96, 1)), (75, 75, (75, 75)), (1, 1, (1, 1))]
)
def test_it_is_made_smaller_and_never_larger(height: int, width: int, size: tuple[int, int]) -> None:
    assert opened(thumbnail(a_drawing(height, width), longest_side=96)).size == size


@pytest.mark.parametrize("pixels", [a_photograph(96), a_drawing(96, 96)], ids=["photograph", "drawing"])
def test_it_looks_like_its_image(pixels: Bytes) -> None:
    seen = np.asarray(opened(thumbnail(pixels, longest_side=96)).convert("RGB"), np.float64)
    assert np.abs(seen.mean(axis=(0, 1)) - pixels.mean(axis=(0, 1))).max() < 2
    assert np.abs(seen - pixels).mean() < 16


def test_the_same_pixels_give_the_same_bytes() -> None:
    assert thumbnail(a_photograph(120), longest_side=96) == thumbnail(a_photograph(120), longest_side=96)
