"""The libraries of the next job load while the job before it ends, where a next one is to come."""

from pathlib import Path

import pytest

from qcqueue.core.phases import Phase
from qcqueue.worker.budget import Limits
from tests.cli.queues import EPOCHS, House, an_empty_house
from tests.worker.machines import Machine, Script, ScriptedTrainer, enqueue, lingers

ENDS = lingers(Phase.EVALUATING, after_epochs=EPOCHS)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return an_empty_house(tmp_path / "house")


def one_gets_ready_at_work(house: House, *names: str, jobs: int, script: Script = ENDS) -> bool:
    """Return whether a trainer was told to get ready while another was at work."""
    enqueue(house, *names)
    machine = Machine(house=house, name="m", step_s=0.1)
    session = machine.works(script, limits=Limits(jobs=jobs))
    trainer = session.deps.trainer
    assert isinstance(trainer, ScriptedTrainer)
    assert trainer.starts
    return None in trainer.readied


def test_it_gets_ready_while_the_job_before_it_is_evaluated(house: House) -> None:
    assert one_gets_ready_at_work(house, "a", "b", jobs=2)


@pytest.mark.parametrize(("names", "jobs"), [(("a",), 2), (("a", "b"), 1)], ids=["no other job", "no other wanted"])
def test_none_gets_ready_where_none_is_to_come(names: tuple[str, ...], jobs: int, house: House) -> None:
    assert not one_gets_ready_at_work(house, *names, jobs=jobs)


def test_none_gets_ready_in_the_middle_of_a_job(house: House) -> None:
    assert not one_gets_ready_at_work(house, "a", "b", jobs=2, script=lingers(Phase.VALIDATING, after_epochs=1))
