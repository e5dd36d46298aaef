"""The models a job may name, with the facts a laptop must know without importing Keras.

Keys are the `keras.applications` names. `minimum_side_px` is the smallest image the architecture accepts
without its classifier top (read from Keras's own checks). `module` is the `keras.applications` submodule that
holds the model's `preprocess_input`. A new model is one entry here; `training.models` builds it by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What can be said of a model before it is built. Parameters are those without the classifier top.

    base_trainable: those that an optimizer moves where nothing is frozen. features: the inputs of the classifier head.
    """

    module: str
    minimum_side_px: int
    base_parameters: int
    base_trainable: int
    features: int


MODELS: Mapping[str, ModelFacts] = {
    "Xception": ModelFacts(
        module="xception", minimum_side_px=71, base_parameters=20_861_480, base_trainable=20_806_952, features=2048
    ),
    "VGG16": ModelFacts(
        module="vgg16", minimum_side_px=32, base_parameters=14_714_688, base_trainable=14_714_688, features=512
    ),
    "InceptionV3": ModelFacts(
        module="inception_v3", minimum_side_px=75, base_parameters=21_802_784, base_trainable=21_768_352, features=2048
    ),
    "DenseNet121": ModelFacts(
        module="densenet", minimum_side_px=32, base_parameters=7_037_504, base_trainable=6_953_856, features=1024
    ),
    "InceptionResNetV2": ModelFacts(
        module="inception_resnet_v2",
        minimum_side_px=75,
        base_parameters=54_336_736,
        base_trainable=54_276_192,
        features=1536,
    ),
    "ResNet50V2": ModelFacts(
        module="resnet_v2", minimum_side_px=32, base_parameters=23_564_800, base_trainable=23_519_360, features=2048
    ),
    "MobileNetV2": ModelFacts(
        module="mobilenet_v2", minimum_side_px=32, base_parameters=2_257_984, base_trainable=2_223_872, features=1280
    ),
}

# The six models of the article this project exists for, cheapest to train first.
STUDIED_MODELS = ("VGG16", "Xception", "ResNet50V2", "InceptionV3", "DenseNet121", "InceptionResNetV2")
