"""A real Ray of this machine: three sessions at once, a worker of it killed, and every job done with the bits of one.

Ray asks for many packages and an interpreter of its own, so it runs in the environment that QCQUEUE_TESTS_RAY names, a
folder with `qcqueue[ray]` installed in it.
"""

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcqueue.engines.toy import VARIABLE
from tests.cli.queues import House
from tests.end_to_end.machines import command, environment_of, job, wait_until
from tests.launchers.cluster import free_ports
from tests.launchers.labs import a_lab, bits_of

RAY = Path(os.environ.get("QCQUEUE_TESTS_RAY", ""))
PYTHON = RAY / "bin" / "python"
AS_RAY = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
JOBS = 4
EPOCHS = 6
ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not PYTHON.exists(), reason="no Ray here: QCQUEUE_TESTS_RAY names no environment with it"),
]


def workers_at_work() -> list[int]:
    """Return the processes of Ray in which a session runs now."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if re.match(rb"ray::run_session", words):
                found.append(int(folder.name))
    return found


def has_begun(house: House) -> bool:
    return len(workers_at_work()) == 3 and job(house, "lab/job1")["epochs_done"] >= 1


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A cluster of one node, which believes that it has more cores than this machine may have."""
    (port,) = free_ports(1)
    words = ["start", "--head", "--block", f"--port={port}", "--num-cpus=4", "--include-dashboard=false"]
    # The names of its sockets have to be short.
    with tempfile.TemporaryDirectory(prefix="ray-") as place, (tmp_path / "ray").open("wb") as said:
        head = subprocess.Popen(
            [RAY / "bin" / "ray", *words, f"--temp-dir={place}"],
            cwd=tmp_path,
            env={**os.environ, VARIABLE: "step_s=0.4", "PYTHONPATH": str(ROOT), **AS_RAY},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            wait_until(lambda: b"Ray runtime started" in (tmp_path / "ray").read_bytes(), limit_s=90)
            yield f"127.0.0.1:{port}"
        finally:
            head.terminate()
            head.wait(60)


def test_three_sessions_at_once_one_of_them_killed(tmp_path: Path, address: str) -> None:
    undisturbed = a_lab(tmp_path / "undisturbed", epochs=EPOCHS, jobs=JOBS)
    for _ in range(JOBS):
        quick = environment_of(undisturbed) | {VARIABLE: "step_s=0"}
        assert command(undisturbed, "work", environment=quick).returncode == 0
    house = a_lab(tmp_path / "lab", epochs=EPOCHS, jobs=JOBS)
    environment = environment_of(house) | {"PYTHONPATH": str(ROOT), **AS_RAY}
    words = ["launch", "ray", "--sessions", "3", "--gpus", "0", "--address", address, "--json"]
    with (house.folder / "said").open("wb") as said, (house.folder / "answer").open("wb") as answer:
        process = subprocess.Popen(
            [PYTHON, "-m", "qcqueue", *words],
            cwd=house.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=said,
            start_new_session=True,
        )
        try:
            wait_until(lambda: has_begun(house) or process.poll() is not None, limit_s=180)
            assert process.poll() is None, (house.folder / "said").read_text()
            os.kill(workers_at_work()[0], signal.SIGKILL)
            code = process.wait(300)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    told = (house.folder / "said").read_text()
    assert code == 0, told
    assert "was lost (WorkerCrashedError); starting it again" in told
    assert f"{JOBS} of {JOBS} jobs done" in told
    assert bits_of(house, JOBS) == bits_of(undisturbed, JOBS)
