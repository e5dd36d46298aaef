"""What the README asks a newcomer to type, typed: the demo, and a study of one's own up to its training."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from qcqueue.cli.main import run
from qcqueue.drill import demo
from tests.datasets.pictures import folder_of, three_classes
from tests.docs.pages import ROOT, blocks

README = (ROOT / "README.md").read_text(encoding="utf-8")

A_SMALL_STUDY = """\
study = "tiny"
dataset = "qc-tiny"

[defaults]
epochs = 2
batch_size = 8
weights = "none"
trainable = "head"

[[job]]
model = "VGG16"
"""

FEWER = ["--images", "300"]
"""Three thousand practice images take ten seconds to make."""


def below(heading: str) -> list[list[str]]:
    """Return the commands of the block below a heading of the README."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## )", README, re.MULTILINE | re.DOTALL)
    (block,) = blocks(section)
    return [shlex.split(line.removeprefix("$ "), comments=True) for line in block.text.splitlines()]


def test_a_study_of_ones_own_is_what_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("QCQUEUE_STORE", "QCQUEUE_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QCQUEUE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder_of(tmp_path / "scans", three_classes())
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")
    environment, *lines = below("Your own study")
    assert environment == ["python3", "-m", "venv", ".venv", "&&", ".", ".venv/bin/activate"]
    assert [line[0] for line in lines] == ["pip", *["qcqueue"] * 4]
    assert lines[-1] == ["qcqueue", "work", "--jobs", "6"]
    for command, *words in lines[:-1]:
        fewer = FEWER if words == ["data", "sample"] else []
        assert command == "pip" or run([*words, *fewer]) == 0
    capfd.readouterr()
    assert run(["status"]) == 0
    assert "6 jobs: 6 queued" in capfd.readouterr().out


def test_the_first_script_runs_the_demo() -> None:
    clone, script = below("See it work")
    assert clone[:2] == ["git", "clone"]
    assert script == ["./scripts/demo"]
    assert "exec .venv/bin/qcqueue demo" in (ROOT / "scripts" / "demo").read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.tensorflow
def test_the_demo_kills_proves_and_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With one small job and one kill in place of six and seven: the rest is as a newcomer sees it."""
    monkeypatch.setattr(demo, "tiny_study", lambda: A_SMALL_STUDY)
    monkeypatch.setattr(demo, "PLAN", (("between steps",),))
    assert run(["demo", "--out", str(tmp_path / "shown")]) == 0
    said, told = capfd.readouterr()
    assert "SIGKILL to tiny/vgg16, between steps" in told
    assert "the same bits: weights, history and predictions" in told
    assert "1 job: 1 done" in said
    assert "EQUAL" in said
    assert (tmp_path / "shown" / "report" / "report.html").is_file()
