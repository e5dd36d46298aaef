"""How much is too much, and how names and reasons from outside are shown in a sentence.

Every loop over somebody else's bytes has a bound, and the bounds stand here together so that one look shows them.
They are far above any honest dataset of small images and far below what would hurt a laptop.
"""

from qcqueue.errors import DatasetInvalid

FILES_MAX = 200_000
FILE_SIZE_BYTES_MAX = 256 * 1024**2
TREE_SIZE_BYTES_MAX = 64 * 1024**3

CSV_SIZE_BYTES_MAX = 64 * 1024**2

ZIP_RATIO_MAX = 200
"""Unpacked over packed, whole archive: photographs are near 1, empty scans near 100, bombs begin at 1000."""

ZIP_RATIO_FREE_BYTES = 64 * 1024**2
"""An archive that unpacks to less than this is harmless at any ratio."""

PIXELS_MAX = 100_000_000
DEPTH_MAX = 16
PATH_LENGTH_MAX = 1024
PATTERN_LENGTH_MAX = 200
CLASSES_MAX = 255
CLASS_NAME_LENGTH_MAX = 64
SIDE_PIXELS_MIN, SIDE_PIXELS_MAX = 8, 2048
DATASET_SIZE_BYTES_MAX = 8 * 1024**3


def check_size(count: int, image_size: tuple[int, int]) -> None:
    """Refuse a picture size, or a number of pictures of it, that no machine here could hold. Raises: DatasetInvalid."""
    height, width = image_size
    if not (SIDE_PIXELS_MIN <= height <= SIDE_PIXELS_MAX and SIDE_PIXELS_MIN <= width <= SIDE_PIXELS_MAX):
        raise DatasetInvalid(
            f"an image size of {height}x{width} is not between {SIDE_PIXELS_MIN} and {SIDE_PIXELS_MAX} pixels a side",
            hint="--image-size 75x75",
        )
    size_bytes = count * height * width * 3
    if size_bytes > DATASET_SIZE_BYTES_MAX:
        raise DatasetInvalid(
            f"{count} images of {height}x{width} would take {size_bytes / 1024**3:.1f} GiB of memory; "
            f"{DATASET_SIZE_BYTES_MAX // 1024**3} GiB is the most",
            hint="choose a smaller --image-size or fewer images",
        )


def shown(name: str) -> str:
    """Return `name` fit for one line of a terminal: no control characters, no endless length."""
    safe = name if name.isprintable() and name == name.strip() and name else ascii(name)
    return safe if len(safe) <= 120 else f"{safe[:80]}...{safe[-30:]}"


def reason(exc: Exception) -> str:
    """Return what a foreign library said, fit for one line; its kind where it said nothing."""
    return shown(" ".join(str(exc).split()) or type(exc).__name__)
