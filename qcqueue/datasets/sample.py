"""The practice set: thousands of small pictures whose quality is known, because we spoiled them ourselves.

Owns the recipe; `photographs` owns the sources, `degrade` the damage. No download, a few seconds, and the same
bytes for the same seed and library versions. Synthetic degradations, not clinical data: it stands in for a private
medical set of the same size and shape so that everything can be tried before the real one is at hand.

    good      severity 0       a crop as it is
    fair      severity 1       one mild degradation
    reject    severity 2, 3    one moderate or severe degradation, half and half

Every crop, good ones too, is mirrored and turned at will and has imperceptible changes of light and noise, so that
none of these tells the class. Classes and source photographs are dealt in turn, hence equally many of each in every
split; kind, severity and crop are drawn. A name says where a picture is from: "flower/0042-motion-3".
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from qcqueue.clock import seeded
from qcqueue.datasets.degrade import Chance, Degradation, degrade, exposed, noisy
from qcqueue.datasets.format import Bytes, Dataset, Split, arrange
from qcqueue.datasets.limits import check_size
from qcqueue.datasets.photographs import PHOTOGRAPHS, Photograph, attribution, locate
from qcqueue.datasets.split import proportional_totals
from qcqueue.errors import DatasetInvalid

CLASSES = ("good", "fair", "reject")
NOTE = "synthetic degradations, not clinical data"
IMAGES = 3236
IMAGES_MIN = 3 * len(CLASSES)

CROP_CANDIDATES = 3
"""Of so many crops the one with most detail is taken: nobody could judge the sharpness of a piece of sky."""

PHOTOGRAPH_SIDES_MAX = 8
"""A photograph is first shrunk to so many picture heights; finer detail would be averaged away at every crop."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels of the photograph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePicture:
    """One picture to be made: everything about it that does not need pixels."""

    photograph: Photograph
    number: int
    label: int
    severity: int
    kind: Degradation | None

    @property
    def name(self) -> str:
        damage = f"{self.kind}-{self.severity}" if self.kind else "clean"
        return f"{self.photograph.name}/{self.number:04d}-{damage}"


def build_sample(
    *,
    images: int = IMAGES,
    image_size: tuple[int, int] = (75, 75),
    seed: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Dataset:
    """Return a practice set of `images` pictures, split as 2200:550:486 with no photograph in two splits.

    progress: told (pictures done, pictures in all).
    Raises: ExtraMissing: the photographs are not installed. DatasetInvalid: no such number or size of pictures.
    """
    if images < IMAGES_MIN:
        raise DatasetInvalid(
            f"a practice set of {images} images is too small; {IMAGES_MIN} is the least", hint=f"--images {IMAGES_MIN}"
        )
    check_size(images, image_size)
    sources = {photo.name: _opened(photo, image_size) for photo in PHOTOGRAPHS}
    pictures = plan(images, seed)
    made = np.empty((images, *image_size, 3), np.uint8)
    for index, picture in enumerate(pictures):
        made[index] = _made(picture, sources[picture.photograph.name], image_size, seed)
        progress(index + 1, images)
    return arrange(
        names=[picture.name for picture in pictures],
        images=made,
        columns=(
            np.array([picture.label for picture in pictures], np.uint8),
            np.array([picture.photograph.split for picture in pictures], np.uint8),
            np.array([picture.severity for picture in pictures], np.uint8),
        ),
        classes=CLASSES,
        source=f"photographs bundled with scikit-image and scikit-learn, seed {seed}",
        note=NOTE,
        attribution=attribution(),
    )


def plan(images: int, seed: int) -> list[SamplePicture]:
    """Return what pictures a set of this size has: pure, no photograph is opened."""
    totals = proportional_totals(images, least=len(CLASSES))
    pictures = []
    for split in Split:
        photographs = [photo for photo in PHOTOGRAPHS if photo.split == split]
        for index in range(totals[split]):
            number, label = divmod(index, len(CLASSES))
            photograph = photographs[number % len(photographs)]
            pictures.append(_planned(photograph, index, label, seeded(f"plan/{seed}/{split}/{index}")))
    return pictures


def _planned(photograph: Photograph, number: int, label: int, chance: Chance) -> SamplePicture:
    kind, severity = list(Degradation)[int(chance.random() * len(Degradation))], 2 + int(chance.random() * 2)
    if CLASSES[label] == "good":
        return SamplePicture(photograph=photograph, number=number, label=label, severity=0, kind=None)
    if CLASSES[label] == "fair":
        severity = 1
    return SamplePicture(photograph=photograph, number=number, label=label, severity=severity, kind=kind)


def _opened(photograph: Photograph, image_size: tuple[int, int]) -> Image.Image:
    with Image.open(locate(photograph)) as image:
        picture = image.convert("RGB")
    side_max = PHOTOGRAPH_SIDES_MAX * max(image_size)
    if min(picture.size) > side_max:
        shrink = side_max / min(picture.size)
        size = (round(picture.width * shrink), round(picture.height * shrink))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return picture


def _made(picture: SamplePicture, source: Image.Image, image_size: tuple[int, int], seed: int) -> Bytes:
    chance = seeded(f"pixels/{seed}/{picture.name}")
    boxes = [_box(source, image_size, chance) for _ in range(CROP_CANDIDATES)]
    box = max(boxes, key=lambda box: _detail(source, box, image_size))
    pixels = _turned(np.asarray(_resized(source, box, image_size, Image.Resampling.LANCZOS)), chance)
    pixels = exposed(pixels, 0.95 + 0.1 * chance.random())
    if picture.kind is not None:
        pixels = degrade(pixels, picture.kind, picture.severity, chance)
    return noisy(pixels, 1.5 * chance.random(), chance)


def _box(source: Image.Image, image_size: tuple[int, int], chance: Chance) -> Box:
    """Return a drawn piece of the photograph, of the picture's proportions."""
    height, width = image_size
    largest = min(source.height / height, source.width / width)
    # Two source pixels or more to one of ours hide the softness of the source: a good picture must look sharp.
    smallest = min(max(2.0, 0.3 * largest), 0.6 * largest)
    scale = smallest + (0.8 * largest - smallest) * chance.random()
    left = (source.width - width * scale) * chance.random()
    top = (source.height - height * scale) * chance.random()
    return (left, top, left + width * scale, top + height * scale)


def _resized(source: Image.Image, box: Box, image_size: tuple[int, int], how: Image.Resampling) -> Image.Image:
    return source.resize((image_size[1], image_size[0]), how, box=box)


def _turned(pixels: Bytes, chance: Chance) -> Bytes:
    """Return the picture mirrored and, if square, turned by quarters, as drawn."""
    if chance.random() < 0.5:
        pixels = pixels[:, ::-1]
    if pixels.shape[0] == pixels.shape[1]:
        pixels = np.rot90(pixels, int(chance.random() * 4))
    return pixels


def _detail(source: Image.Image, box: Box, image_size: tuple[int, int]) -> int:
    """Return how much neighbouring pixels of a crop differ, summed. Unfiltered, since it is only a hint and hot."""
    green = np.asarray(_resized(source, box, image_size, Image.Resampling.NEAREST))[..., 1].astype(np.int32)
    return int(np.abs(np.diff(green, axis=0)).sum() + np.abs(np.diff(green, axis=1)).sum())
