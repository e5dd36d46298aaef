"""A real Slurm works through a study: sessions save before their time is over, are put back, and lose no bit."""

import sys
from pathlib import Path

import pytest

from qcqueue.engines.toy import VARIABLE
from tests.cli.queues import House
from tests.end_to_end.machines import command, environment_of, job, wait_until
from tests.launchers.cluster import Cluster, a_cluster, lacks
from tests.launchers.labs import a_lab, bits_of

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(bool(lacks()), reason=f"no Slurm here: {', '.join(lacks())} not installed"),
]

ROOT = Path(__file__).parents[2]
EPOCHS = 24
SLOWLY = {VARIABLE: "step_s=1.5", "PYTHONPATH": str(ROOT)}
"""As the nodes find the package that is tested. An epoch of five steps takes eight seconds, all of a job over three
minutes."""

ASK = """
import os
from qcqueue.clock import SystemClock
from qcqueue.providers.slurm import PROVIDER
print(PROVIDER.deadline_s(os.environ) - SystemClock().now_s())
"""

A_DAY = (("#SBATCH --time=60\n", "#SBATCH --time=2\n"), ("TERM@180", "TERM@30"))
"""An hour is two minutes here, and a notice half a minute before its end, to which Slurm may add one."""


def submitted(house: House, cluster: Cluster, *, sessions: int) -> str:
    """Hand the script that is printed for an hour to Slurm, for two minutes."""
    words = ("--sessions", str(sessions), "--time", "60", "--gpus", "0", "--print")
    printed = command(house, "launch", "slurm", *words)
    assert printed.returncode == 0, printed.stderr
    script = printed.stdout
    for old, new in A_DAY:
        assert old in script
        script = script.replace(old, new)
    (house.folder / "job.sh").write_text(script)
    line = ("sbatch", "--parsable", f"--chdir={house.folder}", str(house.folder / "job.sh"))
    return cluster.said(*line, environment=SLOWLY).strip()


def test_a_study_is_done_over_several_starts_with_the_bits_of_one(tmp_path: Path) -> None:
    undisturbed = a_lab(tmp_path / "undisturbed", epochs=EPOCHS, jobs=2)
    for _ in range(2):
        quick = environment_of(undisturbed) | {VARIABLE: "step_s=0"}
        assert command(undisturbed, "work", environment=quick).returncode == 0
    house = a_lab(tmp_path / "lab", epochs=EPOCHS, jobs=2)
    with a_cluster() as cluster:
        submitted(house, cluster, sessions=2)

        def is_over() -> bool:
            cluster.hurry()
            return not cluster.states()

        wait_until(is_over, limit_s=450)
    outcomes = [segment["outcome"] for number in (1, 2) for segment in job(house, f"lab/job{number}")["segments"]]
    assert outcomes.count("stopped") >= 3, outcomes
    assert outcomes.count("finished") == 2
    assert set(outcomes) == {"stopped", "finished"}
    assert bits_of(house, 2) == bits_of(undisturbed, 2)


def test_a_task_that_is_cancelled_saves_and_stays_away(tmp_path: Path) -> None:
    house = a_lab(tmp_path / "lab", epochs=EPOCHS, jobs=1)
    with a_cluster() as cluster:
        number = submitted(house, cluster, sessions=1)
        wait_until(lambda: job(house, "lab/job1")["epochs_done"] >= 1)
        cluster.said("scancel", number)
        wait_until(lambda: not cluster.states())
        assert job(house, "lab/job1")["state"] == "queued"
        assert job(house, "lab/job1")["segments"][-1]["outcome"] == "stopped"
        assert cluster.states() == []


def test_a_session_knows_from_slurm_when_its_time_is_over(tmp_path: Path) -> None:
    with a_cluster() as cluster:
        said = cluster.said("srun", "--time=90", f"--chdir={tmp_path}", sys.executable, "-c", ASK, environment=SLOWLY)
        assert 89 * 60 < float(said) <= 90 * 60
