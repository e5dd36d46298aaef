"""`qcqueue notebook --for kaggle`: the notebook, and beside it what Kaggle is to know of it."""

import ast
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from qcqueue.app.kaggle_file import kaggle_steps, kaggle_text
from qcqueue.app.settings import load_settings
from qcqueue.cli.main import run

ASKED = ["notebook", "--for", "kaggle", "--store", "gdrive:1AbCdEfGhIj"]
MOST_CHARACTERS = 800_000  # our own limit, so that growth is seen


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("QCQUEUE_STORE", "KAGGLE_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def metadata(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "kernel-metadata.json").read_text())
    return found


def test_beside_the_notebook_stands_what_its_machine_is_to_be(here: Path) -> None:
    assert run([*ASKED, "--from-index"]) == 0
    found = metadata(here)
    wanted = {
        "code_file": "kaggle_worker.ipynb",
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": True,
        "enable_internet": True,
        "machine_shape": "NvidiaTeslaT4",
        "title": "qcqueue worker",
    }
    assert wanted.items() <= found.items()
    notebook: Any = nbformat.read(here / "kaggle_worker.ipynb", as_version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)


def test_whose_it_is_stands_there_where_it_is_known_and_is_asked_for_where_not(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*ASKED, "--from-index"]) == 0
    assert metadata(here)["id"] == "YOUR-KAGGLE-NAME/qcqueue-worker"
    assert "put your name at Kaggle in place of YOUR-KAGGLE-NAME in kernel-metadata.json" in capsys.readouterr().out
    monkeypatch.setenv("KAGGLE_USERNAME", "ada")
    assert run([*ASKED, "--from-index"]) == 0
    assert metadata(here)["id"] == "ada/qcqueue-worker"
    assert "YOUR-KAGGLE-NAME" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["", "a/b", "../x", "é", "a\nb", "x" * 65])
def test_what_is_no_name_at_kaggle_is_not_taken_for_one(name: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", name)
    assert run([*ASKED, "--from-index"]) == 0
    assert metadata(here)["id"] == "YOUR-KAGGLE-NAME/qcqueue-worker"


def test_the_name_that_a_person_has_put_there_stays(here: Path) -> None:
    run([*ASKED, "--from-index"])
    file = here / "kernel-metadata.json"
    file.write_text(file.read_text().replace("YOUR-KAGGLE-NAME/qcqueue-worker", "grace/my-study"))
    assert run([*ASKED, "--from-index"]) == 0
    assert (metadata(here)["id"], metadata(here)["title"]) == ("grace/my-study", "my-study")


@pytest.mark.parametrize("content", ['{"id": "a/b"}', "[]", "no JSON", '{"metadata": 3}'])
def test_anothers_metadata_is_not_replaced_and_then_nothing_is_written(
    content: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "kernel-metadata.json").write_text(content)
    assert run([*ASKED, "--from-index"]) == 2
    assert [path.name for path in here.iterdir()] == ["kernel-metadata.json"]
    assert (here / "kernel-metadata.json").read_text() == content
    said = capsys.readouterr().err
    assert "kernel-metadata.json was not written by qcqueue" in said
    assert "--out ANOTHER-FOLDER/FILE.ipynb" in said


def test_anothers_notebook_is_not_replaced_and_then_no_metadata_is_written(here: Path) -> None:
    (here / "mine.ipynb").write_text("my notes")
    assert run([*ASKED, "--out", "mine.ipynb"]) == 2
    assert [path.name for path in here.iterdir()] == ["mine.ipynb"]


@pytest.mark.parametrize("out", ["", ".", "/", "..", "folder"])
def test_a_folder_is_no_place_for_it_and_refused_as_for_colab(
    out: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "folder").mkdir()
    assert run([*ASKED, "--from-index", "--out", out]) == 2
    said = capsys.readouterr().err
    assert run(["notebook", "--store", "gdrive:1AbCdEfGhIj", "--from-index", "--out", out]) == 2
    assert said == capsys.readouterr().err
    assert f"{Path(out)} was not written by qcqueue" in said
    assert [path.name for path in here.iterdir()] == ["folder"]


@pytest.mark.parametrize("out", ["kernel-metadata.json", "./Kernel-Metadata.json"])
def test_the_notebook_does_not_take_the_place_of_its_metadata(
    out: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*ASKED, "--from-index", "--out", out]) == 2
    said = capsys.readouterr().err
    assert f"{Path(out)} is where the metadata goes" in said
    assert "notebook --for kaggle --out OTHER.ipynb" in said
    assert [*here.iterdir()] == []


def test_its_words_are_kaggles_and_what_kaggle_forbids_stands_there() -> None:
    (text, code) = json.loads(kaggle_text("gdrive:1AbCdEfGhIj", from_index=True))["cells"]
    words = "".join(text["source"])
    for word in ("Add-ons > Secrets", "GPU T4 x2", "Internet", "Save & Run All", "your one account", "second account"):
        assert word in words
    for word in ("key at the left", "Runtime >", "Colab", "#@"):
        assert word not in words + "".join(code["source"])
    ast.parse("".join(code["source"]))


def test_it_is_small_enough_for_every_place_and_the_same_again(here: Path) -> None:
    text = kaggle_text("gdrive:1AbCdEfGhIj")
    assert text == kaggle_text("gdrive:1AbCdEfGhIj")
    assert len(text) < MOST_CHARACTERS


def test_another_place_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["notebook", "--for", "kagle", "--store", "gdrive:1AbCdEfGhIj"]) == 2
    said = capsys.readouterr().err
    assert "--for 'kagle' is neither colab nor kaggle" in said
    assert "next: --for kaggle" in said


def test_the_one_to_try_it_is_for_every_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["notebook", "--for", "kaggle", "--try"]) == 2
    assert "next: qcqueue notebook --try" in capsys.readouterr().err


def test_the_notebook_of_a_queue_in_a_bucket_sends_nobody_to_google(tmp_path: Path) -> None:
    text = kaggle_text("s3://lab/queue")
    (first, _) = json.loads(text)["cells"]
    said = "".join(first["source"])
    assert "`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`" in said
    assert "QCQUEUE_TOKEN" not in said
    settings = load_settings(store="s3://lab/queue", folder=tmp_path, environment={"QCQUEUE_CACHE": str(tmp_path)})
    steps = [*kaggle_steps("worker.ipynb", settings, "ada/qcqueue-worker", has_client=False)]
    assert steps[0].startswith("next: open worker.ipynb in a new notebook of Kaggle")
    assert "colab-token" not in "".join(steps)
