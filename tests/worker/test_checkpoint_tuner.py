"""What a session measures while it trains, and what it says of its start, once an attempt."""

from pathlib import Path
from typing import Any

import pytest

from qcqueue.spool.files import TrainerProgress
from qcqueue.spool.reader import Spool
from qcqueue.worker.checkpoint_tuner import CheckpointTuner

SECONDS = {"import": 3.0, "compile": 20.0, "train": 1.0}


class Watched:
    """A tuner whose words are kept, and a spool in which the trainer says where it is."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.tuner = CheckpointTuner(narrate=self.said.append)
        self.spool = Spool(folder / "spool")
        self.spool.folder.mkdir()

    def sees(self, **progress: Any) -> None:
        self.spool.progress.write(
            TrainerProgress(**{"phase": "training", "steps": 69, "step": 4, "seconds": SECONDS, **progress})
        )
        self.tuner.mind(self.spool, lag_s=7.0)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_the_first_step_is_told_once(watched: Watched) -> None:
    watched.sees(phase="compiling")
    assert watched.said == []
    watched.sees()
    watched.sees(seconds={**SECONDS, "train": 9.0})
    assert watched.said == ["first step after 23.0 s: import 3.0 s, compile 20.0 s"]


def test_what_is_measured_is_given_by_name_and_what_is_not_is_left_out(watched: Watched) -> None:
    assert watched.tuner.numbers() == {}
    watched.tuner.validated(1.0)
    watched.sees(step_s=0.5)
    assert watched.tuner.numbers() == {"epoch_s": 35.5, "lag_s": 7.0, "steps": 69}
    watched.sees(step_s=0.5, stall_s=0.1)
    assert watched.tuner.numbers()["stall_s"] == 0.1
