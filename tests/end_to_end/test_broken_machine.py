"""A machine on which no training can work: no job fails for it, and the session says so after two."""

import os
from pathlib import Path

import pytest

from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.job_lines import job_lines
from tests.cli.queues import House
from tests.end_to_end.machines import STUDY, VGG16, a_house, command

NAMES = ("one", "two", "three", "four", "five", "six")
SIX = STUDY + "".join(f'{VGG16}name = "{name}"\n' for name in NAMES)
MISSING = 'raise ImportError("libcudart.so.12: cannot open shared object file")\n'
# Whoever is started as a trainer ends before it could look at any job.
CANNOT_BEGIN = "import sys\nif sys.orig_argv[1:3] == ['-m', 'qcqueue.trainer.main']:\n    raise SystemExit(1)\n"


def broken(house: House, files: dict[str, str]) -> dict[str, str]:
    """Return an environment in which these files are found before the real ones."""
    for name, content in files.items():
        house.write(f"broken/{name}", content)
    path = os.pathsep.join([os.fspath(house.folder / "broken"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "QCQUEUE_CACHE": os.fspath(house.cache)}


def states(house: House) -> set[str]:
    with house.queue.read() as tx:
        return {str(line.state) for line in job_lines(tx)}


@pytest.mark.parametrize(
    "files",
    [{"keras/__init__.py": MISSING, "tensorflow/__init__.py": MISSING}, {"sitecustomize.py": CANNOT_BEGIN}],
    ids=["a shared library is missing", "the trainer cannot begin"],
)
def test_six_jobs_on_a_machine_with_a_broken_library_are_no_failure(tmp_path: Path, files: dict[str, str]) -> None:
    house = a_house(tmp_path / "house", SIX)
    environment = broken(house, files)
    worked = command(house, "work", "--jobs", "12", environment=environment)
    assert worked.returncode == 8, worked.stderr
    assert "left, because no job can start on this machine" in worked.stdout
    assert "small/one and small/two cannot run here: " in worked.stdout
    assert "next: pip install --force-reinstall" in worked.stdout
    assert "Traceback" not in worked.stdout + worked.stderr

    assert states(house) == {"queued"}
    with house.queue.read() as tx:
        attempts = {name: job_detail(tx, f"small/{name}").attempts for name in NAMES}
    tried = [name for name in NAMES if attempts[name]]
    assert [str(attempts[name][0].trouble) for name in tried] == ["libraries", "libraries"]
    why = command(house, "why", tried[0])
    assert "ended because of the libraries on " in why.stdout
    assert "which is no failure of the job" in why.stdout
    assert "next: pip install --force-reinstall" in why.stdout
    assert "libraries: " in command(house, "log", tried[0]).stdout

    again = command(house, "work", "--json", environment=environment)  # where one job is asked for it is the same
    assert again.returncode == 8
    assert '"trouble": "libraries"' in again.stdout
    assert states(house) == {"queued"}
