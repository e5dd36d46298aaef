"""A weights file reads back as it was written, and what is not one is refused before anything is built from it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from qcqueue.core.records import Tensors
from qcqueue.engines.metrics import weights_sha256
from qcqueue.errors import CorruptionError, DigestMismatch, UnknownFormat, UserError
from qcqueue.exports.run import plain_name
from qcqueue.exports.weights import Weights, read_weights, readable_names, snippet, write_weights
from qcqueue.text.canonical_json import canonical_json
from tests.engines.worlds import a_spec

HOSTILE = ("good'); import os #", 'two\n"lines"', "<script>", "{}")


def some_weights(**changes: Any) -> Weights:
    tensors: Tensors = {
        "m/00000": np.arange(6, dtype=np.float32).reshape(2, 3),
        "m/00001": np.array([1, 7], np.int64),
        "m/00002": np.array(0.5, np.float16),
    }
    known: dict[str, Any] = {
        "spec": a_spec(),
        "which": "best",
        "epoch": 2,
        "classes": ("good", "fair", "reject"),
        "tensors": tensors,
        "paths": {"m/00000": "dense/kernel", "m/00001": "seed_generator/seed_generator_state"},
        "sha256": weights_sha256(tensors),
    }
    return Weights(**(known | changes))


def assert_same(found: Weights, expected: Weights) -> None:
    names = ("spec", "which", "epoch", "classes", "sha256", "deep_white")
    assert [getattr(found, name) for name in names] == [getattr(expected, name) for name in names]
    assert list(found.tensors) == list(expected.tensors)
    for key, tensor in expected.tensors.items():
        assert found.tensors[key].dtype == tensor.dtype
        assert found.tensors[key].shape == tensor.shape
        assert found.tensors[key].tobytes() == tensor.tobytes()


def test_what_is_read_is_what_was_written_and_equal_weights_are_equal_bytes(tmp_path: Path) -> None:
    write_weights(tmp_path / "a", some_weights(classes=HOSTILE))
    write_weights(tmp_path / "b", some_weights(classes=HOSTILE))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert_same(read_weights(tmp_path / "a"), some_weights(classes=HOSTILE))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_the_white_of_deep_pictures_goes_with_the_weights_and_without_one_nothing_is_said(tmp_path: Path) -> None:
    write_weights(tmp_path / "deep", some_weights(deep_white=4095))
    assert_same(read_weights(tmp_path / "deep"), some_weights(deep_white=4095))
    assert some_weights(deep_white=4095).about()["preprocessing"]["deep_white"] == 4095
    assert "deep_white" not in some_weights().about()["preprocessing"]


@pytest.mark.parametrize("preprocessing", [None, [], {"deep_white": "4095"}, {"deep_white": 0}, {"deep_white": True}])
def test_a_white_that_is_no_value_of_a_pixel_is_refused(tmp_path: Path, preprocessing: object) -> None:
    with pytest.raises(CorruptionError, match="is not a whole weights file"):
        read_weights(rewritten(tmp_path / "a", preprocessing=preprocessing))


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a", "b", "c"], ["a", "b", "c"]),
        (["a", "a", "a"], ["a", "a_2", "a_3"]),
        (["a", "a_2", "a"], ["a", "a_2", "a_3"]),
        (["a", "a", "a_2"], ["a", "a_2", "a_2_2"]),
        (["", "m/00000", "x"], ["m/00000", "m/00000_2", "x"]),
    ],
)
def test_no_two_variables_have_one_name(paths: list[str], names: list[str]) -> None:
    keys = [f"m/{index:05d}" for index in range(3)]
    assert readable_names(dict.fromkeys(keys, np.zeros(1)), dict(zip(keys, paths, strict=True))) == names


def rewritten(path: Path, **changes: Any) -> Path:
    """Write good weights with a part of what they say about themselves changed."""
    weights = some_weights()
    about = {**weights.about(), **changes}
    named = dict(zip(weights.about()["variables"], weights.tensors.values(), strict=True))
    save_file(named, path, metadata={"qcqueue": canonical_json(about)})
    return path


def test_a_rewritten_file_is_read_where_nothing_was_changed(tmp_path: Path) -> None:
    assert_same(read_weights(rewritten(tmp_path / "same")), some_weights())


@pytest.mark.parametrize(
    "changes",
    [
        {"variables": ["dense/kernel"]},
        {"variables": 7},
        {"spec": {}},
        {"spec": a_spec().to_json() | {"model": "os"}},
        {"classes": None},
    ],
)
def test_a_file_that_contradicts_itself_is_damaged(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(CorruptionError, match="changed is not a whole weights file"):
        read_weights(rewritten(tmp_path / "changed", **changes))


def test_weights_that_are_not_those_it_names_are_damaged(tmp_path: Path) -> None:
    write_weights(tmp_path / "file", some_weights())
    content = bytearray((tmp_path / "file").read_bytes())
    content[-3] ^= 1
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DigestMismatch, match="its weights are not those it names"):
        read_weights(tmp_path / "file")


def test_a_file_of_a_newer_qcqueue_asks_for_an_upgrade(tmp_path: Path) -> None:
    for number in (2, 99):
        with pytest.raises(UnknownFormat, match="upgrade qcqueue"):
            read_weights(rewritten(tmp_path / f"new-{number}", format=number))


def test_a_state_of_a_run_is_not_taken_for_weights(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no weights"):
        read_weights(rewritten(tmp_path / "state", kind="state"))


def test_names_and_paths_in_the_lines_of_python_are_only_ever_text(tmp_path: Path) -> None:
    for file in ("a'b\".safetensors", "x\n;import os.weights.h5"):
        lines = snippet(some_weights(classes=HOSTILE), file)
        assert all("\n" not in line for line in lines)
        compile("\n".join(lines), "snippet", "exec")
        assert repr(file) in "\n".join(lines)
    assert repr(list(HOSTILE)) in lines[2]


def test_a_name_is_kept_where_it_is_plain_and_told_from_others_where_not() -> None:
    assert plain_name("six-models") == "six-models"
    odd = [plain_name(word) for word in ("a/b", "a-b ", "A-B", "../a-b", "", " ", "é")]
    assert len(set(odd)) == len(odd)
    assert all(json.dumps(name).isascii() and "/" not in name for name in odd)
