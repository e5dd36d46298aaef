"""Whatever people type every day takes as much longer as the queue is longer, and no more.

Counted are the steps of SQLite's machine and the calls of Python, which are the same on every machine, on a queue and
on one that is four times as long; `scripts/bench scale` measures seconds.
"""

import cProfile
from collections.abc import Callable

import pytest
from sqlalchemy import Connection

from qcqueue.app.context import QueueContext, context_in, create_store
from qcqueue.app.plan import make_plan
from qcqueue.app.queue_summary import QueueView, see, summary_of
from qcqueue.app.settings import Settings
from qcqueue.clock import SystemClock
from qcqueue.database.sqlite import driver
from qcqueue.queue.blobs import live_packs
from qcqueue.queue.claim import begin_session, candidates, claim
from qcqueue.queue.forecasts import forecast_lines
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.job_lines import job_lines
from qcqueue.queue.pending import epochs_seen, jobs_ahead
from qcqueue.queue.sessions import accounts_of, session_lines
from qcqueue.queue.stored import spec_of
from qcqueue.queue.values import Pick
from tests.support.large import fill, specs

FEW, TIMES = 15, 4
# What sorts and searches in trees grows a little faster than its number.
MORE = 1.3
EVERY_STEPS = 10

READS: dict[str, Callable[[Connection], object]] = {
    "status": lambda tx: (job_lines(tx), accounts_of(session_lines(tx))),
    "what is ahead": jobs_ahead,
    "what epochs took": epochs_seen,
    "forecasts": forecast_lines,
    "candidates": candidates,
    "packs": live_packs,
    "all details": lambda tx: [job_detail(tx, spec.full_name) for spec in specs(FEW)],
}


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory) -> tuple[QueueContext, QueueContext]:
    """A queue, and one that is TIMES as long."""

    def made(number: int) -> QueueContext:
        folder = tmp_path_factory.mktemp(f"of-{number}")
        create_store(folder)
        place = context_in(folder, cache=folder / "cache")
        place.database.transact(lambda tx: fill(tx, number=number, now_s=SystemClock().now_s()))
        return place

    return made(FEW), made(FEW * TIMES)


@pytest.mark.parametrize("name", READS)
def test_a_look_at_a_longer_queue_takes_as_much_longer(queues: tuple[QueueContext, QueueContext], name: str) -> None:
    few, many = (steps(place, READS[name]) for place in queues)
    assert many < MORE * TIMES * few


def test_one_job_takes_no_longer_in_a_long_queue(queues: tuple[QueueContext, QueueContext]) -> None:
    name = specs(FEW)[7].full_name
    few, many = (steps(place, lambda tx: job_detail(tx, name)) for place in queues)
    assert many < MORE * few


def test_a_claim_in_a_longer_queue_takes_as_much_longer(queues: tuple[QueueContext, QueueContext]) -> None:
    def take(tx: Connection) -> None:
        begin_session(tx, "new", machine="m", host="h", processor="p", now_s=1.0)
        assert claim(tx, "new", gone={}, choose=lambda jobs: Pick(jobs[0].name), now_s=1.0)

    few, many = (steps(place, take, write=True) for place in queues)
    assert many < MORE * TIMES * few


def test_a_plan_of_a_longer_queue_takes_as_much_longer(queues: tuple[QueueContext, QueueContext]) -> None:
    few, many = (calls(place, lambda seen: make_plan(seen, jobs=1)) for place in queues)
    assert many < MORE * TIMES * few


def test_the_one_screen_of_a_longer_queue_takes_as_much_longer(queues: tuple[QueueContext, QueueContext]) -> None:
    few, many = (calls(place, summary_of) for place in queues)
    assert many < MORE * TIMES * few


def looked_at(place: QueueContext) -> QueueView:
    settings = Settings(store=None, cache=place.cache, source="a test", config=place.cache, profile="colab-free")
    return see(place, settings)


def steps(place: QueueContext, action: Callable[[Connection], object], *, write: bool = False) -> int:
    """Return how many steps SQLite makes for it, in units of EVERY_STEPS; nothing stays written."""
    made = 0

    def count() -> int:
        nonlocal made
        made += 1
        return 0

    def counted(tx: Connection) -> None:
        driver(tx).set_progress_handler(count, EVERY_STEPS)
        try:
            action(tx)
        finally:
            driver(tx).set_progress_handler(None, 0)

    if write:
        place.database.transact(counted, dry_run=True)
    else:
        with place.read() as tx:
            counted(tx)
    return made


def calls(place: QueueContext, action: Callable[[QueueView], object]) -> int:
    """Return how many functions are called for a look and for what follows from it, once all is imported."""
    action(looked_at(place))
    spec_of.cache_clear()
    profile = cProfile.Profile()
    profile.runcall(lambda: action(looked_at(place)))
    return sum(entry.callcount for entry in profile.getstats())
