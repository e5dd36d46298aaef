"""The models a job may name, with the facts a laptop must know without importing Keras.

Keys of `MODELS` are the `keras.applications` names. `minimum_side_px` is the smallest image the architecture accepts
without its classifier top (read from Keras's own checks). `module` is the `keras.applications` submodule that
holds the model's `preprocess_input`, and `imagenet` the file of weights that Keras asks for. A new model is one entry
here, which also names the engine that builds it. The model "Toy" is for trials of qcqueue itself: whoever names it gets
it, and no list offers it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

KERAS_TF = "keras_tf"
"""The engine of Keras models, and of any model that this version does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """ImageNet weights without the top, as Keras publishes them: a file below `folder`, and in Keras's cache.

    md5: what Keras compares the file with, None where it compares nothing. sides_px: there is a file for square images
    of each of these sides, whose side stands in its name, and for all other images the largest serves. sizes_bytes: of
    files that Keras compares with nothing, as far as they are known.
    """

    folder: str
    name: str
    md5: str | None = None
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
    md5: str | None
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
    """A model of `keras.applications`."""

    engine: str = KERAS_TF
    module: str
    imagenet: Published


MODELS: Mapping[str, KerasModel] = {
    "Xception": KerasModel(
        module="xception",
        minimum_side_px=71,
        base_parameters=20_861_480,
        base_trainable=20_806_952,
        features=2048,
        imagenet=Published(
            folder="xception",
            name="xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
            md5="b0042744bf5b25fce3cb969f33bebb97",
        ),
    ),
    "VGG16": KerasModel(
        module="vgg16",
        minimum_side_px=32,
        base_parameters=14_714_688,
        base_trainable=14_714_688,
        features=512,
        imagenet=Published(
            folder="vgg16",
            name="vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
            md5="6d6bbae143d832006294945121d1f1fc",
        ),
    ),
    "InceptionV3": KerasModel(
        module="inception_v3",
        minimum_side_px=75,
        base_parameters=21_802_784,
        base_trainable=21_768_352,
        features=2048,
        imagenet=Published(
            folder="inception_v3",
            name="inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
            md5="bcbd6486424b2319ff4ef7d526e38f63",
        ),
    ),
    "DenseNet121": KerasModel(
        module="densenet",
        minimum_side_px=32,
        base_parameters=7_037_504,
        base_trainable=6_953_856,
        features=1024,
        imagenet=Published(
            folder="densenet",
            name="densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
            md5="30ee3e1110167f948a6b9946edeeb738",
        ),
    ),
    "InceptionResNetV2": KerasModel(
        module="inception_resnet_v2",
        minimum_side_px=75,
        base_parameters=54_336_736,
        base_trainable=54_276_192,
        features=1536,
        imagenet=Published(
            folder="inception_resnet_v2",
            name="inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
            md5="d19885ff4a710c122648d3b5c3b684e4",
        ),
    ),
    "ResNet50V2": KerasModel(
        module="resnet_v2",
        minimum_side_px=32,
        base_parameters=23_564_800,
        base_trainable=23_519_360,
        features=2048,
        imagenet=Published(
            folder="resnet",
            name="resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
            md5="fac2f116257151a9d068a22e544a4917",
        ),
    ),
    "MobileNetV2": KerasModel(
        module="mobilenet_v2",
        minimum_side_px=32,
        base_parameters=2_257_984,
        base_trainable=2_223_872,
        features=1280,
        imagenet=Published(
            folder="mobilenet_v2",
            name="mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{}_no_top.h5",
            sides_px=(96, 128, 160, 192, 224),
            sizes_bytes={160: 9_406_464, 224: 9_406_464},
        ),
    ),
}

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
    name = published.name.format(side_px)
    return ImageNetFile(
        model=model,
        name=name,
        path=f"{published.folder}/{name}",
        md5=published.md5,
        # Whatever else it holds, it holds the parameters, of four bytes each.
        least_bytes=published.sizes_bytes.get(side_px or 0, 4 * facts.base_parameters),
    )
