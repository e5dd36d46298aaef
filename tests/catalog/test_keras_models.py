"""What is said of the models of Keras without asking it; `tests/engines/test_model_table.py` asks."""

from pathlib import Path

import pytest

from qcqueue.catalog.keras_models import TABLE
from qcqueue.catalog.models import MODELS, STUDIED_MODELS, imagenet_file
from qcqueue.engines.keras_tf import pretrained
from tests.docs.test_pages import script

PUBLISHED = "tensorflow/keras-applications"


def test_all_forty_are_there_and_no_two_by_one_name() -> None:
    assert len(MODELS) == len({name.lower() for name in MODELS}) == 40
    assert {*STUDIED_MODELS} < {*MODELS}


@pytest.mark.parametrize(
    ("model", "side_px", "path", "name"),
    [
        ("NASNetMobile", 75, f"{PUBLISHED}/nasnet/NASNet-mobile-no-top.h5", "nasnet_mobile_no_top.h5"),
        ("EfficientNetB0", 75, "keras-applications/efficientnetb0_notop.h5", "efficientnetb0_notop.h5"),
        ("ConvNeXtTiny", 75, f"{PUBLISHED}/convnext/convnext_tiny_notop.h5", "convnext_tiny_notop.h5"),
        ("MobileNet", 160, f"{PUBLISHED}/mobilenet/mobilenet_1_0_160_tf_no_top.h5", "mobilenet_1_0_160_tf_no_top.h5"),
        ("MobileNet", 96, f"{PUBLISHED}/mobilenet/mobilenet_1_0_224_tf_no_top.h5", "mobilenet_1_0_224_tf_no_top.h5"),
    ],
)
def test_where_a_file_is_published_and_what_keras_calls_it(model: str, side_px: int, path: str, name: str) -> None:
    file = imagenet_file(model, (side_px, side_px))
    assert (file.path, file.name) == (path, name)


@pytest.mark.parametrize("model", MODELS)
def test_a_file_of_weights_is_compared_with_what_keras_knows_and_may_be_as_large_as_its_model(model: str) -> None:
    file = imagenet_file(model, (224, 224))
    assert len(file.digest or "") in ((0,) if model in ("MobileNet", "MobileNetV2") else (32, 64))
    assert 4 * MODELS[model].base_parameters <= file.least_bytes < 1.2 * file.least_bytes < pretrained._MOST_BYTES


def test_only_the_first_efficientnets_are_another_graph_with_imagenet_weights() -> None:
    other = {name for name, facts in MODELS.items() if facts.imagenet_scale}
    assert other == {f"EfficientNetB{number}" for number in range(8)}


def test_the_head_of_the_table_is_the_scripts() -> None:
    table = script("model_table")
    assert Path(table.PAGE).read_text(encoding="utf-8") == table.page(TABLE.splitlines())
