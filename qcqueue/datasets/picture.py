"""One image read: what is seen in 8 bits, what is stored in more, and how both become pixels of the asked size.

Leaves to `decode` how a file is read, and takes no part of it: whatever kind a file was of, its pixels are made here.
How a mode becomes RGB: grey is repeated; anything transparent is laid over white; a rotation is carried out; then one
resize with a Lanczos filter, which averages when it shrinks. Proportions are not kept.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from qcqueue.datasets.deep import FULL, Deep, bits_for, white_of
from qcqueue.datasets.format import Bytes
from qcqueue.errors import DatasetInvalid

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPicture:
    """One file, read but neither scaled nor resized. named: how an error calls it.

    deep: the stored values where they have more than 8 bits. shown: RGB; beside `deep`, what is taken where nobody says
    which value is white. orientation: as in EXIF. has_window: shown as its DICOM file says.
    """

    named: str
    shown: Image.Image | None = None
    deep: Deep | None = None
    orientation: int = 1
    has_window: bool = False


def pixels_of(picture: StoredPicture, *, image_size: tuple[int, int], white: int | None = None) -> Bytes:
    """Return uint8 [height, width, 3]; white as in `decode`. Raises: DatasetInvalid: a value is above it."""
    found = picture.deep
    # The whole range said in words is the whole range: pictures of before `--depth` are made again by saying it.
    is_whole = white is None or (found is not None and white == found.full == FULL)
    if found is None or (is_whole and picture.shown is not None):
        assert picture.shown is not None
        image = picture.shown
    else:
        if problem := above(picture, white):
            raise DatasetInvalid(problem, hint=f"--depth {bits_for(found.highest)}, or --depth auto")
        image = rgb(found.image(max(1, found.full if white is None else white)))
    turn = TURNS.get(picture.orientation)
    upright = image if turn is None else image.transpose(turn)
    return np.asarray(upright.resize((image_size[1], image_size[0]), Image.Resampling.LANCZOS), np.uint8)


def above(picture: StoredPicture, white: int | None) -> str | None:
    """Return a sentence where a picture has a value above white, which would otherwise be lost."""
    found = picture.deep
    limit = white if white is not None else found.full if found else 0
    if found is None or found.highest <= limit:
        return None
    bits = limit.bit_length()
    said = f"the {limit} of {bits} bits" if limit == white_of(bits) else f"{limit}, which is white"
    return f"{picture.named} has the value {found.highest}, above {said}; it needs --depth {bits_for(found.highest)}"


def check_white_is_known(picture: StoredPicture, white: int | None) -> None:
    """Refuse a picture alone that would come out darker than those of its dataset, or lose what is bright in it.

    In an import the others tell; here the person has to. Raises: DatasetInvalid.
    """
    found = picture.deep
    if found is None:
        return
    hint = f"give its depth: depth={bits_for(found.highest)}"
    if problem := above(picture, white):
        raise DatasetInvalid(problem.partition(";")[0], hint=hint)
    if white is None and (used := found.used()).is_dim:
        is_simple = used.bulk == used.highest and not used.is_black
        what = f"its highest value is {used.highest} of {used.full}" if is_simple else f"has {used.words()}"
        raise DatasetInvalid(
            f"{picture.named} has more than 8 bits and {what}, and its dataset does not say which value is white",
            hint=hint,
        )


def rgb(image: Image.Image) -> Image.Image:
    """Return what a person sees of an image of 8 bits a sample."""
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        picture = image.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(paper, picture).convert("RGB")
    return image.convert("RGB")
