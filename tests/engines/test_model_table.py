"""The table of models is what Keras says: of each family the smallest is built again, and all where there is time."""

import pytest

from qcqueue.catalog.keras_models import TABLE
from qcqueue.catalog.models import MODELS
from tests.docs.test_pages import script
from tests.engines.families import smallest_of_each


@pytest.mark.tensorflow
@pytest.mark.parametrize("model", smallest_of_each().values())
def test_the_smallest_of_each_family_is_as_large_in_keras(model: str) -> None:
    table, facts = script("model_table"), MODELS[model]
    base = table.built(model, facts.minimum_side_px)
    assert base.count_params() == facts.base_parameters
    assert table.trained(base) == facts.base_trainable
    assert base.output_shape == (None, facts.features)
    assert not any(variable.numpy().any() for variable in base.trainable_variables), "they are to be zeros"


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "model",
    [pytest.param(name, marks=() if name in ("MobileNet", "EfficientNetB0") else pytest.mark.long) for name in MODELS],
)
@pytest.mark.filterwarnings("ignore:`input_shape` is undefined or non-square:UserWarning")
def test_the_table_is_what_keras_says(model: str) -> None:
    [line] = [line for line in TABLE.splitlines() if line.startswith(f"{model} ")]
    assert script("model_table").line(model) == line, "type scripts/models"


@pytest.mark.tensorflow
def test_keras_has_no_other_models() -> None:
    assert script("model_table").names() == list(MODELS), "type scripts/models"
