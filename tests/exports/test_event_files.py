"""Event files are read back by TensorBoard's own reader, in a process where TensorFlow cannot be imported."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcqueue.core.states import State
from qcqueue.errors import UserError
from qcqueue.exports.run import TrackedRun, runs_of
from qcqueue.exports.tensorboard import FILE_NAME, event_bytes, write_events
from tests.reports.studies import a_job, a_spec, a_study, an_epoch, epochs_of

READER = """
import json, sys
sys.modules["tensorflow"] = None  # as where it is not installed
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray
found = EventAccumulator(sys.argv[1], size_guidance={"tensors": 0, "scalars": 0}).Reload()
tags = found.Tags()
read = {tag: [[it.step, it.wall_time, it.value] for it in found.Scalars(tag)] for tag in tags["scalars"]}
read |= {tag: [[it.step, it.wall_time, float(make_ndarray(it.tensor_proto))] for it in found.Tensors(tag)]
         for tag in tags["tensors"]}
print(json.dumps(read))
"""
LIMIT_S = 120


def read_back(folder: Path) -> dict[str, list[list[float]]]:
    """Return step, wall time and value of every number TensorBoard finds, by its tag."""
    child = subprocess.run(
        [sys.executable, "-c", READER, str(folder)], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert child.returncode == 0, child.stderr
    read: dict[str, list[list[float]]] = json.loads(child.stdout)
    return read


def a_run(epochs: int = 12, *, cuts: tuple[int, ...] = (3, 7), **changes: Any) -> TrackedRun:
    (run,) = runs_of([a_job(a_spec(), epochs_of(epochs, cuts=cuts), state=State.RUNNING)])
    return replace(run, **changes)


def test_tensorboard_reads_every_epoch_with_its_number_and_its_time_over_all_segments(tmp_path: Path) -> None:
    run = a_run()
    assert write_events(tmp_path, run).what == "written"
    read = read_back(tmp_path)
    assert set(read) == set(run.steps[0].values) >= {
        "loss/train", "loss/validation", "accuracy/train", "accuracy/validation", "learning_rate", "seconds/train",
    }  # fmt: skip
    for tag, points in read.items():
        assert [point[0] for point in points] == list(range(1, 13))
        assert [point[1] for point in points] == [step.at_s for step in run.steps]
        assert [point[2] for point in points] == [float(np.float32(step.values[tag])) for step in run.steps]


def test_an_epoch_that_was_done_again_counts_once_as_the_run_goes_on_from_it() -> None:
    lost = replace(an_epoch(3, seed=5), official=False)
    (run,) = runs_of([a_job(a_spec(), [*epochs_of(4), lost], state=State.RUNNING)])
    assert [step.epoch for step in run.steps] == [1, 2, 3, 4]
    assert run.steps[2].values["loss/train"] == an_epoch(3).metrics.loss


def test_jobs_without_a_finished_epoch_are_no_runs() -> None:
    assert [run.name for run in runs_of(a_study())] == [
        detail.spec.name for detail in a_study() if detail.line.epochs_done
    ]


def test_a_second_export_changes_nothing_and_a_later_one_begins_with_the_same_bytes(tmp_path: Path) -> None:
    write_events(tmp_path, a_run(5))
    before, at_ns = (tmp_path / FILE_NAME).read_bytes(), (tmp_path / FILE_NAME).stat().st_mtime_ns
    assert write_events(tmp_path, a_run(5)).what == "there already"
    assert (tmp_path / FILE_NAME).stat().st_mtime_ns == at_ns
    assert write_events(tmp_path, a_run(9)).what == "added to"
    after = (tmp_path / FILE_NAME).read_bytes()
    assert after.startswith(before)
    assert len(after) > len(before)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_what_others_have_written_beside_it_stays(tmp_path: Path) -> None:
    others = tmp_path / "events.out.tfevents.1700000000.laptop.1.0"
    others.write_bytes(event_bytes(a_run(1)))
    write_events(tmp_path, a_run(2))
    assert others.read_bytes() == event_bytes(a_run(1))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file cannot be written"):
        write_events(tmp_path / "file", a_run(1))
