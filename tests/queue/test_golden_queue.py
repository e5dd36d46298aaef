"""A queue of every released format is still opened and read, whether it is a file or the versions of a store.

`work_through` is how they were made, each by the queue of its time: a file is the `Desk.database` of that day, a chain
the shared folder of a desk whose database was versioned, zipped. They are never written again; tests read a copy.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcqueue.core.outcomes import Cause, Outcome
from qcqueue.core.states import State
from qcqueue.database.base import Database
from qcqueue.queue.attempts import fail, finish, resume, stop
from qcqueue.queue.claim import claim
from qcqueue.queue.datasets import list_datasets
from qcqueue.queue.overview import job_lines
from qcqueue.queue.queries import job_detail
from tests.database.golden import GOLDEN, golden_chain, golden_file
from tests.queue.desk import IMAGES, PREDICTIONS, SUMMARY, Desk, result, spec, within_epoch

QUEUES = {
    "queue-1.sqlite": "16619ffe291018e44ec634d232d0fa9ec2ad4236bb69546132f21eb0cb3d7a83",
    "queue-2.sqlite": "7399aa5bab52da082ff6a9141e9247678069d252068058729ec7ecc329c35ad0",
    "chain-1.zip": "87bd23e241f5d69a8443b1426d1541871115b76acfda879be2a7988c618e4eb0",
}
JOBS = ("done", "running", "failed", "held", "cancelled", "queued")


def work_through(desk: Desk) -> None:
    """Make one job of every state, with attempts of every outcome, and epochs that were trained twice."""
    desk.enqueue(*JOBS)
    held = desk.must_claim("s1", job="done")
    desk.train(held, 0.5, 0.1 + 0.2, 0.4)
    desk.commit(held, within_epoch("study/done", (0.5, 0.1 + 0.2, 0.4), 7))
    again = desk.must_claim("s2", job="done", gone={("study/done", 1): "no heartbeat for 130 s"})
    damaged, chosen = again.checkpoints[:2]
    desk.do(resume, again, chosen, damaged=[(damaged, "its bytes are damaged")])
    desk.train(again, 0.25, after=(0.5, 0.1 + 0.2, 0.4))
    desk.do(stop, again, why="reached its limit")
    desk.do(finish, desk.must_claim("s3", job="done"), result(4), PREDICTIONS)
    desk.do(fail, desk.must_claim("s3", job="failed"), Cause.NOT_FINITE, "the loss of epoch 1 is no number")
    desk.control("hold", "held")
    desk.control("cancel", "cancelled")
    desk.train(desk.must_claim("s1", job="running"), 0.5)


@pytest.fixture(params=QUEUES)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    opened = golden_chain if request.param.startswith("chain") else golden_file
    with contextlib.closing(opened(request.param, tmp_path)) as database:
        yield database


def test_a_golden_queue_shows_every_job(golden: Database) -> None:
    with golden.read() as tx:
        lines = {line.name.removeprefix("study/"): line for line in job_lines(tx)}
    assert tuple(lines) == JOBS
    assert {name: str(line.state) for name, line in lines.items()} == {name: name for name in JOBS}
    done = lines["done"]
    assert (done.epochs_done, done.epochs, done.attempts, done.interruptions) == (4, 5, 3, 1)
    assert lines["failed"].failure_cause is Cause.NOT_FINITE
    assert lines["running"].session == "s1"


def test_a_golden_queue_tells_everything_of_a_job(golden: Database) -> None:
    with golden.read() as tx:
        detail = job_detail(tx, "done")
    assert (detail.spec, detail.dataset_sha256) == (spec("done"), IMAGES.sha256)
    assert [row.metrics.val_loss for row in detail.official_epochs()] == [0.5, 0.1 + 0.2, 0.4, 0.25]
    assert [line.outcome for line in detail.attempts] == [Outcome.INTERRUPTED, Outcome.STOPPED, Outcome.FINISHED]
    assert {line.status for line in detail.checkpoints} == {"kept", "retired", "damaged"}
    assert (detail.result, detail.predictions_sha256) == (result(4), PREDICTIONS.sha256)


def test_a_golden_queue_tells_what_the_same_work_tells_today(golden: Database, desk: Desk) -> None:
    work_through(desk)
    for name in JOBS:
        with golden.read() as tx:
            assert job_detail(tx, name) == desk.detail(name)


def test_a_golden_queue_knows_its_dataset(golden: Database) -> None:
    with golden.read() as tx:
        (line,) = list_datasets(tx)
    assert (line.name, line.blob, line.summary) == ("images", IMAGES, SUMMARY)


def test_work_goes_on_in_a_golden_queue(golden: Database) -> None:
    gone = {("study/running", 1): "gone"}
    held = golden.transact(lambda tx: claim(tx, "s2", gone=gone, choose=lambda jobs: jobs[0].name, now_s=99.0))
    assert held is not None
    assert (held.job_name, held.attempt, held.checkpoints[0].record.epochs_done) == ("study/running", 2, 1)


@pytest.mark.parametrize("name", QUEUES)
def test_a_golden_queue_was_not_written_again(name: str) -> None:
    assert hashlib.sha256((GOLDEN / name).read_bytes()).hexdigest() == QUEUES[name]


def test_every_state_is_among_the_golden_jobs() -> None:
    assert set(JOBS) == {str(state) for state in State}
