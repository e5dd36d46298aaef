"""A queue of every released format is still opened and read. `work_through` is how that of format 1 was made.

The images were written by the queue of their time and are never written again; tests read a copy.
"""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcqueue.core.outcomes import Cause, Outcome
from qcqueue.core.states import State
from qcqueue.database.local import LocalDatabase
from qcqueue.queue.attempts import fail, finish, resume, stop
from qcqueue.queue.claim import claim
from qcqueue.queue.datasets import list_datasets
from qcqueue.queue.overview import job_lines
from qcqueue.queue.queries import job_detail
from tests.queue.desk import IMAGES, PREDICTIONS, SUMMARY, Desk, result, spec, within_epoch

GOLDEN = Path(__file__).parents[1] / "golden" / "queue-1.sqlite"
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


@pytest.fixture
def golden(tmp_path: Path) -> Iterator[LocalDatabase]:
    shutil.copyfile(GOLDEN, tmp_path / "golden.sqlite")
    database = LocalDatabase(tmp_path / "golden.sqlite", durable=False)
    yield database
    database.close()


def test_a_queue_of_format_1_shows_every_job(golden: LocalDatabase) -> None:
    with golden.read() as tx:
        lines = {line.name.removeprefix("study/"): line for line in job_lines(tx)}
    assert tuple(lines) == JOBS
    assert {name: str(line.state) for name, line in lines.items()} == {name: name for name in JOBS}
    done = lines["done"]
    assert (done.epochs_done, done.epochs, done.attempts, done.interruptions) == (4, 5, 3, 1)
    assert lines["failed"].failure_cause is Cause.NOT_FINITE
    assert lines["running"].session == "s1"


def test_a_queue_of_format_1_tells_everything_of_a_job(golden: LocalDatabase) -> None:
    with golden.read() as tx:
        detail = job_detail(tx, "done")
    assert (detail.spec, detail.dataset_sha256) == (spec("done"), IMAGES.sha256)
    assert [row.metrics.val_loss for row in detail.official_epochs()] == [0.5, 0.1 + 0.2, 0.4, 0.25]
    assert [line.outcome for line in detail.attempts] == [Outcome.INTERRUPTED, Outcome.STOPPED, Outcome.FINISHED]
    assert {line.status for line in detail.checkpoints} == {"kept", "retired", "damaged"}
    assert (detail.result, detail.predictions_sha256) == (result(4), PREDICTIONS.sha256)


def test_a_queue_of_format_1_tells_what_the_same_work_tells_today(golden: LocalDatabase, desk: Desk) -> None:
    work_through(desk)
    for name in JOBS:
        with golden.read() as tx:
            assert job_detail(tx, name) == desk.detail(name)


def test_a_queue_of_format_1_knows_its_dataset(golden: LocalDatabase) -> None:
    with golden.read() as tx:
        (line,) = list_datasets(tx)
    assert (line.name, line.sha256, line.summary) == ("images", IMAGES.sha256, SUMMARY)


def test_work_goes_on_in_a_queue_of_format_1(golden: LocalDatabase) -> None:
    gone = {("study/running", 1): "gone"}
    held = golden.transact(lambda tx: claim(tx, "s2", gone=gone, choose=lambda jobs: jobs[0].name, now_s=99.0))
    assert held is not None
    assert (held.job_name, held.attempt, held.checkpoints[0].record.epochs_done) == ("study/running", 2, 1)


def test_the_golden_queue_was_not_written_again() -> None:
    assert (
        hashlib.sha256(GOLDEN.read_bytes()).hexdigest()
        == "16619ffe291018e44ec634d232d0fa9ec2ad4236bb69546132f21eb0cb3d7a83"
    )


def test_every_state_is_among_the_golden_jobs() -> None:
    assert set(JOBS) == {str(state) for state in State}
