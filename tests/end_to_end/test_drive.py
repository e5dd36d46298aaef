"""A laptop, a folder on Drive, sessions that die: real processes, each a machine of its own, over the emulator."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.drive.faults import DriveFault
from tests.support.study import Turn, live, undisturbed

pytestmark = pytest.mark.racing

TOY = "Toy"

# A toy that is larger than a chunk, and chunks that are smaller than it: its frozen part takes two.
LARGE = """
import sys
from dataclasses import replace

if "qcqueue.trainer.main" in sys.orig_argv:
    from qcqueue.catalog import models

    models.TOY = replace(models.TOY, features=8000)
elif "work" in sys.orig_argv:
    from qcqueue.stores.drive import files

    files.ONE_REQUEST_BYTES = 500_000  # before anything has it from there
    from qcqueue.stores.drive import uploads

    uploads.CHUNK_BYTES = 1 << 20
"""


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of a run nothing happened to."""
    return undisturbed(tmp_path_factory.mktemp("undisturbed"))


def test_a_session_saves_what_a_killed_one_left_on_the_same_machine(tmp_path: Path) -> None:
    """The same with TensorFlow, on another machine, is long."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(LARGE)
    paths = [str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    large = {"PYTHONPATH": os.pathsep.join(paths)}
    (tmp_path / "quiet").mkdir()
    expected = undisturbed(tmp_path / "quiet", model=TOY, environment=large)
    turns = [Turn(machine="first", dies_in="upload.chunk", nth=2), Turn(machine="first")]
    report = live(2, tmp_path, expected, turns=turns, model=TOY, environment=large)
    assert (report.kills, report.sessions) == (1, 2)
    said = (tmp_path / "first" / "said.log").read_text()
    assert "saving what attempt 1 on small/toy left on this machine" in said
    # Cut within a chunk it is asked for and gone on with; where the kill came a moment late, it is whole.
    assert report.requests["upload.start"] == 1, "no upload of the frozen base is begun anew"


@pytest.mark.long
@pytest.mark.tensorflow
def test_a_study_goes_on_elsewhere_after_a_kill_in_an_upload_and_ends_with_the_same_bits(
    tmp_path: Path, expected: dict[str, Any]
) -> None:
    turns = [Turn(machine="first", dies_in="upload.chunk", nth=2), Turn(machine="second")]
    report = live(1, tmp_path, expected, turns=turns)
    assert (report.kills, report.sessions, report.attempts) == (1, 2, 2)


@pytest.mark.long
@pytest.mark.tensorflow
def test_a_study_survives_every_fault_of_the_network_at_once(tmp_path: Path, expected: dict[str, Any]) -> None:
    report = live(3, tmp_path, expected, rates=dict.fromkeys(DriveFault, 0.05))
    assert sum(report.hits.values()) > 20
