"""The schema itself forbids nonsense, also to whoever writes past the queue."""

from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from qcqueue.core.outcomes import Cause, Outcome
from qcqueue.core.states import State
from tests.queue.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A queue in which attempt 1 of job 1 is live and has recorded one epoch."""
    desk = Desk(tmp_path)
    desk.enqueue("a", "b")
    desk.train(desk.must_claim(), 0.5)
    return desk


EPOCH = (
    "INSERT INTO epochs (job_id, attempt_id, epoch, official, loss, accuracy, val_loss, val_accuracy, learning_rate,"
    " train_s, val_s, checkpoint_s, step_count, identity, lineage, recorded_at_s)"
    " VALUES (1, 1, {epoch}, {official}, 0, 0, 0, 0, 0, 0, 0, 0, 1, '{{}}', 1, 0)"
)
ATTEMPT = "INSERT INTO attempts (job_id, number, session_id, started_at_s) VALUES ({job}, {number}, '{session}', 0)"
CHECKPOINT = (
    "INSERT INTO checkpoints (job_id, attempt_id, epochs_done, steps_done, lineage, state_sha256, record, status,"
    " recorded_at_s) SELECT job_id, attempt_id, 1, 0, 1, {sha256}, '', '{status}', 0 FROM checkpoints"
)
PACK = "INSERT INTO packs SELECT 1, '{part}', {position}, {sha256} FROM checkpoints"

NONSENSE = {
    "two live attempts of one job": ATTEMPT.format(job=1, number=2, session="s2"),
    "one attempt number twice": "INSERT INTO attempts (job_id, number, session_id, started_at_s, ended_at_s, outcome)"
    " VALUES (1, 1, 's2', 0, 1, 'stopped')",
    "an attempt number below one": ATTEMPT.format(job=2, number=0, session="s2"),
    "an attempt of no session": ATTEMPT.format(job=2, number=1, session="nobody"),
    "an attempt on no job": ATTEMPT.format(job=99, number=1, session="s2"),
    "an end without an outcome": "UPDATE attempts SET ended_at_s = 1",
    "an outcome without an end": "UPDATE attempts SET outcome = 'stopped'",
    "an unknown outcome": "UPDATE attempts SET outcome = 'tired', ended_at_s = 1",
    "two official rows of one epoch": EPOCH.format(epoch=1, official=1),
    "an epoch below one": EPOCH.format(epoch=0, official=1),
    "an unknown state": "UPDATE jobs SET state = 'sleeping'",
    "no state": "UPDATE jobs SET state = NULL",
    "a failure without a cause": "UPDATE jobs SET state = 'failed'",
    "a cause without a failure": "UPDATE jobs SET failure_cause = 'bad_data'",
    "an unknown cause": "UPDATE jobs SET state = 'failed', failure_cause = 'bad_luck'",
    "two jobs of one name": "UPDATE jobs SET name = 'study/a'",
    "two jobs of one spec": "UPDATE jobs SET spec_sha256 = 'same'",
    "a job on data nobody stored": "UPDATE jobs SET dataset_sha256 = 'never'",
    "a checkpoint whose state nobody stored": CHECKPOINT.format(sha256="'never'", status="kept"),
    "a checkpoint of unknown status": CHECKPOINT.format(sha256="state_sha256", status="lost"),
    "a pack nobody stored": PACK.format(part="state", position=0, sha256="'never'"),
    "a pack of no known part": PACK.format(part="worst", position=0, sha256="state_sha256"),
    "a pack before the first": PACK.format(part="state", position=-1, sha256="state_sha256"),
    "two packs in one position": PACK.format(part="best", position=0, sha256="state_sha256"),
    "a pack of no checkpoint": "INSERT INTO packs SELECT 99, part, position, sha256 FROM packs",
    "a pack that is named and forgotten": "DELETE FROM blobs WHERE sha256 IN (SELECT sha256 FROM packs)",
    "a time that is not accounted for": "UPDATE attempts SET seconds = NULL",
    "a blob that is named and forgotten": "DELETE FROM blobs",
    "a job that has attempts and is forgotten": "DELETE FROM jobs WHERE id = 1",
}


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_the_schema_refuses(desk: Desk, nonsense: str) -> None:
    before = desk.digest()
    with pytest.raises(IntegrityError):
        desk.sql(NONSENSE[nonsense])
    assert desk.digest() == before


def test_a_replaced_row_of_an_epoch_may_stay_beside_the_official_one(desk: Desk) -> None:
    desk.sql(EPOCH.format(epoch=1, official=0))
    desk.sql(EPOCH.format(epoch=1, official=0))
    assert desk.line("a").epochs_done == 1


@pytest.mark.parametrize("state", State)
def test_every_state_of_the_table_is_known_to_the_schema(desk: Desk, state: State) -> None:
    cause = f"'{Cause.BAD_DATA}'" if state is State.FAILED else "NULL"
    desk.sql(f"UPDATE jobs SET state = '{state}', failure_cause = {cause}")


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_known_to_the_schema(desk: Desk, outcome: Outcome) -> None:
    desk.sql(f"UPDATE attempts SET outcome = '{outcome}', ended_at_s = 1")
