"""A session that was asleep while its job was removed, replaced or given away finds out, and writes into no other."""

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from qcqueue.core.outcomes import SessionEnd
from qcqueue.queue.job_lines import JobLine, job_lines
from qcqueue.worker.budget import Limits
from qcqueue.worker.session import Session
from tests.cli.queues import House, a_job, an_empty_house, put, take
from tests.support.null_trainer import PaperTrainer, a_session

TABLES = ("last_words", "packs", "checkpoints", "epochs", "results", "history", "attempts", "jobs")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return an_empty_house(tmp_path / "house")


def asleep(house: House, said: list[str]) -> Session:
    """Return a session that holds the job and has something to save, which it has not saved yet."""
    put(house.queue, a_job("a", weights="none"))
    session = a_session(
        "asleep", house.queue, PaperTrainer(epochs=3, state_bytes=4000, together=True), Limits(max_epochs=3, jobs=1)
    )
    session = Session("asleep", replace(session.deps, narrate=said.append), Limits(max_epochs=3, jobs=1))
    while not (line := the_job(house)) or not line.epochs_done:
        assert session.step() is not None
    return session


def the_job(house: House) -> JobLine | None:
    with house.queue.read() as tx:
        return next(iter(job_lines(tx)), None)


def remove(house: House) -> None:
    """As if the job had never been there; row ids are used again."""
    with contextlib.closing(sqlite3.connect(house.database)) as connection, connection:
        for table in TABLES:
            connection.execute(f"DELETE FROM {table}")


def replace_it(house: House) -> None:
    remove(house)
    put(house.queue, a_job("a", weights="none", seed=2))


def give_away(house: House) -> None:
    replace_it(house)
    assert take(house.queue, "tiny/a", session="another").attempt == 2


@pytest.mark.parametrize(
    ("meanwhile", "says", "ending"),
    [
        (remove, "tiny/a is not in the queue any more", SessionEnd.WITHDRAWN),
        (replace_it, "attempt 1 of tiny/a is not this session's any more", SessionEnd.LEASE_LOST),
        (give_away, "attempt 1 of tiny/a is not this session's any more", SessionEnd.LEASE_LOST),
    ],
)
def test_a_session_that_wakes_to_another_queue_leaves_in_words(
    house: House, meanwhile: Callable[[House], None], says: str, ending: SessionEnd
) -> None:
    said: list[str] = []
    session = asleep(house, said)
    meanwhile(house)
    before = the_job(house)
    while session.step() is not None:
        pass
    assert session.ending is ending
    assert any(line.startswith(says) for line in said), said
    assert the_job(house) == before
