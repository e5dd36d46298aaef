"""A command that only looks must answer at once, so it may not import what only training, stores or reports need."""

import gc
import json
import subprocess
import sys
from collections.abc import Mapping

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
    "scipy",
    "pandas",
    "skimage",
    "tensorboard",
    "mlflow",
    "pydicom",
}
# `status` has a budget of its own: beside what it answers with, typer and SQLAlchemy are all it may load.
HEAVY_FOR_STATUS = HEAVY | {"numpy", "PIL", "rich", "pydantic", "safetensors", "h5py"}
PROGRAM = """
import json, sys
from qcqueue.cli.main import run
for typed in sys.argv[1:]:
    code = run(typed.split())
    imported = sorted({name.partition(".")[0] for name in sys.modules})
    print(json.dumps({"typed": typed, "code": code, "imported": imported}), file=sys.stderr)
"""


def imported_by(house: House, *typed: str) -> dict[str, set[str]]:
    """Return what a new process has imported when each of these commands has ended, the ones before it included."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *typed],
        cwd=house.folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    said = [json.loads(line) for line in done.stderr.splitlines() if line.startswith('{"typed": ')]
    assert [(line["typed"], line["code"]) for line in said] == [(line, 0) for line in typed], done.stderr
    return {line["typed"]: set(line["imported"]) for line in said}


def heavy(imported: Mapping[str, set[str]], modules: set[str] = HEAVY) -> dict[str, set[str]]:
    """Return which of these modules were there after each command that had any of them."""
    return {typed: names & modules for typed, names in imported.items() if names & modules}


def test_a_command_of_a_laptop_imports_nothing_heavy(house: House) -> None:
    house.write("study.toml", STUDY + JOB)
    typed = ("", "show done", "log done", "why done", "enqueue study.toml", "hold queued", "data list", "work -h")
    assert heavy(imported_by(house, *typed)) == {}


def test_status_imports_only_what_it_answers_with(house: House) -> None:
    assert heavy(imported_by(house, "status", "status --json"), HEAVY_FOR_STATUS) == {}


def test_a_command_that_may_live_for_hours_has_its_garbage_collected() -> None:
    gc.disable()  # as the command line is imported
    try:
        assert run(["work", "-h"]) == 0
        assert gc.isenabled()
    finally:
        gc.enable()
