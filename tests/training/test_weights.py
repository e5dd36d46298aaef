"""Weights from a file: what fits, what is refused, and that the refusal says which file and why."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from qcqueue.errors import WeightsUnavailable
from tests.training.worlds import a_spec, small_base

pytestmark = [
    pytest.mark.tensorflow,
    # Keras's writer of HDF5 meets numpy 2 in a way that numpy warns of; qcqueue itself only reads such files.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]


@pytest.fixture
def base() -> Any:
    return small_base("VGG16", (32, 32), imagenet=False)


def values(model: Any) -> list[bytes]:
    return [variable.numpy().tobytes() for variable in model.variables]


def loaded(path: Path) -> list[bytes]:
    """Load `path` under a name without an ending, as a blob has, into a new base; return its values."""
    from qcqueue.training.weights import load_weights

    blob = path.with_name("0123456789abcdef")
    shutil.copyfile(path, blob)
    fresh = small_base("VGG16", (32, 32), imagenet=False)
    load_weights(fresh, blob, model="VGG16")
    return values(fresh)


def test_hdf5_as_keras_3_writes_it(base: Any, tmp_path: Path) -> None:
    base.save_weights(tmp_path / "a.weights.h5")
    assert loaded(tmp_path / "a.weights.h5") == values(base)


def test_hdf5_as_the_downloads_are(base: Any, tmp_path: Path) -> None:
    import h5py
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    with h5py.File(tmp_path / "a.h5", "w") as file:
        save_weights_to_hdf5_group(file, base)
    assert loaded(tmp_path / "a.h5") == values(base)


def test_safetensors_in_the_order_of_its_keys(base: Any, tmp_path: Path) -> None:
    save_file({f"{i:03d}": v.numpy() for i, v in enumerate(base.variables)}, tmp_path / "a.safetensors")
    assert loaded(tmp_path / "a.safetensors") == values(base)


def test_a_state_of_qcqueue_gives_its_base(base: Any, tmp_path: Path) -> None:
    state = {f"m/{i:05d}": v.numpy() for i, v in enumerate(base.variables)}
    head = {f"m/{len(state):05d}": np.zeros((6, 3), np.float32), "o/00000": np.zeros(1, np.float32)}
    save_file(state | head, tmp_path / "a.safetensors")
    assert loaded(tmp_path / "a.safetensors") == values(base)


def test_what_does_not_fit_is_refused_with_the_reason(base: Any, tmp_path: Path) -> None:
    import keras

    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    base.save(tmp_path / "archive.keras")
    (tmp_path / "empty").touch()
    (tmp_path / "noise").write_bytes(b"not weights at all, whatever it is")
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "few.safetensors")
    wrong = {f"{i:03d}": np.zeros(9, np.float32) for i, _ in enumerate(base.variables)}
    save_file(wrong, tmp_path / "shape.safetensors")
    reasons = {
        "other.weights.h5": "",
        "archive.keras": "a .keras archive",
        "empty": "",
        "noise": "",
        "few.safetensors": "it holds 1 tensors and the model has 6",
        "shape.safetensors": "tensor 000 is",
    }
    for name, reason in reasons.items():
        with pytest.raises(WeightsUnavailable, match="0123456789abcdef does not fit VGG16") as caught:
            loaded(tmp_path / name)
        assert reason in str(caught.value)


def test_values_that_are_not_numbers_are_refused(base: Any, tmp_path: Path) -> None:
    base.variables[0].assign(np.full(base.variables[0].shape, np.nan, np.float32))
    base.save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(WeightsUnavailable, match="it has no values for 1 of 6 variables, conv2d"):
        loaded(tmp_path / "a.weights.h5")


def test_a_missing_file_is_refused(base: Any, tmp_path: Path) -> None:
    from qcqueue.training.weights import load_weights

    with pytest.raises(WeightsUnavailable, match="gone"):
        load_weights(base, tmp_path / "gone", model="VGG16")


def test_a_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    from qcqueue.training.models import build_model
    from qcqueue.training.weights import ensure_imagenet

    def offline(**about: Any) -> Any:
        if about["weights"] == "imagenet":
            raise Exception("URL fetch failure on https://example.invalid: None -- no route")  # as Keras raises it
        return small_base("VGG16", (32, 32), imagenet=False)

    monkeypatch.setattr(keras.applications, "VGG16", offline)
    with pytest.raises(WeightsUnavailable) as caught:
        ensure_imagenet("VGG16")
    for words in ("VGG16", "no route", "network", 'weights = "FILE.h5"', 'weights = "none"'):
        assert words in str(caught.value)
    spec = a_spec(weights="imagenet")
    with pytest.raises(WeightsUnavailable):
        build_model(spec, classes=3, weights_path=None, fresh=True)
    build_model(spec, classes=3, weights_path=None, fresh=False)  # a resume needs no download


def test_the_file_of_a_spec_reaches_the_base(base: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qcqueue.training import models

    monkeypatch.setattr(models, "build_base", small_base)
    base.save_weights(tmp_path / "a.weights.h5")
    model = models.build_model(a_spec(weights="file"), classes=3, weights_path=tmp_path / "a.weights.h5", fresh=True)
    assert values(model)[:6] == values(base)
    assert json.dumps([list(v.shape) for v in model.variables[6:]]) == "[[2], [6, 3], [3]]"
