"""A job that is done trains on as another one, and ends with the bits of one that had had all the epochs at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from qcqueue.core.evaluation import Result
from qcqueue.core.states import State
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.values import JobDetail
from tests.cli.queues import House
from tests.end_to_end.machines import STUDY, TOY, a_house, command

STOPS = "early_stopping = 4\n"


def said(house: House, *arguments: str, code: int = 0) -> str:
    """Type a command; return what it says."""
    done = command(house, *arguments)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def detail_of(house: House, name: str) -> JobDetail:
    with house.queue.read() as tx:
        return job_detail(tx, name)


def result_of(house: House, name: str) -> Result:
    found = detail_of(house, name).result
    assert found is not None, f"{name} is not done"
    return found


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A toy of three epochs that is done and has kept its state."""
    house = a_house(tmp_path / "house", "")
    house.write("study.toml", STUDY + STOPS + TOY)
    assert "its state kept when it is done" in said(house, "enqueue", "study.toml", "--keep-state")
    said(house, "work")
    return house


def test_an_extended_job_ends_with_the_bits_of_one_run(house: House) -> None:
    before = detail_of(house, "toy")
    assert "enqueued  small/toy-9: it goes on from epoch 3 of small/toy, which stays" in said(
        house, "extend", "toy", "--epochs", "9"
    )
    begun = detail_of(house, "toy-9")
    assert (begun.line.state, begun.line.epochs_done, begun.line.attempts) == (State.QUEUED, 3, 1)
    said(house, "work", "--max-epochs", "2", code=20)  # cut once, as any job may be
    said(house, "work")
    said(house, "enqueue", "study.toml", "--set", "study=whole", "--set", "epochs=9")
    said(house, "work")

    extended, whole = detail_of(house, "small/toy-9"), detail_of(house, "whole/toy")
    assert result_of(house, "small/toy-9") == result_of(house, "whole/toy")
    assert [it.metrics for it in extended.official_epochs()] == [it.metrics for it in whole.official_epochs()]
    assert [it.attempt for it in extended.official_epochs()][:3] == [1, 1, 1]
    assert detail_of(house, "small/toy") == before, "the old job and its result stay"
    for arguments in (("store", "verify"), ("report", "--out", "report"), ("status",)):
        said(house, *arguments)


def test_early_stopping_goes_on_counting_where_it_was(tmp_path: Path) -> None:
    house = a_house(tmp_path / "house", "")
    study = STUDY.replace("epochs = 3", "epochs = 4").replace("batch_size", "learning_rate = 3.0\nbatch_size")
    house.write("study.toml", study + STOPS + TOY)
    said(house, "enqueue", "study.toml", "--keep-state")
    said(house, "work")
    said(house, "extend", "toy", "--epochs", "30")
    said(house, "enqueue", "study.toml", "--set", "study=whole", "--set", "epochs=30")
    said(house, "work", "--jobs", "2")
    extended, whole = (detail_of(house, name) for name in ("small/toy-30", "whole/toy"))
    assert 4 < len(whole.official_epochs()) < 30, "it stops early, and not before it is extended"
    assert [it.metrics for it in extended.official_epochs()] == [it.metrics for it in whole.official_epochs()]
    assert result_of(house, "small/toy-30") == result_of(house, "whole/toy")
    refused = said(house, "extend", "small/toy-30", "--epochs", "60", code=2)
    assert "small/toy-30 stopped early after epoch" in refused
    assert "next: qcqueue show small/toy-30" in refused


def test_an_extended_job_outlives_the_one_it_was_made_of_and_can_be_extended_again(house: House) -> None:
    said(house, "extend", "toy", "--epochs", "4")
    said(house, "remove", "small/toy", "--yes")
    said(house, "work")
    assert [it.metrics.epoch for it in detail_of(house, "toy-4").official_epochs()] == [1, 2, 3, 4]
    assert "enqueued  small/toy-5" in said(house, "extend", "toy-4", "--epochs", "5")
    said(house, "work")
    assert result_of(house, "toy-5").last.epoch == 5
    assert said(house, "store", "verify", "--json")


def test_what_is_asked_for_twice_is_there_already_and_a_rehearsal_changes_nothing(house: House) -> None:
    before = house.fingerprint()
    told: dict[str, Any] = json.loads(said(house, "extend", "toy", "--epochs", "5", "--dry-run", "--json"))
    assert (told["new"], told["of"], told["epochs_done"]) == (["small/toy-5"], "small/toy", 3)
    assert house.fingerprint()[0] == before[0]
    said(house, "extend", "toy", "--epochs", "5")
    assert "already there  small/toy-5" in said(house, "extend", "toy", "--epochs", "5")
