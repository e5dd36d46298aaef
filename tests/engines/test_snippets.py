"""The lines that `fetch` shows for plain Keras: they run for every model, and build the one that was trained."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from qcqueue.catalog.models import MODELS
from qcqueue.core.spec import JobSpec
from qcqueue.exports.weights import snippet
from tests.engines.families import smallest_of_each
from tests.engines.worlds import a_dataset, a_spec

pytestmark = [
    pytest.mark.tensorflow,
    # Keras's writer of HDF5 meets numpy 2 in a way that numpy warns of.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]

CLASSES = ("good", "fair", "reject")


def lines_for(spec: JobSpec, path: Path) -> tuple[str, str, str]:
    weights: Any = SimpleNamespace(spec=spec, classes=CLASSES)
    return snippet(weights, str(path))


@pytest.mark.parametrize("model", MODELS)
def test_the_first_line_names_what_keras_has(model: str, tmp_path: Path) -> None:
    names = dict[str, Any]()
    exec(lines_for(a_spec(model=model), tmp_path / "a.weights.h5")[0], names)
    assert names[model].__name__ == model
    assert callable(names["preprocess_input"])


@pytest.mark.long
@pytest.mark.parametrize("model", smallest_of_each().values())
def test_the_lines_build_the_model_of_each_family_that_answers_as_the_trained_one(model: str, tmp_path: Path) -> None:
    from PIL import Image

    from qcqueue.engines.keras_tf.models import build_model
    from qcqueue.engines.keras_tf.trained import write_h5

    side_px = MODELS[model].minimum_side_px
    spec = a_spec(model=model, image_size=(side_px, side_px), dropout=0.0, weights="imagenet")
    trained = build_model(spec, classes=3, weights_path=None, fresh=False)
    for variable in trained.layers[-1].trainable_variables:
        variable.assign(np.linspace(-9, 9, variable.shape.num_elements()).reshape(variable.shape))
    write_h5(tmp_path / "a.weights.h5", trained, {})
    images, names = a_dataset(side_px=side_px).images[:1], dict[str, Any]()
    lines = lines_for(spec, tmp_path / "a.weights.h5")
    Image.fromarray(images[0]).save(tmp_path / "photo.png")
    exec("\n".join(lines).replace("photo.jpg", str(tmp_path / "photo.png")).replace("print", "said = "), names)
    assert list(names["said"]) == list(CLASSES)
    found, expected = list(names["said"].values()), trained(images)[0].numpy().tolist()
    assert found == pytest.approx(expected, rel=1e-4)
    assert max(expected) - min(expected) > 1e-6
