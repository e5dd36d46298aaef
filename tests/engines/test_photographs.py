"""A photograph shown to a trained model is prepared as the pictures of its dataset were."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qcqueue.errors import DatasetInvalid, UserError
from tests.datasets.pictures import encoded, png16
from tests.engines.worlds import a_spec

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    for name, content in (
        ("12-bits.png", png16(np.full((8, 8), 2048, np.uint16))),
        ("16-bits.png", png16(np.full((8, 8), 32_768, np.uint16))),
        ("8-bits.png", encoded(Image.new("L", (8, 8), 128))),
    ):
        (tmp_path / name).write_bytes(content)
    return tmp_path


def model(monkeypatch: pytest.MonkeyPatch, **about: Any) -> Any:
    """A model whose answer is the brightness it sees, 0 to 1."""
    import tensorflow as tf

    from qcqueue.engines.keras_tf import trained

    def brightness(images: Any, training: bool) -> Any:
        return tf.reduce_mean(tf.cast(images, tf.float32), axis=(1, 2))[:, :1] / 255

    monkeypatch.setattr(trained, "_built", lambda spec, classes, tensors: brightness)
    return trained.TrainedModel(a_spec(), ("bright",), {}, **about)


def test_a_deep_photograph_is_scaled_as_the_dataset_was(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = model(monkeypatch, deep_white=4095)
    assert asked.predict(photographs / "12-bits.png")["bright"] == pytest.approx(128 / 255)
    assert asked.predict(photographs / "8-bits.png")["bright"] == pytest.approx(128 / 255)
    with pytest.raises(DatasetInvalid, match=r"^16-bits.png has the value 32768, above the 4095 of 12 bits$") as caught:
        asked.predict(photographs / "16-bits.png")
    assert caught.value.hint == "give its depth: depth=16"
    assert asked.predict(photographs / "16-bits.png", depth=16)["bright"] == pytest.approx(128 / 255)


def test_where_the_dataset_says_nothing_a_photograph_is_not_guessed_at(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = model(monkeypatch)
    assert asked.predict(photographs / "16-bits.png")["bright"] == pytest.approx(128 / 255)
    with pytest.raises(
        DatasetInvalid, match=r"^12-bits.png has more than 8 bits and its highest value is 2048"
    ) as caught:
        asked.predict(photographs / "12-bits.png")
    assert caught.value.hint == "give its depth: depth=12"
    assert asked.predict(photographs / "12-bits.png", depth=12)["bright"] == pytest.approx(128 / 255)
    with pytest.raises(UserError, match="depth=7 is not 8 to 32 bits"):
        asked.predict(photographs / "12-bits.png", depth=7)
