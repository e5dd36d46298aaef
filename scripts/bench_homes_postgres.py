"""Measure what a queue on a PostgreSQL server costs over the server itself, and how many claims it gives out.

A contended commit against a bare transaction: so many processes commit one line each at a time, and in turn with them
the same number of processes update a row of a table of their own under a lock of the server, on the same connection
settings. Claims: 16 processes claim and give back until all jobs were taken. Needs the PostgreSQL of Debian; its server
is made for this and waits for no disk, as ours in tests. `scripts/bench homes` shows the figures.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from qcqueue.clock import SystemClock
from qcqueue.conformance.processes import race
from qcqueue.core.dataset import DatasetSummary
from qcqueue.database.address import ServerAddress, server_address
from qcqueue.database.postgres import make_engine
from qcqueue.database.server import ServerDatabase
from qcqueue.queue.claim import begin_session, candidates, claim
from qcqueue.queue.datasets import add_dataset
from qcqueue.queue.enqueue import enqueue
from qcqueue.queue.history import record_event
from qcqueue.queue.values import Candidate, Pick
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import digest_of
from tests.support.servers.postgres import server
from tests.support.specs import a_spec

PROCESSES = 4
COMMITS = 50
WORKERS = 16
IMAGES = Blob(sha256=digest_of("images"), size_bytes=1000)
SUMMARY = DatasetSummary(classes=("a", "b"), image_size=(32, 32), train=40, validation=8, test=8, source="bench")
CLOCK = SystemClock()


def measure_commits() -> tuple[list[float], list[float]]:
    """Return seconds of each bare transaction, and of each commit, of several processes at once."""
    address = _a_queue(0)
    _bare_table(address)
    bare_s, commit_s = list[float](), list[float]()
    for _ in range(3):  # in turn, so that a slow moment of the machine falls on both
        bare_s += _timed(_bare_often, address)
        commit_s += _timed(_commit_often, address)
    return bare_s, commit_s


def claims_a_second(jobs: int) -> float:
    """Return how many claims many workers that have seen the queue before make; see that no job was given twice."""
    address = _a_queue(jobs)
    told = _told(_claim_often, address, WORKERS, min(jobs, 400) // WORKERS)  # of a large queue as many as tell
    names = [name for it in told for name in it["names"]]
    assert len({*names}) == len(names), "a job was given out twice"
    took_s: float = max(it["ended_s"] for it in told) - min(it["begun_s"] for it in told)
    return len(names) / took_s


def _a_queue(jobs: int) -> ServerAddress:
    address = server_address(server().url(server().new_database()), source="the bench")
    database = ServerDatabase(address)
    database.create()
    database.transact(lambda tx: add_dataset(tx, "images", IMAGES, SUMMARY, who="bench", now_s=0.0))
    specs = [
        a_spec(study="bench", name=f"j{number}", dataset="images", seed=number, image_size=(32, 32))
        for number in range(jobs)
    ]
    if specs:
        database.transact(lambda tx: enqueue(tx, specs, attached={}, who="bench", now_s=0.0))
    for worker in range(WORKERS):
        database.transact(lambda tx: _arrive(tx, worker))  # noqa: B023 (run at once)
    database.close()
    return address


def _arrive(tx: Connection, worker: int) -> None:
    begin_session(tx, f"s{worker}", machine=f"m{worker}", host="h", processor="p", now_s=0.0)


def _bare_table(address: ServerAddress) -> None:
    server().sql("CREATE TABLE bare (why text)", "GRANT ALL ON bare TO owner", database=address.database)


def _timed(do: Callable[..., None], address: ServerAddress) -> list[float]:
    return [seconds for told in _told(do, address, PROCESSES, COMMITS) for seconds in told]


def _told(do: Callable[..., None], address: ServerAddress, processes: int, times: int) -> list[Any]:
    """Run processes at once and return what each wrote down."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / str(number) for number in range(processes)]
        race(do, [(address.url, address.password, number, times, file) for number, file in enumerate(files)])
        return [json.loads(file.read_text()) for file in files]


def _opened(url: str, password: str) -> ServerAddress:
    return replace(server_address(url, source="the bench"), password=password)


def _bare_often(url: str, password: str, number: int, times: int, file: Path, together: Barrier) -> None:
    engine = make_engine(_opened(url, password))
    engine.connect().close()
    together.wait()
    seconds = []
    for count in range(times):
        begun_s = CLOCK.monotonic_s()
        with engine.begin() as tx:
            tx.exec_driver_sql("SELECT pg_advisory_xact_lock(1)")
            tx.exec_driver_sql(f"INSERT INTO bare VALUES ('{number} {count}')")
        seconds.append(CLOCK.monotonic_s() - begun_s)
    file.write_text(json.dumps(seconds))


def _commit_often(url: str, password: str, number: int, times: int, file: Path, together: Barrier) -> None:
    database = ServerDatabase(_opened(url, password))
    with database.read():
        pass
    together.wait()
    seconds = []
    for count in range(times):
        begun_s = CLOCK.monotonic_s()
        database.transact(lambda tx: record_event(tx, who="b", what="b", now_s=1.0, why=f"{number} {count}"))  # noqa: B023
        seconds.append(CLOCK.monotonic_s() - begun_s)
    file.write_text(json.dumps(seconds))


def _claim_often(url: str, password: str, number: int, times: int, file: Path, together: Barrier) -> None:
    database = ServerDatabase(_opened(url, password))
    with database.read() as tx:
        candidates(tx)
    together.wait()
    begun_s, names = CLOCK.monotonic_s(), []
    for _ in range(times):
        held = database.transact(lambda tx: claim(tx, f"s{number}", gone={}, choose=_first, now_s=1.0))
        assert held is not None
        names.append(held.job_name)
    file.write_text(json.dumps({"names": names, "begun_s": begun_s, "ended_s": CLOCK.monotonic_s()}))


def _first(jobs: Sequence[Candidate]) -> Pick | None:
    return Pick(jobs[0].name) if jobs else None
