"""A job that may not go on everywhere: sessions of a real queue, with trainers that train nothing, on two machines."""

from pathlib import Path

import pytest

from qcqueue.core.obstacles import Lack, Obstacle
from qcqueue.core.outcomes import SessionEnd
from qcqueue.core.spec import Device, Lineage
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.job_lines import job_lines
from qcqueue.worker.budget import Limits
from qcqueue.worker.machine import Machine
from tests.simulation.colab import JOB, Colab
from tests.support.options import JobPlan
from tests.support.sim_machines import make_spec

ONE_EPOCH = Limits(max_epochs=1, jobs=None)


def a_job(lineage: Lineage) -> JobPlan:
    return JobPlan(epochs=3, step_count=2, early_stopping=0, needs_gpu=False, lineage=lineage)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "colab"


def test_under_same_another_gpu_leaves_the_job_alone_and_says_what_it_waits_for(root: Path) -> None:
    colab = Colab(root, [a_job("same")])
    colab.session("Tesla T4", limits=ONE_EPOCH)

    other = colab.session("Tesla P100")
    assert other.session.ending is SessionEnd.CANNOT_START
    why = "it goes on only on a Tesla T4, and this machine has a Tesla P100"
    assert other.session.obstacles == {JOB: Obstacle(why, Lack.LINEAGE)}
    assert other.trainer.lives == 0
    assert colab.outcomes == ["stopped"]
    with colab.database.read() as tx:
        assert [line.only_on for line in job_lines(tx)] == ["a Tesla T4"]

    colab.session("Tesla T4")
    assert colab.outcomes == ["stopped", "finished"]
    assert colab.lineages == [1, 1, 1]


def test_under_same_another_tensorflow_goes_on_with_a_new_lineage(root: Path) -> None:
    colab = Colab(root, [a_job("same")])
    colab.session("Tesla T4", limits=ONE_EPOCH)
    colab.session("Tesla T4", tensorflow="2.21")
    assert colab.outcomes == ["stopped", "finished"]
    assert colab.lineages == [1, 2, 2]


@pytest.mark.parametrize(
    ("processor", "tensorflow", "what"),
    [
        ("Tesla P100", "2.20", "processor Tesla P100 instead of Tesla T4"),
        ("Tesla T4", "2.21", "TensorFlow 2.21 instead of 2.20"),
    ],
)
def test_under_refuse_a_changed_machine_gives_the_job_back_once(
    root: Path, processor: str, tensorflow: str, what: str
) -> None:
    colab = Colab(root, [a_job("refuse")])
    colab.session("Tesla T4", limits=ONE_EPOCH)

    other = colab.session(processor, tensorflow=tensorflow)
    why = f'its spec says lineage = "refuse", and this machine has {what}'
    assert other.session.ending is SessionEnd.CANNOT_START
    assert other.session.obstacles == {JOB: Obstacle(why, Lack.LINEAGE)}
    assert other.trainer.lives == 1
    assert f"{JOB} waits for another machine: {why}" in colab.said
    detail = colab.detail
    assert (detail.line.state, detail.line.interruptions, detail.line.failure_cause) == ("queued", 0, None)
    assert [(attempt.outcome, attempt.reason) for attempt in detail.attempts][1:] == [("stopped", why)]
    assert detail.history[-1].why == why
    assert colab.lineages == [1]

    colab.session("Tesla T4")
    assert colab.outcomes == ["stopped", "stopped", "finished"]
    assert colab.lineages == [1, 1, 1]


def test_under_any_another_gpu_goes_on_with_a_new_lineage(root: Path) -> None:
    colab = Colab(root, [a_job("any")])
    colab.session("Tesla T4", limits=ONE_EPOCH)
    colab.session("Tesla P100")
    assert colab.outcomes == ["stopped", "finished"]
    assert colab.lineages == [1, 2, 2]


def test_a_job_that_is_refused_does_not_keep_a_session_from_the_next(root: Path) -> None:
    colab = Colab(root, [a_job("refuse")])
    colab.session("Tesla T4", limits=ONE_EPOCH)
    plan = JobPlan(epochs=1, step_count=1, early_stopping=0, needs_gpu=False)
    colab.database.transact(lambda tx: enqueue(tx, [make_spec(2, plan)], attached={}, who="person", now_s=0.0))

    other = colab.session("Tesla P100")
    assert other.session.ending is SessionEnd.FINISHED
    with colab.database.read() as tx:
        assert [str(line.state) for line in job_lines(tx)] == ["queued", "done"]


@pytest.mark.parametrize(
    ("device", "has_gpu", "processors"),
    [
        ("any", True, ("Tesla T4", "AMD EPYC 7B12")),
        ("gpu", True, ("Tesla T4",)),
        ("cpu", True, ("AMD EPYC 7B12",)),
        ("any", False, ("Tesla T4",)),
    ],
)
def test_what_a_job_may_be_computed_on(device: Device, has_gpu: bool, processors: tuple[str, ...]) -> None:
    machine = Machine(id="m", host="h", processor="Tesla T4", has_gpu=has_gpu, threads=2, cpu="AMD EPYC 7B12")
    assert machine.processors(device) == processors
