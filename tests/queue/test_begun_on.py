"""What a run has begun on is told of jobs that it binds, from their newest kept checkpoint."""

from dataclasses import replace
from typing import Any

from sqlalchemy import update

from qcqueue.core.records import Identity
from qcqueue.database.schema import checkpoints
from qcqueue.queue.attempts import stop
from qcqueue.queue.claim import candidates
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.job_lines import job_lines
from tests.queue.desk import IDENTITY, Desk, epoch_done, spec, within_epoch


def begun(desk: Desk, **changes: Any) -> None:
    """Have a job begin on `p` and go on, within the second epoch, on `q`."""
    desk.enqueue(spec("job", **changes))
    held = desk.must_claim()
    elsewhere = within_epoch("job", [0.5], 2)
    moved = replace(elsewhere.record, identity=replace(IDENTITY, processor="q"))
    desk.commit(held, epoch_done("job", [0.5]))
    desk.commit(held, replace(elsewhere, record=moved))
    desk.do(stop, held, why="a limit")


def told(desk: Desk) -> Identity | None:
    (job,) = desk.ask(candidates)
    assert job.begun_on == desk.ask(job_detail, "study/job").begun_on
    return job.begun_on


def test_it_is_that_of_the_newest_checkpoint(desk: Desk) -> None:
    begun(desk, lineage="same")
    assert told(desk) == replace(IDENTITY, processor="q")
    assert [line.only_on for line in desk.ask(job_lines)] == ["a q"]


def test_it_is_that_of_the_newest_checkpoint_that_is_kept(desk: Desk) -> None:
    begun(desk, lineage="refuse")
    damage = update(checkpoints).where(checkpoints.c.steps_done == 2).values(status="damaged")
    desk.database.transact(lambda tx: tx.execute(damage))
    assert told(desk) == IDENTITY


def test_a_job_that_may_go_on_anywhere_is_not_asked(desk: Desk) -> None:
    begun(desk)
    assert told(desk) is None
    assert [line.only_on for line in desk.ask(job_lines)] == [None]


def test_a_job_that_has_not_begun_is_bound_to_nothing(desk: Desk) -> None:
    desk.enqueue(spec("job", lineage="same"))
    assert told(desk) is None
    assert [line.only_on for line in desk.ask(job_lines)] == [None]


def test_only_a_queued_job_waits_for_a_machine(desk: Desk) -> None:
    begun(desk, lineage="same")
    desk.must_claim()
    assert [line.only_on for line in desk.ask(job_lines)] == [None]
