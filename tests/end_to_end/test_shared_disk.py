"""Machines that share nothing but a disk: a laptop enqueues, two others train, one of them is killed."""

import os
import signal
from pathlib import Path

import pytest

from qcqueue.app.context import open_context
from qcqueue.app.datasets import keep
from qcqueue.app.settings import load_settings
from qcqueue.datasets.format import Split
from qcqueue.engines.toy import VARIABLE
from tests.cli.queues import House
from tests.end_to_end.machines import STUDY, TOY, TOY_JOB, command, job, wait_until_training, working
from tests.engines.worlds import a_dataset

pytestmark = pytest.mark.racing


def a_machine(folder: Path, disk: Path) -> House:
    machine = House(folder=folder)
    machine.write("qcqueue.toml", f'store = "shared:{disk}"\ncache = "{machine.cache}"\n')
    return machine


def test_a_job_wanders_over_three_machines_and_loses_no_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laptop, first, second = (a_machine(tmp_path / name, tmp_path / "disk") for name in ("laptop", "first", "second"))
    assert command(laptop, "init").returncode == 0
    counts = {Split.TRAIN: 40, Split.VALIDATION: 9, Split.TEST: 9}
    place = open_context(load_settings(folder=laptop.folder, environment={}))
    keep(place, "noise", a_dataset(counts=counts), dry_run=False)
    laptop.write("study.toml", STUDY.replace("epochs = 3", "epochs = 8") + TOY)
    assert command(laptop, "enqueue", "study.toml").returncode == 0

    monkeypatch.setenv(VARIABLE, "step_s=0.1")  # it is not done before it is killed
    with working(first) as session:
        wait_until_training(first, epoch=2, step=1)
        os.killpg(session.process.pid, signal.SIGKILL)
    monkeypatch.setenv(VARIABLE, "")
    # Until the lease ends, only the first machine can prove that its session is dead: by beginning another.
    assert command(first, "work", "--max-epochs", "1").returncode == 20
    assert job(laptop, TOY_JOB)["epochs_done"] >= 1
    finished = command(second, "work")
    assert finished.returncode == 0, finished.stderr
    shown = job(laptop, TOY_JOB)
    assert (shown["state"], shown["epochs_done"]) == ("done", 8)
    assert [segment["outcome"] for segment in shown["segments"]] == ["interrupted", "stopped", "finished"]
