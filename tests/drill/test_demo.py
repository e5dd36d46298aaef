"""The demo with toys, as a newcomer sees it who has installed the core alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qcqueue.app.context import context_in
from qcqueue.cli.main import run
from qcqueue.drill import demo
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.job_lines import job_lines

NOT_INSTALLED = ("tensorflow", "keras", "sklearn", "skimage", "matplotlib")
LIMIT_S = 300
"""On a machine that has much else to do; alone it takes some fifteen seconds."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder of a finished demo, and what it said."""
    folder = tmp_path_factory.mktemp("demo")
    for name in NOT_INSTALLED:
        (folder / "site" / name).mkdir(parents=True)
        (folder / "site" / name / "__init__.py").write_text(f"raise ImportError('no {name} here')\n")
    path = os.pathsep.join([str(folder / "site"), os.environ.get("PYTHONPATH", ""), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-m", "qcqueue", "demo", "--fast", "--out", "shown"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return folder / "shown", done


def test_without_tensorflow_sessions_are_killed_and_the_bits_are_proven(
    shown: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = shown
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("SIGKILL to toys/toy-") >= 2
    assert "the same bits: weights, history and predictions" in done.stderr
    assert "3 jobs: 3 done" in done.stdout
    assert "EQUAL" in done.stdout
    assert (folder / "report" / "report.html").is_file()


def test_what_its_sessions_foresaw_is_held_against_what_came(
    shown: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = shown
    planned = subprocess.run(
        [sys.executable, "-m", "qcqueue", "plan", "--json", "--store", f"folder:{folder / 'queue'}"],
        env=os.environ | {"QCQUEUE_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert planned.returncode == 7, planned.stderr
    past = json.loads(planned.stdout)["past_forecasts"]
    assert past["judged"] >= 1
    assert past["inside"] >= 1  # of so few, on a machine that may get busy in the middle; all of them where it does not
    assert f"{past['inside']} of {past['judged']} past forecast" in planned.stderr


def test_the_toys_learn_what_there_is_to_learn(shown: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = shown
    queue = context_in(folder / "queue", cache=folder / "cache")
    with queue.read() as tx:
        lines = list(job_lines(tx))
        accuracies = {line.name: job_detail(tx, line.name).epochs[-1].metrics.val_accuracy for line in lines}
    assert len(lines) == 3
    assert accuracies["toys/toy-adam"] == 1.0


def test_without_tensorflow_the_demo_says_at_once_what_can_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "can_train", lambda: False)
    assert run(["demo"]) == 2
    assert capfd.readouterr().err.endswith('next: qcqueue demo --fast, or pip install "qcqueue[train,sample]"\n')
    assert list(tmp_path.iterdir()) == []
