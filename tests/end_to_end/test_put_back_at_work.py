"""A shared store is put back from a copy while a session trains: three machines, real processes, one queue."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from qcqueue.app.context import open_context
from qcqueue.app.datasets import keep
from qcqueue.app.settings import load_settings
from qcqueue.datasets.format import Split
from tests.cli.queues import House
from tests.end_to_end.machines import STUDY, TOY, TOY_JOB, command, job, wait_until_training, working
from tests.end_to_end.test_shared_disk import a_machine
from tests.engines.worlds import a_dataset

pytestmark = pytest.mark.racing


def test_a_session_at_work_leaves_and_the_job_is_finished_once(tmp_path: Path) -> None:
    disk, backup = tmp_path / "disk", tmp_path / "backup"
    lab, fresh = (a_machine(tmp_path / name, disk) for name in ("lab", "fresh"))
    assert command(lab, "init").returncode == 0
    counts = {Split.TRAIN: 40, Split.VALIDATION: 9, Split.TEST: 9}
    place = open_context(load_settings(folder=lab.folder, environment={}))
    keep(place, "noise", a_dataset(counts=counts), dry_run=False)
    lab.write("study.toml", STUDY.replace("epochs = 3", "epochs = 400") + TOY)
    assert command(lab, "enqueue", "study.toml").returncode == 0
    with working(lab) as session:
        wait_until_training(lab, epoch=2, step=1)
        # What is being written meanwhile has a name that goes away.
        shutil.copytree(disk, backup, ignore=shutil.ignore_patterns("*.tmp", ".*"))
        wait_until_training(lab, epoch=4, step=1)
        command(lab, "status")
        disk.rename(tmp_path / "lost")
        shutil.copytree(backup, disk)
        assert session.ended() == 5, session.said
    assert "was put back from a copy" in session.said
    assert session.said.endswith("next: qcqueue store adopt\n")
    for arguments in (("status",), ("work",), ("store", "verify")):
        assert command(lab, *arguments).returncode == 5, arguments
    assert job(fresh, TOY_JOB)["epochs_done"] < 4

    assert "lost:     small/toy" in command(lab, "store", "adopt").stdout
    assert command(lab, "store", "adopt", "--yes").returncode == 0
    with working(lab) as session:
        wait_until_training(lab, epoch=2, step=1)
        os.killpg(session.process.pid, signal.SIGKILL)
    assert _epochs_are_in_order(lab)
    for machine in (lab, fresh):
        assert command(machine, "store", "verify", "--quick").returncode == 0
        assert [it["number"] for it in job(machine, TOY_JOB)["segments"]] == [1, 2]


def _epochs_are_in_order(machine: House) -> bool:
    epochs = [it["epoch"] for it in job(machine, TOY_JOB)["epochs"]]
    return epochs == list(range(1, len(epochs) + 1))
