"""`qcqueue notebook`: a valid notebook of one form, for this store, that never replaces what is not ours."""

import ast
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from qcqueue.app.kaggle_file import kaggle_text
from qcqueue.app.notebook_file import Text, notebook_text
from qcqueue.cli.main import run

ROOT = Path(__file__).parents[2]
CLIENT = {"installed": {"client_id": "an-id.apps.example", "client_secret": "hidden", "project_id": "p"}}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QCQUEUE_STORE", raising=False)
    return tmp_path


def code(path: Path) -> str:
    notebook: Any = nbformat.read(path, as_version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    (cell,) = (cell for cell in notebook.cells if cell.cell_type == "code")
    return str(cell.source)


def test_the_copy_in_scripts_is_what_the_command_writes(here: Path) -> None:
    assert run(["notebook", "--store", "gdrive:1AbCdEfGhIj", "--from-index"]) == 0
    written = (here / "colab_worker.ipynb").read_text()
    copy = (ROOT / "scripts" / "colab_worker.ipynb").read_text()
    assert copy == written.replace("gdrive:1AbCdEfGhIj", "gdrive:FOLDER_ID")


def test_the_cell_is_a_form_of_six_fields_and_one_call(here: Path) -> None:
    run(["notebook", "--store", "gdrive:1AbCdEfGhIj"])
    source = code(here / "colab_worker.ipynb")
    assert source.startswith('#@title Train { display-mode: "form" }\n')
    fields = [line for line in source.splitlines() if "#@param" in line]
    assert fields == [
        'store = "gdrive:1AbCdEfGhIj" #@param {type:"string"}',
        'minutes = 0 #@param {type:"integer"}',
        'promised_minutes = 0 #@param {type:"integer"}',
        'jobs = 0 #@param {type:"integer"}',
        'release_the_gpu_when_done = True #@param {type:"boolean"}',
        'trust = "" #@param {type:"string"}',
    ]
    assert source.count("qcqueue.work(") == 1
    assert "jobs=jobs or None" in source


def test_on_demand_it_installs_the_version_that_wrote_it_from_an_index(here: Path) -> None:
    run(["notebook", "--store", "gdrive:1AbCdEfGhIj", "--from-index"])
    source = code(here / "colab_worker.ipynb")
    assert f'f"qcqueue{{extras}}=={version("qcqueue")}"' in source
    assert 'install("[train,drive]")' in source


def test_the_rules_of_colab_stand_above_the_form() -> None:
    (text, _) = json.loads(notebook_text("gdrive:1AbCdEfGhIj"))["cells"]
    rules = "".join(text["source"])
    assert "nothing here keeps a session alive" in rules
    assert "your one account" in rules


@pytest.mark.parametrize("store", ['shared:/data/a "quoted" place', "shared:/daten/größe", "shared:/a{b}/c\\d"])
def test_any_store_stands_in_the_code_as_it_is(store: str, here: Path) -> None:
    source = "".join(json.loads(notebook_text(store))["cells"][1]["source"])
    python = ast.parse(TransformerManager().transform_cell(source))  # type: ignore[no-untyped-call]
    (chosen,) = (node.value for node in python.body if isinstance(node, ast.Assign) and node.lineno == 2)
    assert ast.literal_eval(chosen) == store


@pytest.mark.parametrize("owner", ["ada@example.org", 'O\'Neil "Zoë" {x}'])
@pytest.mark.parametrize("text", [notebook_text, kaggle_text])
def test_whose_sessions_it_runs_stands_in_the_code_as_it_is(text: Text, owner: str) -> None:
    source = "".join(json.loads(text("shared:/lab", owner=owner, from_index=True))["cells"][1]["source"])
    tree = ast.parse(TransformerManager().transform_cell(source))  # type: ignore[no-untyped-call]
    (said,) = (
        ast.literal_eval(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and "QCQUEUE_OWNER" in ast.unparse(node.targets[0])
    )
    assert said == owner


def test_the_command_writes_the_owner_of_this_machine_and_none_where_there_is_none(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(["notebook", "--store", "gdrive:1AbCdEfGhIj"])
    assert "QCQUEUE_OWNER" not in code(here / "colab_worker.ipynb")
    monkeypatch.setenv("QCQUEUE_OWNER", "ada@example.org")
    run(["notebook", "--store", "gdrive:1AbCdEfGhIj"])
    assert "os.environ[\"QCQUEUE_OWNER\"] = 'ada@example.org'" in code(here / "colab_worker.ipynb")


def test_the_same_again_changes_nothing_and_says_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["notebook", "--store", "gdrive:1AbCdEfGhIj"])
    assert run(["notebook", "--store", "gdrive:1AbCdEfGhIj"]) == 0
    assert "there already: colab_worker.ipynb" in capsys.readouterr().out


def test_a_notebook_of_ours_is_replaced_and_another_file_is_not(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["notebook", "--store", "gdrive:1AbCdEfGhIj"])
    assert run(["notebook", "--store", "gdrive:2DeFgHiJkLm"]) == 0
    assert "gdrive:2DeFgHiJkLm" in code(here / "colab_worker.ipynb")
    for content in (
        "my notes",
        "[1, 2]",
        '{"metadata": {}, "cells": []}',
        '{"metadata": 3}',
        '{"metadata": "about qcqueue", "cells": "MINE"}',
        '{"metadata": ["qcqueue"]}',
        '{"metadata": {"qcqueue": "mine"}}',
    ):
        (here / "mine.ipynb").write_text(content)
        assert run(["notebook", "--store", "gdrive:1AbCdEfGhIj", "--out", "mine.ipynb"]) == 2
        assert (here / "mine.ipynb").read_text() == content
    assert "mine.ipynb is no notebook of qcqueue" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("nonsense:elsewhere", "is none of folder:PATH, shared:PATH, gdrive:FOLDER_ID"),
        ("gdrive:new", "next: qcqueue init --store gdrive:new"),
    ],
)
def test_a_store_that_is_not_there_gets_no_notebook(
    store: str, words: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["notebook", "--store", store]) == 2
    assert words in capsys.readouterr().err
    assert not (here / "colab_worker.ipynb").exists()


def test_a_folder_is_named_in_full(here: Path) -> None:
    assert run(["notebook", "--store", "shared:queue"]) == 0
    assert f"shared:{here / 'queue'}" in code(here / "colab_worker.ipynb")


def test_without_a_store_it_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["notebook"]) == 2
    assert "next: qcqueue init" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_an_error_of_two_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["notebook", "--store", "gdrive:1AbCdEfGhIj", "--out", "nowhere/x.ipynb"]) == 2
    assert "nowhere/x.ipynb cannot be written" in capsys.readouterr().err


def test_with_a_client_the_cell_can_ask_to_sign_in(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "tv.json").write_text(json.dumps(CLIENT))
    assert run(["notebook", "--store", "gdrive:1AbCdEfGhIj", "--client", "tv.json"]) == 0
    source = code(here / "colab_worker.ipynb")
    assert 'os.environ["QCQUEUE_CLIENT"] = ' in source
    assert "an-id.apps.example" in source
    assert "project_id" not in source
    said = capsys.readouterr().out
    assert "the notebook holds your client's secret, so share it with nobody" in said
    assert "colab-token" not in said
