"""Every kind of home that a queue can have, and a queue in one, to be moved: for tests of `store copy`.

A kind joins by a row in `HOMES`. All homes of a `World` are reached by one machine, whose environment names no store.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from qcqueue.app.context import QueueContext, create_queue
from qcqueue.app.datasets import keep
from qcqueue.app.homes import QueueHome, home_of
from qcqueue.clock import SystemClock
from qcqueue.database.schema import metadata
from qcqueue.datasets.format import Split
from qcqueue.errors import CorruptionError, QueueMoved, StoreMissing
from qcqueue.queue.moves import Residence, residence_of
from qcqueue.stores.registry import StoreAddress
from qcqueue.text.canonical_json import digest_of
from tests.app.saved import Worker
from tests.cli.queues import DATASET, SIDE_PX, a_job, put
from tests.engines.worlds import a_dataset
from tests.support.drive.accounts import App
from tests.support.drive.emulator import DriveEmulator
from tests.support.members import SERVED
from tests.support.servers import postgres
from tests.support.servers.running import bucket_server, shared_bucket

NOTHING_IS_LATE = """
from dataclasses import replace
from qcqueue.stores.drive import caller
caller.QUICK, caller.STEADY = (replace(it, lag_s=0.1) for it in (caller.QUICK, caller.STEADY))
"""
"""What a process does first that need not wait for what is not there: on this Drive what was made is seen."""

HOMES: Mapping[str, str] = {
    "folder": "folder:{folder}/{name}",
    "shared": "shared:{folder}/{name}",
    "gdrive": "gdrive:new",
    "s3": "s3://{bucket}/{own}-{name}",
    "az": "az://{bucket}/{own}-{name}",
    "server": "{server}+shared:{folder}/{name}",
}
"""What a person types for a new home of each kind."""

ON_SERVERS = ("server",)
"""Those whose database is on a server, beside a store."""

NOT_HERE = {"gs"}
"""What no server of this machine can stand for."""

ENDPOINTS = {"s3": "AWS_ENDPOINT_URL_S3", "az": "AZURE_STORAGE_ENDPOINT"}


def marks(*kinds: str) -> list[pytest.MarkDecorator]:
    """Return the marks of a test that has such homes."""
    return [pytest.mark.servers] if set(kinds) & {*SERVED, *ON_SERVERS} else []


def variables_of(kinds: Iterable[str]) -> Mapping[str, str]:
    """Return what the environment of whoever reaches these homes says, with their servers at work."""
    said = {"PGPASSWORD": postgres.PASSWORD} if {*ON_SERVERS} & {*kinds} else dict[str, str]()
    for kind in SERVED & {*kinds}:
        said |= {**bucket_server(kind).environment, ENDPOINTS[kind]: bucket_server(kind).endpoint}
    return said


@dataclass(frozen=True, slots=True)
class World:
    """A machine, and all that it reaches. Commands are typed in `folder`."""

    folder: Path
    environment: Mapping[str, str]

    def new(self, kind: str, name: str) -> str:
        """Return what to type for a home that is still to be made."""
        bucket = shared_bucket(kind) if kind in SERVED else ""
        server = postgres.server().url(postgres.server().new_database(), password=None) if kind in ON_SERVERS else ""
        return HOMES[kind].format(
            folder=self.folder, name=name, bucket=bucket, own=digest_of(str(self.folder))[:12], server=server
        )

    def home(self, url: str) -> QueueHome:
        return home_of(url, "a test", self.folder, self.environment)

    def make_empty(self, url: str) -> str:
        """Make an empty queue; return its address."""
        home, made = self.home(url), list[StoreAddress]()
        create_queue(home.settings, remember=made.append)
        return home.with_store(made[-1]).url

    def at(self, url: str) -> QueueContext:
        return self.home(url).context

    def residence(self, url: str) -> Residence:
        with self.at(url).database_itself.read() as tx:
            return residence_of(tx)

    def answer(self, url: str) -> "Answer":
        """Ask a home for its queue, as any command does."""
        try:
            return Answer(rows=rows_of(self.at(url)))
        except QueueMoved as exc:
            return Answer(says=f"{exc} | {exc.hint}")
        except StoreMissing:
            return Answer()
        except CorruptionError:
            if not self.home(url).is_empty_file:  # whose making was killed before it was anything
                raise
            return Answer()

    def make(self, kind: str) -> str:
        """Return the address of a queue that was at work: two jobs, saves of one, a session that has died."""
        url = self.make_empty(self.new(kind, "old"))
        place = self.at(url)
        counts = {Split.TRAIN: 9, Split.VALIDATION: 3, Split.TEST: 3}
        keep(place, DATASET, a_dataset(side_px=SIDE_PX, counts=counts), dry_run=False)
        put(place, a_job("a"), a_job("b"))
        worker = Worker.on(place, "tiny/a")
        worker.save()
        worker.save(shares="a base")
        worker.dies()
        other = Worker.on(place, "tiny/b")
        other.save(shares="a base", forgets=True)
        return url


@dataclass(frozen=True, slots=True)
class Answer:
    """What a home answers: its rows, where else the queue is, or nothing, because there is none yet."""

    rows: Mapping[str, Any] | None = None
    says: str = ""


@contextmanager
def a_world(folder: Path, *kinds: str) -> Iterator[World]:
    """Yield a machine that is signed in to a Drive of nobody else. kinds: of the homes that it is to reach."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QCQUEUE_")}
    with DriveEmulator(SystemClock()) as drive:
        grant = drive.sign_in("a machine", drive.user("ada@example.com"), App(name="qcqueue"))
        environment = {
            "QCQUEUE_CACHE": str(folder / "cache"),
            "QCQUEUE_TOKEN": json.dumps(grant.stored(drive.url)),
            "QCQUEUE_DRIVE_ENDPOINT": f"{drive.url}/",
        }
        yield World(folder, {**kept, **environment, **variables_of(kinds)})


def rows_of(place: QueueContext) -> Mapping[str, Any]:
    """Return all that a queue holds and that is the same in every home."""
    with place.read() as tx:
        found = {
            table.name: [dict(row) for row in tx.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in metadata.sorted_tables
            if table.name not in ("meta", "settings")
        }
    found["history"] = [row for row in found["history"] if row["what"] != "moved"]
    for row in found["blobs"]:
        del row["place"]
    return found
