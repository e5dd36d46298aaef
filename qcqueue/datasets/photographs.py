"""The photographs behind the practice set: where they lie, who made them, under which terms, and in which split.

Only photographs that ship inside the scikit-image and scikit-learn wheels and whose terms those libraries state, in
the docstrings of skimage.data and in sklearn/datasets/images/README.txt. Left out: pictures those libraries download,
drawings and computed images, the moon and the page (no terms stated), the clock (blurred from birth), the deep field
(nearly black). A photograph belongs to one split for good: that is what keeps train and test apart.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from qcqueue.datasets.format import Split
from qcqueue.errors import ExtraMissing

EXTRA = 'pip install "qcqueue[sample]"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """One source photograph. file is its path inside the installed package."""

    name: str
    title: str
    author: str
    licence: str
    origin: str
    package: str
    file: str
    split: Split


PHOTOGRAPHS = (
    Photograph(
        name="astronaut",
        title="Eileen Collins",
        author="NASA",
        licence="public domain, no known copyright restrictions",
        origin="https://flic.kr/p/r9qvLn",
        package="skimage",
        file="data/astronaut.png",
        split=Split.TRAIN,
    ),
    Photograph(
        name="brick",
        title="Brick wall (Bricks25)",
        author="CC0Textures",
        licence="CC0",
        origin="https://cc0textures.com/view.php?tex=Bricks25",
        package="skimage",
        file="data/brick.png",
        split=Split.TRAIN,
    ),
    Photograph(
        name="cat",
        title="Chelsea the cat",
        author="Stefan van der Walt",
        licence="CC0",
        origin="skimage.data.chelsea",
        package="skimage",
        file="data/chelsea.png",
        split=Split.TRAIN,
    ),
    Photograph(
        name="coffee",
        title="Coffee cup, courtesy of Pikolo Espresso Bar",
        author="Rachel Michetti",
        licence="CC0",
        origin="skimage.data.coffee",
        package="skimage",
        file="data/coffee.png",
        split=Split.TRAIN,
    ),
    Photograph(
        name="gravel",
        title="Gravel (Gravel04)",
        author="CC0Textures",
        licence="CC0",
        origin="https://cc0textures.com/view.php?tex=Gravel04",
        package="skimage",
        file="data/gravel.png",
        split=Split.TRAIN,
    ),
    Photograph(
        name="retina",
        title="Fundus photograph of normal left eye",
        author="Mikael Häggström",
        licence="CC0 1.0",
        origin="https://commons.wikimedia.org/wiki/File:Fundus_photograph_of_normal_left_eye.jpg",
        package="skimage",
        file="data/retina.jpg",
        split=Split.TRAIN,
    ),
    Photograph(
        name="rocket",
        title="Launch of DSCOVR on Falcon 9",
        author="SpaceX",
        licence="public domain",
        origin="https://www.flickr.com/photos/spacexphotos/16511594820/",
        package="skimage",
        file="data/rocket.jpg",
        split=Split.TRAIN,
    ),
    Photograph(
        name="china",
        title="china.jpg",
        author="danielbuechele",
        licence="CC BY 2.0",
        origin="https://www.flickr.com/photos/danielbuechele/6061409035/",
        package="sklearn",
        file="datasets/images/china.jpg",
        split=Split.VALIDATION,
    ),
    Photograph(
        name="coins",
        title="Greek coins from Pompeii",
        author="Brooklyn Museum Collection",
        licence="no known copyright restrictions",
        origin="https://www.brooklynmuseum.org/opencollection/archives/image/51611",
        package="skimage",
        file="data/coins.png",
        split=Split.VALIDATION,
    ),
    Photograph(
        name="tissue",
        title="Colonic glands, immunohistochemical staining",
        author="Center for Microscopy And Molecular Imaging (CMMI)",
        licence="no known copyright restrictions",
        origin="skimage.data.immunohistochemistry",
        package="skimage",
        file="data/ihc.png",
        split=Split.VALIDATION,
    ),
    Photograph(
        name="camera",
        title="Photographer with a camera",
        author="Lav Varshney",
        licence="CC0",
        origin="skimage.data.camera",
        package="skimage",
        file="data/camera.png",
        split=Split.TEST,
    ),
    Photograph(
        name="flower",
        title="flower.jpg",
        # The README of scikit-learn credits the author of china.jpg, but its own links lead to this one.
        author="vultilion",
        licence="CC BY 2.0",
        origin="https://www.flickr.com/photos/vultilion/6056698931/",
        package="sklearn",
        file="datasets/images/flower.jpg",
        split=Split.TEST,
    ),
    Photograph(
        name="grass",
        title="Grass 01",
        author="linolafett",
        licence="CC0",
        origin="https://www.deviantart.com/linolafett/art/Grass-01-434853879",
        package="skimage",
        file="data/grass.png",
        split=Split.TEST,
    ),
)


def attribution() -> str:
    """Return one line a photograph, fit to be shown wherever pictures of the practice set are."""
    lines = (f"{photo.title}, by {photo.author}, {photo.licence}, {photo.origin}" for photo in PHOTOGRAPHS)
    return "Cropped, resized and degraded from:\n" + "\n".join(lines)


def locate(photograph: Photograph) -> Path:
    """Return the photograph's file in the installed package, without importing that package. Raises: ExtraMissing."""
    found = find_spec(photograph.package)
    if found is None or found.origin is None:
        raise ExtraMissing(f"the practice set needs the photographs of {photograph.package}", hint=EXTRA)
    path = Path(found.origin).parent / photograph.file
    if not path.is_file():
        raise ExtraMissing(f"this {photograph.package} was installed without {photograph.file}", hint=EXTRA)
    return path
