"""What the worker cell installs into Colab: qcqueue itself and nothing else, whatever pip is asked to resolve.

The wheel is built from a copy of the sources. Colab is an environment that claims to have the versions of its image;
pip is asked for a dry run against it, without an index, so that every requirement must be met by what is there.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from qcqueue.app.notebook_file import notebook_text
from qcqueue.app.wheel import own_wheel

ROOT = Path(__file__).parents[2]
FREEZE = Path(__file__).with_name("colab-2026-08.txt")
EXTRAS = "[train,drive]"
LIMIT_S = 300


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pip as it is on a machine without settings of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return subprocess.run(
        [sys.executable, "-m", "pip", *arguments],
        env=environment | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    sources = tmp_path_factory.mktemp("sources")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    shutil.copytree(ROOT / "qcqueue", sources / "qcqueue", ignore=shutil.ignore_patterns("__pycache__"))
    # With a setuptools that is new enough, nothing need be fetched to build.
    here = ["--no-build-isolation"] if int(version("setuptools").partition(".")[0]) >= 77 else []
    built = pip("wheel", "--no-deps", *here, "--wheel-dir", str(sources / "dist"), str(sources))
    assert built.returncode == 0, built.stderr
    (found,) = (sources / "dist").glob("qcqueue-*.whl")
    yield found
    shutil.rmtree(sources)


def frozen() -> dict[str, str]:
    lines = [line for line in FREEZE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def an_environment(folder: Path, installed: Mapping[str, str]) -> Path:
    """Make an environment that claims to have these versions; return its Python."""
    venv.create(folder, with_pip=False)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    for name, number in installed.items():
        info = packages / f"{name.replace('-', '_')}-{number}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        (info / "INSTALLER").write_text("pip\n")
        (info / "RECORD").write_text("")
    return folder / "bin" / "python"


def dry_run(python: Path, wheel: Path) -> subprocess.CompletedProcess[str]:
    arguments = ("install", "--dry-run", "--quiet", "--no-index", "--report", "-", f"{wheel}{EXTRAS}")
    return pip("--isolated", "--python", str(python), *arguments)


def test_into_colab_pip_installs_qcqueue_and_changes_nothing_else_and_a_notebook_brings_the_same(
    tmp_path: Path, wheel: Path
) -> None:
    answer = dry_run(an_environment(tmp_path / "colab", frozen()), wheel)
    assert answer.returncode == 0, answer.stderr
    assert [item["metadata"]["name"] for item in json.loads(answer.stdout)["install"]] == ["qcqueue"]
    built, brought = zipfile.ZipFile(wheel), zipfile.ZipFile(io.BytesIO(own_wheel().data))
    # What tests of plug-ins inherit from stays at home: no session runs it, and room in a cell is short.
    package = [name for name in built.namelist() if name.startswith("qcqueue/") and "/conformance/" not in name]
    assert sorted(name for name in brought.namelist() if name.startswith("qcqueue/")) == sorted(package)
    assert [name for name in package if built.read(name) != brought.read(name)] == []


@pytest.mark.long
@pytest.mark.parametrize(("name", "number"), [("PyDrive2", "1.20.0"), ("SQLAlchemy", "2.0.30"), ("typer", "0.9.0")])
def test_an_older_image_would_be_noticed(name: str, number: str, tmp_path: Path, wheel: Path) -> None:
    answer = dry_run(an_environment(tmp_path / "colab", frozen() | {name: number}), wheel)
    assert answer.returncode != 0
    assert name.lower() in answer.stderr.lower()


def test_a_laptop_with_windows_brings_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    here = own_wheel().data
    monkeypatch.setattr(sys, "platform", "win32")
    assert own_wheel.__wrapped__().data == here


def test_the_notebook_installs_what_is_tried_here() -> None:
    code = "".join(json.loads(notebook_text("gdrive:1AbCdEfGhIj"))["cells"][1]["source"])
    assert f'install("{EXTRAS}")' in code


def test_pip_asks_the_wheel_that_a_notebook_brings_for_the_same(tmp_path: Path) -> None:
    brought = tmp_path / own_wheel().name
    brought.write_bytes(own_wheel().data)
    answer = dry_run(an_environment(tmp_path / "colab", frozen()), brought)
    assert answer.returncode == 0, answer.stderr
    assert [item["metadata"]["name"] for item in json.loads(answer.stdout)["install"]] == ["qcqueue"]
