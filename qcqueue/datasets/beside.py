"""Which files by their names belong to an image beside them: masks, thumbnails, other sizes, other endings.

Owns the words and marks that such names bear; `selection` refuses the files and says how to leave them out. Only where
the image itself lies in the same folder does a name say anything.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qcqueue.datasets.outline import base, parent

BESIDE_WORDS = re.compile(
    "masks?|seg|segm|segmentations?|segmented|superpixels?|labels?|annotations?|annotated|gt|groundtruth|overlays?"
    "|contours?|heatmaps?|thumbs?|thumbnails?|tn|previews?"
)
IMAGE_WORDS = re.compile("images?|imgs?|originals?|orig|photos?|scans?|pictures?|raw|rgb")
DERIVED = re.compile(
    r"""
    [-_. ] \(? (\d{2,5}x\d{2,5} | scaled | small | medium | large | thumb | thumbnail | tn | preview | resized | edited
    | annos? | annotated | lesions? | outline) \)?  |  @[234]x
    """,
    re.VERBOSE,
)
"""How the name of a file goes on after that of the picture it was made from."""

MADE_FROM = (
    ("png", ("jpg", "jpeg", "tif", "tiff", "bmp")),
    ("gif", ("jpg", "tif", "png")),
    ("jpg", ("tif", "tiff", "bmp", "dcm")),
    ("jpeg", ("tif", "tiff", "bmp", "dcm")),
    *(
        (ending, ("jpg", "jpeg", "png", "tif", "tiff", "bmp"))
        for ending in ("webp", "avif", "jxl", "jp2", "heic", "heif")
    ),
)
"""Endings of files that are made from one of the same name with one of the other endings."""

SELDOM_ALONE = {"webp", "avif", "jxl", "heic", "heif"}
"""Endings that programs write beside each picture, so that one such pair says enough."""

WORD = re.compile(r"\d+|[^\W\d_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOfClass:
    """One file that may be an image. name: its path below its class folder, in NFC."""

    path: str
    class_name: str
    name: str


def files_beside(candidates: Sequence[FileOfClass]) -> Iterator[tuple[FileOfClass, FileOfClass]]:
    """Yield what by its name is a mask, thumbnail or the like of another file beside it, with that file."""
    by_folder: defaultdict[str, list[FileOfClass]] = defaultdict(list)
    for one in candidates:
        by_folder[parent(one.path)].append(one)
    for files in by_folder.values():
        image_of: dict[tuple[str, ...], FileOfClass] = {}
        odd: list[FileOfClass] = []
        for one in files:
            words = words_of(stem_of(one.name))
            if any(map(BESIDE_WORDS.fullmatch, words)):
                odd.append(one)
            else:
                image_of.setdefault(tuple(words), one)
                image_of.setdefault(tuple(word for word in words if not IMAGE_WORDS.fullmatch(word)), one)
        for one in odd:
            image = next(
                (image_of[key] for key in _keys_of_image(words_of(stem_of(one.name))) if key in image_of), None
            )
            if image is not None:
                yield one, image
        yield from _derived(files)
        yield from _of_two_endings(files)


def _derived(files: Sequence[FileOfClass]) -> Iterator[tuple[FileOfClass, FileOfClass]]:
    """Yield what is called like another file and then by what was done to it, such as 7-150x150.jpg beside 7.jpg."""
    by_stem = {stem_of(one.name).casefold(): one for one in reversed(files)}
    for one in files:
        suffix = suffix_of(one.name)
        image = by_stem.get(stem_of(one.name).casefold().removesuffix(suffix.casefold())) if suffix else None
        if image is not None:
            yield one, image


def suffix_of(name: str) -> str:
    """Return how a name ends by what was done to a picture, "" where it does not."""
    stem = stem_of(name)
    found = next((match for match in DERIVED.finditer(stem.casefold()) if match.end() == len(stem)), None)
    return stem[found.start() :] if found and found.start() else ""


def _keys_of_image(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the words an image may be called by, given those of its mask: "7_mask_2" belongs to "7", "7_2"."""
    is_odd = [bool(BESIDE_WORDS.fullmatch(word)) for word in words]
    yield tuple(word for word, odd in zip(words, is_odd, strict=True) if not odd)
    after = [False, *is_odd]
    numbered = [odd or (before and word.isdigit()) for word, odd, before in zip(words, is_odd, after, strict=False)]
    yield tuple(word for word, odd in zip(words, numbered, strict=True) if not odd)


def _of_two_endings(files: Sequence[FileOfClass]) -> Iterator[tuple[FileOfClass, FileOfClass]]:
    """Yield the PNG of every 7.jpg, 7.png where all files of one ending have a twin of the other, as masks have.

    Of two endings that each have all their twins in the other, the one that `MADE_FROM` names first is made from it.
    """
    by_ending: defaultdict[str, dict[str, FileOfClass]] = defaultdict(dict)
    for one in files:
        by_ending[one.name.casefold().rpartition(".")[2]][stem_of(one.name)] = one
    for ending, others in MADE_FROM:
        for other in others:
            odd, images = by_ending.get(ending, {}), by_ending.get(other, {})
            if len(odd) > (ending not in SELDOM_ALONE) and odd.keys() <= images.keys():
                yield from ((one, images[stem]) for stem, one in odd.items())


def stem_of(name: str) -> str:
    """Return the name of a file without its ending."""
    return base(name).rpartition(".")[0] or base(name)


def words_of(text: str) -> list[str]:
    """Return the words of a name, a number being one too."""
    joined = re.sub(r"ground[\W_]*truth", "groundtruth", text.casefold())
    return WORD.findall(joined)
