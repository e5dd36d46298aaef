"""Weights from a file: what fits, what is refused, and that the refusal says which file and why."""

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from qcqueue.errors import WeightsUnavailable
from tests.engines.worlds import a_spec, small_base

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
    blob = path.with_name("0123456789abcdef")
    shutil.copyfile(path, blob)
    return load(blob)


def load(path: Path) -> list[bytes]:
    from qcqueue.engines.keras_tf.weights import load_weights

    fresh = small_base("VGG16", (32, 32), imagenet=False)
    load_weights(fresh, path, model="VGG16")
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


def refused(path: Path, *, title: str = "mine.h5") -> str:
    """Return the one sentence with which a file is refused, whatever it holds."""
    from qcqueue.engines.keras_tf.weights import load_weights

    with pytest.raises(WeightsUnavailable) as caught:
        load_weights(small_base("VGG16", (32, 32), imagenet=False), path, model="VGG16", title=title)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert len(said) < 300
    return said


def older(model: Any, path: Path) -> Path:
    """Write a model's weights as those were whose downloads Keras still reads."""
    import h5py
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)
    return path


def test_another_models_weights_are_refused_by_the_name_their_owner_gave_them(base: Any, tmp_path: Path) -> None:
    import keras

    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    first = "mine.h5 does not fit VGG16 without its top: "
    expected = f"{first}it has 1 layer with weights, the model 2"
    assert refused(tmp_path / "other.weights.h5") == refused(older(other, tmp_path / "a.h5")) == expected
    assert refused(tmp_path / "a.h5", title="").startswith("the weights file does not fit VGG16")
    assert "\x1b" not in refused(tmp_path / "a.h5", title="\x1b[31mred.h5")

    top = keras.Sequential([base, keras.layers.Dense(3)])
    whole = keras.Model(base.inputs, keras.layers.Dense(3)(base.outputs[0]))
    assert "it has 3 layers with weights, the model 2" in refused(older(whole, tmp_path / "top.h5"))
    top.save_weights(tmp_path / "top.weights.h5")
    assert refused(tmp_path / "top.weights.h5").startswith(first)


def test_layers_of_another_shape_are_refused_by_their_name(tmp_path: Path) -> None:
    import keras

    images = keras.Input((32, 32, 3))
    wide = keras.layers.BatchNormalization()(keras.layers.Conv2D(8, 3, name="wide")(images))
    narrow = keras.layers.BatchNormalization()(keras.layers.Conv2D(6, 3, use_bias=False, name="narrow")(images))
    shaped, fewer = keras.Model(images, wide), keras.Model(images, narrow)
    assert "its layer wide is 3 x 3 x 3 x 8, the model's conv2d" in refused(older(shaped, tmp_path / "a.h5"))
    assert "its layer narrow has 1 array, the model's conv2d" in refused(older(fewer, tmp_path / "b.h5"))
    shaped.save_weights(tmp_path / "a.weights.h5")
    fewer.save_weights(tmp_path / "b.weights.h5")
    assert "has 8 numbers, and the model no such layer" in refused(tmp_path / "a.weights.h5")
    assert "mine.h5 does not fit VGG16 without its top: its layers are not the model's" in refused(
        tmp_path / "b.weights.h5"
    )


def test_what_is_no_weights_file_is_called_what_it_is(base: Any, tmp_path: Path) -> None:
    base.save(tmp_path / "archive.keras")
    (tmp_path / "empty").touch()
    (tmp_path / "noise").write_bytes(b"not weights at all, whatever it is")
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "few.safetensors")
    wrong = {f"{i:03d}": np.zeros(9, np.float32) for i, _ in enumerate(base.variables)}
    save_file(wrong, tmp_path / "shape.safetensors")
    whole = {f"{i:03d}": variable.numpy() for i, variable in enumerate(base.variables)}
    save_file({**whole, "003": np.full_like(whole["003"], np.nan)}, tmp_path / "nan.safetensors")
    save_file({key: value.astype(np.int32) for key, value in whole.items()}, tmp_path / "whole.safetensors")
    base.save_weights(tmp_path / "cut.weights.h5")
    os.truncate(tmp_path / "cut.weights.h5", 3000)
    said = {
        "archive.keras": "mine.h5 is a .keras archive, which can carry code",
        "empty": "mine.h5 is empty",
        "noise": 'mine.h5 is text that begins with "not weights at all, whatever it is"',
        "few.safetensors": "mine.h5 does not fit VGG16 without its top: it holds 1 tensor, the model 6",
        "shape.safetensors": "its tensor 000 is (9,), the model's conv2d",
        "nan.safetensors": "its tensor 003 holds values that are not numbers, or infinite",
        "whole.safetensors": "its tensor 000 is of type I32; save it as float32",
        "cut.weights.h5": "mine.h5 is HDF5 that was cut short: it has 3,000 of ",
        "gone": "mine.h5 does not exist",
    }
    for name, reason in said.items():
        assert reason in refused(tmp_path / name)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_numbers_are_refused(value: float, base: Any, tmp_path: Path) -> None:
    base.variables[0].assign(np.full(base.variables[0].shape, value, np.float32))
    base.save_weights(tmp_path / "a.weights.h5")
    assert "its layer conv2d holds values that are not numbers, or infinite" in refused(tmp_path / "a.weights.h5")
    assert "holds values that are not numbers, or infinite" in refused(older(base, tmp_path / "a.h5"))


def hostile(path: Path, make: Callable[[Any, Any], None]) -> Path:
    """Write a file with the layers of `small_base`, and let `make` spoil its first kernel: (file, group)."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"one", b"two"]
        arrays: dict[str, list[tuple[int, ...]]] = {"one": [(3, 3, 3, 6), (6,)], "two": [(6,)] * 4}
        for name, shapes in arrays.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{number}".encode() for number, _ in enumerate(shapes)]
            for number, shape in enumerate(shapes):
                group.create_dataset(f"{number}", data=np.zeros(shape, np.float32))
        del file["one/0"]
        make(file, file["one"])
    return path


def test_a_hostile_file_costs_a_sentence_and_no_more(tmp_path: Path) -> None:
    import h5py

    def external(file: Any, group: Any) -> None:
        group["0"] = h5py.ExternalLink("/etc/passwd", "/")

    def soft(file: Any, group: Any) -> None:
        group["0"] = h5py.SoftLink("/two/0")

    def raw(file: Any, group: Any) -> None:
        group.create_dataset("0", (3, 3, 3, 6), np.float32, external=[("/etc/passwd", 0, 648)])

    def bomb(file: Any, group: Any) -> None:
        group.create_dataset("0", (1 << 20, 1 << 10), np.float32, chunks=(1 << 10, 1 << 10), compression="gzip")

    def large_pieces(file: Any, group: Any) -> None:
        chunks = (3, 3, 3, 1 << 24)
        group.create_dataset("0", (3, 3, 3, 6), np.float32, chunks=chunks, maxshape=(3, 3, 3, None))

    def words(file: Any, group: Any) -> None:
        group.create_dataset("0", data=np.array([b"w"] * 162).reshape(3, 3, 3, 6))

    def a_group(file: Any, group: Any) -> None:
        group.create_group("0")

    def circle(file: Any, group: Any) -> None:
        group["0"] = file["one"]

    def nothing(file: Any, group: Any) -> None:
        pass

    def numbers_for_names(file: Any, group: Any) -> None:
        file.attrs["layer_names"] = np.arange(5.0)

    def one_number_for_names(file: Any, group: Any) -> None:
        file.attrs["layer_names"] = 5

    def a_file_for_a_layer(file: Any, group: Any) -> None:
        del file["two"]
        file.create_dataset("two", data=1.0)

    makers = (external, soft, raw, bomb, large_pieces, words, a_group, nothing)
    for make in (*makers, numbers_for_names, one_number_for_names, a_file_for_a_layer):
        said = refused(hostile(tmp_path / f"{make.__name__}.h5", make))
        assert said.startswith("mine.h5 does not fit VGG16 without its top: "), said
    assert refused(hostile(tmp_path / "circle.h5", circle)) == "mine.h5 is HDF5 that is damaged"


def test_a_file_that_is_damaged_within_is_one_sentence(base: Any, tmp_path: Path) -> None:
    path = older(base, tmp_path / "a.h5")
    whole = path.read_bytes()
    for place in range(100, len(whole), max(1, len(whole) // 8)):
        path.write_bytes(whole[:place] + b"\xa5" * 40 + whole[place + 40 :])
        with contextlib.suppress(WeightsUnavailable):  # numbers that are others are numbers all the same
            load(path)


def test_a_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import keras

    from qcqueue.engines.keras_tf import pretrained
    from qcqueue.engines.keras_tf.models import build_model

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained, "ADDRESS", "http://127.0.0.1:1/")
    monkeypatch.setattr(keras.applications, "VGG16", lambda **about: small_base("VGG16", (32, 32), imagenet=False))
    spec = a_spec(weights="imagenet")
    with pytest.raises(WeightsUnavailable) as caught:
        build_model(spec, classes=3, weights_path=None, fresh=True)
    for words in ("VGG16", "cannot be reached", "network", 'weights = "FILE.h5"', 'weights = "none"'):
        assert words in str(caught.value)
    build_model(spec, classes=3, weights_path=None, fresh=False)  # a resume needs no download


def test_what_is_here_and_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from qcqueue.engines.keras_tf import weights

    def unfit(wanted: str | None) -> Any:
        raise ValueError("Layer count mismatch when loading weights from file. " * 50)

    monkeypatch.setattr(weights, "have", lambda file, clock: tmp_path / file.name)
    with pytest.raises(WeightsUnavailable, match=r"in .*mobilenet.*cannot be loaded .*delete that file") as caught:
        weights.with_imagenet(unfit, "MobileNetV2", (32, 32))
    assert len(str(caught.value)) < 600

    def too_large(wanted: str | None) -> Any:
        raise MemoryError

    with pytest.raises(MemoryError):
        weights.with_imagenet(too_large, "MobileNetV2", (32, 32))


def test_the_file_of_a_spec_reaches_the_base(base: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qcqueue.engines.keras_tf import models

    monkeypatch.setattr(models, "build_base", small_base)
    base.save_weights(tmp_path / "a.weights.h5")
    model = models.build_model(a_spec(weights="file"), classes=3, weights_path=tmp_path / "a.weights.h5", fresh=True)
    assert values(model)[:6] == values(base)
    assert json.dumps([list(v.shape) for v in model.variables[6:]]) == "[[2], [6, 3], [3]]"


# What newer models of Keras have: whole numbers and seeds among their variables, and models within them


def newer_base() -> Any:
    """A network with the kinds of layers that EfficientNet and ConvNeXt have."""
    import keras

    images = keras.Input((32, 32, 3))
    stem = keras.Sequential([keras.layers.Conv2D(6, 3, strides=3), keras.layers.LayerNormalization()])
    features = stem(keras.layers.Normalization()(images))
    features = keras.layers.Dropout(0.2)(keras.layers.Conv2D(6, 1)(features))
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(features))


@pytest.fixture
def newer() -> Any:
    """One whose every value is another than that of a new one."""
    base = newer_base()
    for at, variable in enumerate(base.variables):
        variable.assign(np.full(variable.shape, at + 2, variable.dtype))
    return base


def written(newer: Any, way: str, path: Path) -> Path:
    match way:
        case "as Keras 3 writes it":
            newer.save_weights(path := path.with_name("a.weights.h5"))
        case "as the downloads are":
            older(newer, path)
        case "its weights":
            save_file({f"{at:03d}": np.array(it) for at, it in enumerate(newer.weights)}, path)
        case "its variables":
            save_file({f"{at:03d}": np.array(it) for at, it in enumerate(newer.variables)}, path)
        case "a state of qcqueue":
            tensors = {f"m/{at:05d}": np.array(it) for at, it in enumerate(newer.variables)}
            save_file(tensors | {f"m/{len(tensors):05d}": np.zeros((6, 3), np.float32)}, path)
    return path


@pytest.mark.parametrize(
    "way", ["as Keras 3 writes it", "as the downloads are", "its weights", "its variables", "a state of qcqueue"]
)
def test_every_kind_of_file_fits_a_newer_model_and_leaves_its_seeds_alone(way: str, newer: Any, tmp_path: Path) -> None:
    from qcqueue.engines.keras_tf.hdf5 import is_real
    from qcqueue.engines.keras_tf.weights import load_weights

    path, fresh = written(newer, way, tmp_path / "a"), newer_base()
    seeds = [it.numpy().tobytes() for it in fresh.variables if "seed" in it.path]
    load_weights(fresh, path, model="EfficientNetB0")
    for mine, theirs in zip(fresh.variables, newer.variables, strict=True):
        assert not is_real(mine) or mine.numpy().tobytes() == theirs.numpy().tobytes(), mine.path
    assert [it.numpy().tobytes() for it in fresh.variables if "seed" in it.path] == seeds
    assert len(seeds) == 1


def test_whole_numbers_are_no_weights_of_a_layer(base: Any, tmp_path: Path) -> None:
    import h5py

    base.save_weights(tmp_path / "a.weights.h5")
    for path, array in (
        (tmp_path / "a.weights.h5", "layers/conv2d/vars/0"),
        (older(base, tmp_path / "a.h5"), f"{base.layers[1].name}/{base.layers[1].kernel.path}"),
    ):
        with h5py.File(path, "r+") as file:
            values = file[array][()].astype(np.int32)
            del file[array]
            file[array] = values
        assert "does not fit VGG16 without its top: its layer conv2d" in refused(path)


def test_a_trained_model_with_whole_numbers_and_seeds_comes_back_from_keras_own_file(
    newer: Any, tmp_path: Path
) -> None:
    from qcqueue.engines.keras_tf.trained import _load, write_h5

    write_h5(tmp_path / "a.weights.h5", newer, {"job": "a/b"})
    fresh = newer_base()
    _load(fresh, tmp_path / "a.weights.h5")
    assert values(fresh) == values(newer)
