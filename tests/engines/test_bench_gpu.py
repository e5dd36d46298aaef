"""The benchmark of a GPU, small and on a CPU: what is prepared for a machine that is seldom at hand runs to its end."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.tensorflow(in_a_child=True), pytest.mark.long]

ROOT = Path(__file__).parents[2]
SMALL = ("VGG16", "--side=32", "--batch=4", "--images=24", "--steps=3", "--at-once=1", "--threads=1")


def benched(folder: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Return how the script ended, and what stands in its file."""
    command = [
        sys.executable,
        str(ROOT / "scripts" / "bench_gpu.py"),
        *SMALL,
        f"--json={folder / 'gpu.json'}",
        *options,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done, json.loads((folder / "gpu.json").read_text())


def test_each_way_has_its_cell_with_operations_and_bits_that_a_second_process_confirms(tmp_path: Path) -> None:
    done, found = benched(tmp_path, "--ways=graph,fused,xla,fit exact", "--seconds=500")
    assert done.returncode == 0, done.stdout + done.stderr
    cells = {cell["way"]: cell for cell in found["cells"]}
    assert [*cells] == ["graph", "fused", "xla", "fit exact"]
    for way, cell in cells.items():
        assert (cell["why"], len(cell["rounds_s"])) == (None, 3), way
        assert 0 < cell["step_s"] < cell["epoch_s"]
    for way in ("graph", "fused", "xla"):
        assert 0 < cells[way]["least_s"] < cells[way]["step_s"]
    assert cells["fused"]["operations"] < cells["graph"]["operations"]
    assert len({cells[way]["digest"] for way in ("graph", "fused", "xla")}) == 3, "each has bits of its own"
    assert [cell["same_in_second_process"] for cell in cells.values() if cell.get("is_fastest_of_ours")] == [True]
    assert found["left_out"] == []


def test_a_run_that_has_no_time_says_what_it_left_out(tmp_path: Path) -> None:
    done, found = benched(tmp_path, "--ways=graph,fit", "--seconds=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert found["left_out"] == [
        {"model": "VGG16", "way": way, "why": "there was no time left to compile it"} for way in ("graph", "fit")
    ]
