"""The qcqueue that a notebook brings: the same bytes wherever it is from, and a kernel that knows no other runs it."""

import hashlib
import io
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from qcqueue.app.notebook_file import notebook_text, trial_text
from qcqueue.app.wheel import CONTENTS, own_wheel
from qcqueue.cli.main import run
from tests.end_to_end.machines import STUDY, TOY, TOY_JOB, a_house, job
from tests.notebook.kernels import LONGEST_S, Colab, Kaggle, opened, running

MOST_CHARACTERS = 800_000  # our own limit, so that growth is seen
ELSEWHERE = (
    "import hashlib; from qcqueue.app.wheel import own_wheel; print(hashlib.sha256(own_wheel().data).hexdigest())"
)


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A place where pip has put the wheel of this qcqueue."""
    archive = zipfile.ZipFile(io.BytesIO(own_wheel().data))
    archive.extractall(tmp_path / "installed")
    return tmp_path / "installed"


def test_from_a_wheel_and_from_an_editable_install_come_the_same_bytes(unpacked: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        env={**os.environ, "PYTHONPATH": os.fspath(unpacked)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == hashlib.sha256(own_wheel().data).hexdigest()


def test_every_file_in_it_is_listed_and_the_digest_of_all_is_right() -> None:
    archive = zipfile.ZipFile(io.BytesIO(own_wheel().data))
    record = next(name for name in archive.namelist() if name.endswith("/RECORD"))
    listed = dict(line.split(",", 1) for line in archive.read(record).decode().splitlines())
    assert list(listed) == archive.namelist()
    (found,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith(f"/{CONTENTS}"))
    assert found == own_wheel().contents_sha256


def test_a_cell_that_brings_it_is_small_enough_to_be_opened_everywhere() -> None:
    text = notebook_text("gdrive:1AbCdEfGhIj")
    assert len(text) < MOST_CHARACTERS
    assert text == notebook_text("gdrive:1AbCdEfGhIj")
    assert max(map(len, text.splitlines())) < 2100


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """An environment in which all is installed but qcqueue; return its Python."""
    folder = tmp_path / "clean"
    venv.create(folder, with_pip=False)
    ours = Path(sysconfig.get_path("purelib"))
    others = folder / "others"
    others.mkdir()
    for found in ours.iterdir():
        if "qcqueue" not in found.name and found.suffix != ".pth":
            (others / found.name).symlink_to(found)
    if not any(ours.glob("tensorflow-*.dist-info")):  # the same library, by the name that Colab has it under
        number = distribution("tensorflow-cpu").version
        info = others / f"tensorflow-{number}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tensorflow\nVersion: {number}\n")
    packages = Path(sysconfig.get_path("purelib", vars={"base": os.fspath(folder)}))
    (packages / "others.pth").write_text(f"{others}\n")
    return folder / "bin" / "python"


def test_a_kernel_that_knows_no_qcqueue_and_no_index_finishes_a_job(tmp_path: Path, clean: Path) -> None:
    house = a_house(tmp_path / "house", STUDY + TOY)
    colab = Colab(tmp_path / "colab", {})
    with running(colab, f"folder:{house.store}", clean=clean) as cell:
        shown = cell.ended()
    assert "everything is saved" in shown
    assert job(house, TOY_JOB)["state"] == "done"
    asked = "from importlib.metadata import distribution; print(distribution('qcqueue').read_text('contents.sha256'))"
    said = subprocess.run([clean, "-c", asked], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert said.stdout.strip() == own_wheel().contents_sha256


@pytest.mark.long
def test_on_kaggle_a_kernel_that_knows_no_qcqueue_finishes_a_job_on_each_gpu(tmp_path: Path, clean: Path) -> None:
    house = a_house(tmp_path / "house", STUDY + TOY + '[[job]]\nname = "second"\nmodel = "Toy"\nseed = 2\n')
    kaggle = Kaggle(tmp_path / "kaggle", {}, gpus=2)
    with opened(kaggle, kaggle.notebook(f"folder:{house.store}", from_index=False), clean=clean) as cell:
        shown = cell.ended()
    assert [job(house, name)["state"] for name in (TOY_JOB, "small/second")] == ["done", "done"]
    assert "gpu 0: takes small/" in cell.was_shown
    assert "gpu 1: takes small/" in cell.was_shown
    assert "no job waits; on your laptop: qcqueue report" in shown
    assert "stop this session" in shown
    assert "given back" not in cell.was_shown


def test_a_machine_that_lacks_what_it_needs_says_so_in_two_lines(tmp_path: Path, clean: Path) -> None:
    (clean.parents[1] / "others" / "typer").unlink()
    next((clean.parents[1] / "others").glob("typer-*.dist-info")).unlink()
    house = a_house(tmp_path / "house", STUDY + TOY)
    with running(Colab(tmp_path / "colab", {}), f"folder:{house.store}", clean=clean) as cell:
        shown = cell.ended()
    first, second = shown.strip().splitlines()
    assert first.startswith("qcqueue could not be installed: ")
    assert "typer" in first
    assert second == "next: run this cell again"


@pytest.mark.long
@pytest.mark.tensorflow
def test_whoever_tries_it_sees_a_killed_model_end_with_the_same_bits_and_a_report(tmp_path: Path, clean: Path) -> None:
    colab = Colab(tmp_path / "colab", {})
    with opened(colab, trial_text(), clean=clean) as cell:
        shown = cell.ended(limit_s=LONGEST_S)
    assert "one/vgg16 was killed 2 times and equals a run that never was" in shown
    assert len(shown.splitlines()) < 20
    assert "iframe" in json.dumps(cell.outputs)
    assert (colab.folder / "qcqueue-demo" / "report" / "report.html").is_file()


def test_the_notebook_to_try_it_needs_no_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QCQUEUE_STORE", raising=False)
    assert run(["notebook", "--try"]) == 0
    assert (tmp_path / "try_qcqueue.ipynb").read_text() == trial_text()
    assert run(["notebook", "--try", "--store", "gdrive:1AbCdEfGhIj"]) == 2


def test_the_text_of_the_cell_names_no_index() -> None:
    code = "".join(json.loads(notebook_text("gdrive:1AbCdEfGhIj"))["cells"][1]["source"])
    before, brought, after = code.split("'''")
    assert "==0" not in before + after
    assert before.endswith("WHEEL = ")
    assert len(brought) > len(before + after)


def test_what_a_build_left_beside_the_sources_is_no_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "qcqueue.egg-info").mkdir()
    (tmp_path / "qcqueue.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: qcqueue\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(tmp_path)
    own_wheel.cache_clear()
    assert "-9.9-" not in own_wheel().name
