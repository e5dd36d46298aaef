"""A command that only looks must answer at once, so it may not import what only training, stores or reports need."""

import gc
import json
import subprocess
import sys

import pytest

from qcqueue.cli.main import run
from tests.cli.queues import JOB, STUDY, House

LIMIT_S = 60
HEAVY = {
    "tensorflow",
    "keras",
    "pydrive2",
    "google",
    "matplotlib",
    "sklearn",
    "pandas",
    "skimage",
    "tensorboard",
    "mlflow",
    "resvg_py",
    "pydicom",
}
# `status` has a budget of its own: beside what it answers with, typer and SQLAlchemy are all it may load.
HEAVY_FOR_STATUS = HEAVY | {"numpy", "PIL", "rich", "pydantic", "safetensors", "h5py"}
PROGRAM = """
import json, sys
from qcqueue.cli.main import run
code = run(sys.argv[1:])
print(json.dumps({"code": code, "imported": sorted({name.partition(".")[0] for name in sys.modules})}), file=sys.stderr)
"""


def imported_by(house: House, *typed: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *typed],
        cwd=house.folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    said = json.loads(done.stderr.splitlines()[-1])
    assert said["code"] == 0, done.stderr
    return set(said["imported"])


@pytest.mark.parametrize(
    "typed", ["", "show done", "log done", "why done", "enqueue study.toml", "hold queued", "data list", "work -h"]
)
def test_a_command_of_a_laptop_imports_nothing_heavy(typed: str, house: House) -> None:
    house.write("study.toml", STUDY + JOB)
    assert imported_by(house, *typed.split()) & HEAVY == set()


@pytest.mark.parametrize("typed", ["status", "status --json"])
def test_status_imports_only_what_it_answers_with(typed: str, house: House) -> None:
    assert imported_by(house, *typed.split()) & HEAVY_FOR_STATUS == set()


def test_a_command_that_may_live_for_hours_has_its_garbage_collected() -> None:
    gc.disable()  # as the command line is imported
    try:
        assert run(["work", "-h"]) == 0
        assert gc.isenabled()
    finally:
        gc.enable()
