"""The models a job may name, with the facts a laptop must know without importing Keras.

Keys of `MODELS` are the `keras.applications` names, all of them: `keras_models` is their table, which scripts/models
writes from Keras itself. A row also names the engine that builds the model. The model "Toy" is for trials of qcqueue
itself: whoever names it gets it, and no list offers it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qcqueue.catalog.keras_models import TABLE

KERAS_TF = "keras_tf"
"""The engine of Keras models, and of any model that this version does not know."""

_NOTHING = "-"
# By the side of their images, as far as they are known.
_SIZES_BYTES: Mapping[str, Mapping[int, int]] = {"MobileNetV2": {160: 9_406_464, 224: 9_406_464}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """ImageNet weights without the top, as Keras publishes them: a file at `path`, and called `name` in Keras's cache.

    digest: the MD5 or SHA-256 that Keras compares the file with, None where it compares nothing. sides_px: there is a
    file for square images of each of these sides, whose side stands in its path and name, and for all other images the
    largest serves. sizes_bytes: of files that Keras compares with nothing, by their side, as far as they are known.
    """

    path: str
    name: str
    digest: str | None = None
    sides_px: tuple[int, ...] = ()
    sizes_bytes: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageNetFile:
    """The one file with ImageNet weights that Keras asks for when it builds a model for images of one size.

    path: where it lies below the address of all of them. least_bytes: what a whole one has at least.
    """

    model: str
    name: str
    path: str
    digest: str | None
    least_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What can be said of a model before it is built. Parameters are those without the classifier top.

    engine: who builds and trains it, as `engines.registry` calls it. base_trainable: the parameters that an optimizer
    moves where nothing is frozen. features: the inputs of the classifier head.
    """

    engine: str
    minimum_side_px: int
    base_parameters: int
    base_trainable: int
    features: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KerasModel(ModelFacts):
    """A model of `keras.applications`.

    module: the submodule with its `preprocess_input`. imagenet_scale: Keras builds another graph for ImageNet weights,
    which multiplies the channels with these after it has normalized them; () where the graph is the same.
    """

    engine: str = KERAS_TF
    module: str
    imagenet: Published
    imagenet_scale: tuple[float, ...] = ()


def _row(line: str) -> tuple[str, KerasModel]:
    """Return the model of one line of the table."""
    name, module, side_px, parameters, trainable, features, scale, digest, sides_px, path, *cached = line.split()
    return name, KerasModel(
        module=module,
        minimum_side_px=int(side_px),
        base_parameters=int(parameters),
        base_trainable=int(trainable),
        features=int(features),
        imagenet_scale=tuple(map(float, _cells(scale))),
        imagenet=Published(
            path=path,
            name=cached[0] if cached else path.rpartition("/")[2],
            digest=None if digest == _NOTHING else digest,
            sides_px=tuple(map(int, _cells(sides_px))),
            sizes_bytes=_SIZES_BYTES.get(name, {}),
        ),
    )


def _cells(text: str) -> Sequence[str]:
    return () if text == _NOTHING else text.split(",")


MODELS: Mapping[str, KerasModel] = dict(map(_row, TABLE.splitlines()))
"""Every model of `keras.applications`."""

# The six models of the article this project exists for, cheapest to train first.
STUDIED_MODELS = ("VGG16", "Xception", "ResNet50V2", "InceptionV3", "DenseNet121", "InceptionResNetV2")


TOY = ModelFacts(engine="toy", minimum_side_px=4, base_parameters=800, base_trainable=784, features=16)

KNOWN_MODELS: Mapping[str, ModelFacts] = {**MODELS, "Toy": TOY}
"""Every model a job may name."""


def engine_name(model: str) -> str:
    """Return the engine of a model; that of one which this version does not know can say best what is wrong."""
    facts = KNOWN_MODELS.get(model)
    return facts.engine if facts else KERAS_TF


def imagenet_file(model: str, image_size: tuple[int, int]) -> ImageNetFile:
    """Return the file that Keras asks for when it builds `model` for images of (height, width) in pixels."""
    facts = MODELS[model]
    published, side_px = facts.imagenet, None
    if published.sides_px:
        height, width = image_size
        side_px = height if height == width and height in published.sides_px else max(published.sides_px)
    return ImageNetFile(
        model=model,
        name=published.name.format(side_px),
        path=published.path.format(side_px),
        digest=published.digest,
        # Whatever else it holds, it holds the parameters, of four bytes each.
        least_bytes=published.sizes_bytes.get(side_px or 0, 4 * facts.base_parameters),
    )
