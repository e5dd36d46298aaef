"""`fetch` and `export` as typed: what they answer, in words and as JSON, with which exit code, and what they import."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from qcqueue.app import fetch as fetching
from qcqueue.cli.main import run
from qcqueue.engines.metrics import weights_sha256
from qcqueue.exports.tensorboard import FILE_NAME
from tests.app.saved import file_of
from tests.app.trained import Run, tensors_after
from tests.cli.queues import House, a_job, put
from tests.cli.test_imports import HEAVY, heavy, imported_by

SAFE = ["--format", "safetensors"]


@pytest.fixture
def training(empty_house: House) -> Run:
    """A job of four epochs at work, of which two are saved."""
    put(empty_house.queue, a_job("vgg16", epochs=4))
    return Run.of(empty_house.queue, "tiny/vgg16").epoch(loss=0.5).epoch(loss=0.9)


def answered(capfd: pytest.CaptureFixture[str], *typed: str, code: int = 0) -> tuple[str, str]:
    capfd.readouterr()
    assert run(list(typed)) == code
    found = capfd.readouterr()
    return found.out, found.err


def test_fetch_says_what_it_brought_and_ends_with_three_lines_of_python(
    empty_house: House, training: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    training.epoch(loss=0.7).finish()
    out, err = answered(capfd, "fetch", "vgg16", "--out", "here", *SAFE)
    assert err == ""
    lines = out.splitlines()
    assert lines[:3] == [
        "written: here/vgg16.safetensors",
        f"the best epoch of tiny/vgg16: epoch 1 of 4, validation accuracy 75.0 %, {_size(empty_house)}",
        f"checked: weights {weights_sha256(tensors_after(1))[:16]}…, those of its result",
    ]
    assert lines[3].startswith("next: put a photograph here as photo.jpg")
    assert lines[-3:] == [
        "import qcqueue",
        "model = qcqueue.load_model('here/vgg16.safetensors')",
        "print(model.predict('photo.jpg'))",
    ]
    again, _ = answered(capfd, "fetch", "vgg16", "--out", "here", *SAFE)
    assert again.splitlines()[0] == "there already: here/vgg16.safetensors"


def _size(house: House) -> str:
    from qcqueue.text.humanize import size

    return size((house.folder / "here" / "vgg16.safetensors").stat().st_size)


def test_fetch_of_an_unfinished_job_says_that_it_is_one(training: Run, capfd: pytest.CaptureFixture[str]) -> None:
    out, _ = answered(capfd, "fetch", "vgg16", "--weights", "last", *SAFE)
    assert "the last epoch of tiny/vgg16: epoch 2 of 4" in out
    assert "not done yet (running): these are the weights of what is saved so far" in out
    assert "those of its result" not in out


def test_the_json_of_fetch_is_one_object_with_the_digests(
    empty_house: House, training: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    out, err = answered(capfd, "fetch", "vgg16", "--json", *SAFE)
    assert (out.count("\n"), err) == (1, "")
    found: dict[str, Any] = json.loads(out)
    expected = {
        "schema_version": 1, "job": "tiny/vgg16", "state": "running", "file": "vgg16.safetensors", "is_new": True,
        "format": "safetensors", "weights": "best", "epoch": 1, "epochs": 4, "val_accuracy": 0.75,
        "weights_sha256": weights_sha256(tensors_after(1)), "classes": ["good", "fair", "reject"],
    }  # fmt: skip
    assert expected.items() <= found.items()
    assert len(found["python"]) == 3
    assert found["bytes"] == (empty_house.folder / "vgg16.safetensors").stat().st_size


@pytest.mark.parametrize(
    ("typed", "said", "then"),
    [
        ("fetch vgg61", "there is no job 'vgg61'; did you mean tiny/vgg16?", "qcqueue status"),
        ("fetch vgg16 --weights lsat", "--weights 'lsat' is neither best nor last", "--weights last"),
        ("fetch vgg16 --format hdf5", "--format 'hdf5' is neither safetensors nor h5", "--format h5"),
        ("fetch vgg16 --format keras --json", "--format 'keras' is neither safetensors nor h5", "--format safetensors"),
        ("fetch vgg16 --out qcqueue.toml --format safetensors", "qcqueue.toml cannot be written", "--out ANOTHER"),
        (
            "fetch other --format safetensors",
            "tiny/other is queued and has no finished epoch",
            "qcqueue why tiny/other",
        ),
        ("export tensorboard --out qcqueue.toml", "cannot be written", "--out ANOTHER_FOLDER"),
    ],
)
def test_bad_input_is_one_sentence_and_what_to_type_next(
    typed: str, said: str, then: str, empty_house: House, training: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    put(empty_house.queue, a_job("other"))
    before = empty_house.fingerprint()
    out, err = answered(capfd, *typed.split(), code=2)
    assert out == ""
    sentence, following = err.splitlines()
    assert said in sentence
    assert following.startswith(f"next: {then}")
    assert empty_house.fingerprint() == before


def test_a_damaged_pack_is_corruption(empty_house: House, training: Run, capfd: pytest.CaptureFixture[str]) -> None:
    blob = training.states[1]["m000"]
    path = file_of(empty_house.queue, blob)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    out, err = answered(capfd, "fetch", "vgg16", *SAFE, code=5)
    assert out == ""
    assert f"damaged in pack {blob.sha256[:12]}" in err.splitlines()[0]
    assert err.splitlines()[1] == "next: qcqueue store verify, or --weights last"


def test_without_keras_fetch_chooses_safetensors_and_says_why(
    training: Run, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "has_keras", lambda: False)
    out, _ = answered(capfd, "fetch", "vgg16")
    assert "written: vgg16.safetensors" in out
    assert "as safetensors: TensorFlow is not installed here, which --format h5 needs" in out


def test_tensorboard_gets_a_folder_for_each_job(
    empty_house: House, training: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    out, err = answered(capfd, "export", "tensorboard", "--out", "my logs")
    assert err == ""
    assert out.splitlines() == ["written: tiny/vgg16, 2 epochs", "next: tensorboard --logdir 'my logs'"]
    path = Path("my logs") / "tiny" / "vgg16" / FILE_NAME
    assert (empty_house.folder / path).is_file()
    training.epoch()
    out, _ = answered(capfd, "export", "tensorboard", "--out", "my logs", "--json")
    assert json.loads(out) == {
        "schema_version": 1,
        "folder": "my logs",
        "runs": [{"job": "tiny/vgg16", "epochs": 3, "what": "added to", "where": str(path)}],
    }


def test_a_queue_without_epochs_exports_nothing_and_says_so(
    empty_house: House, capfd: pytest.CaptureFixture[str]
) -> None:
    before = empty_house.fingerprint()
    for command in (["tensorboard"], ["mlflow"]):
        out, _ = answered(capfd, "export", *command, code=7)
        assert out.splitlines() == ["no job has a finished epoch yet", "next: qcqueue status"]
        out, _ = answered(capfd, "export", *command, "--json", code=7)
        assert json.loads(out)["runs"] == []
    assert empty_house.fingerprint() == before


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is not None, reason="MLflow is installed here")
def test_without_mlflow_the_export_says_what_to_install(
    empty_house: House, training: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    out, err = answered(capfd, "export", "mlflow", code=2)
    assert out == ""
    assert err.splitlines()[1] == 'next: pip install "qcqueue[mlflow]"'


def test_what_needs_no_keras_imports_none(empty_house: House, training: Run) -> None:
    helped = ("fetch -h", "export -h", "export mlflow -h")
    imported = imported_by(empty_house, *helped, "fetch vgg16 --format safetensors", "export tensorboard")
    assert heavy(imported, HEAVY - {"google", "tensorboard"}) == {}
    assert [typed for typed in imported if "tensorboard" in imported[typed]] == ["export tensorboard"]
    of_an_export = {"tensorboard", "mlflow", "safetensors", "numpy", "google"}
    assert heavy({typed: imported[typed] for typed in helped}, of_an_export) == {}
