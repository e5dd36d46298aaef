"""Who is asked before an older queue is stored in today's format: when, about what, and what a refusal costs."""

import contextlib
import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from qcqueue.clock import RandomIds, SystemClock
from qcqueue.database.base import Refuse, StoredDatabase
from qcqueue.database.local import LocalDatabase
from qcqueue.database.schema import FORMAT, history, meta, sessions
from qcqueue.database.version import Contents, Version, contents_of
from qcqueue.database.versioned import VersionedDatabase
from qcqueue.errors import OlderSession
from qcqueue.queue.claim import begin_session
from qcqueue.stores.base import Creation
from qcqueue.stores.folder_slots import FolderSlots
from tests.database.golden import GOLDEN
from tests.database.test_versioned import watched
from tests.support.contenders import chain_of

# The golden chain and the golden files of format 1 have these, by the same work.
AT_WORK = 3


class Doorkeeper:
    """A guard that notes what it sees. refuses: while so many sessions have not said goodbye."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.seen: list[tuple[int, int]] = []
        self.told = 0

    def look(self, tx: Connection) -> Refuse:
        there = tx.execute(select(func.count()).where(sessions.c.ended_at_s.is_(None))).scalar_one()
        found = tx.execute(select(meta.c.format)).scalar_one()

        def refuse() -> None:
            self.seen.append((found, there))
            if self.refuses and there:
                raise OlderSession

        return refuse

    def raised(self) -> None:
        self.told += 1


class AHome:
    """A queue of format 1 with sessions that have not said goodbye, kept in some way."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.slots = FolderSlots(folder / "store", RandomIds())
        self._folder = folder
        self._kind = kind
        if kind == "file":
            (folder / "queue.sqlite").write_bytes((GOLDEN / "queue-1.sqlite").read_bytes())
        else:
            shutil.unpack_archive(GOLDEN / "chain-1.zip", folder / "store")

    def opened(self, guard: Doorkeeper, slots: Any = None) -> StoredDatabase:
        if self._kind == "file":
            return LocalDatabase(self._folder / "queue.sqlite", durable=False, guard=guard)
        return VersionedDatabase(
            slots or self.slots,
            copy=self._folder / "copy",
            clock=SystemClock(),
            ids=RandomIds(),
            author="here",
            guard=guard,
        )

    @property
    def bytes(self) -> list[bytes]:
        folder = self._folder / "store" if self._kind == "versions" else self._folder
        return [path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()]


@pytest.fixture(params=["file", "versions"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> AHome:
    return AHome(request.param, tmp_path)


@pytest.fixture
def versions(tmp_path: Path) -> AHome:
    return AHome("versions", tmp_path)


@pytest.fixture
def guard() -> Doorkeeper:
    return Doorkeeper()


@pytest.fixture
def database(home: AHome, guard: Doorkeeper) -> Iterator[StoredDatabase]:
    with contextlib.closing(home.opened(guard)) as database:  # type: ignore[type-var]
        yield database


def line(tx: Connection) -> str:
    tx.execute(history.insert().values(at_s=0, who="today", what="written", why=""))
    return "done"


def test_the_first_change_asks_once_and_says_once_that_the_format_was_raised(
    database: StoredDatabase, guard: Doorkeeper
) -> None:
    assert database.transact(line) == "done"
    assert guard.seen[-1] == (FORMAT, AT_WORK)
    asked = len(guard.seen)
    database.transact(line)
    assert (len(guard.seen), guard.told) == (asked, 1)


def test_a_session_that_comes_does_not_stand_in_its_own_way(database: StoredDatabase, guard: Doorkeeper) -> None:
    """The guard sees the queue as it was, without what the transaction itself has written."""
    database.transact(lambda tx: begin_session(tx, "today", machine="m", host="h", processor="p", now_s=1.0))
    assert guard.seen[-1] == (FORMAT, AT_WORK)


def test_looks_and_changes_of_nothing_ask_nobody(database: StoredDatabase, guard: Doorkeeper, home: AHome) -> None:
    before = home.bytes
    with database.read() as tx:
        assert tx.execute(select(meta.c.format)).scalar_one() == FORMAT
    assert database.transact(lambda tx: tx.execute(select(meta.c.format)).scalar_one()) == FORMAT
    database.transact(lambda tx: tx.execute(sessions.delete().where(sessions.c.id == "nobody")))
    with pytest.raises(ZeroDivisionError):
        database.transact(lambda tx: line(tx) and 1 / 0)
    assert (guard.seen, guard.told) == ([], 0)
    assert home.bytes == before


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_refusal_changes_nothing_and_passes_through(
    database: StoredDatabase, guard: Doorkeeper, home: AHome, dry_run: bool
) -> None:
    before, guard.refuses = home.bytes, True
    for _ in range(2):
        with pytest.raises(OlderSession):
            database.transact(line, dry_run=dry_run)
    assert home.bytes == before
    assert guard.told == 0
    guard.refuses = False
    assert database.transact(line) == "done"


def test_a_rehearsal_asks_and_takes_everything_back(database: StoredDatabase, guard: Doorkeeper, home: AHome) -> None:
    before = home.bytes
    assert database.transact(line, dry_run=True) == "done"
    assert guard.seen[-1] == (FORMAT, AT_WORK)
    assert (home.bytes, guard.told) == (before, 0)


def test_in_a_queue_of_today_nobody_is_asked(database: StoredDatabase, guard: Doorkeeper) -> None:
    database.transact(line)
    guard.seen.clear()
    guard.refuses = True
    assert database.transact(line, dry_run=True) == "done"
    assert database.transact(line) == "done"
    assert guard.seen == []


# Versions: the commit decides, so what was asked counts for the version it was asked about only.


def test_after_a_lost_race_it_is_asked_again_of_what_the_winner_left(versions: AHome) -> None:
    guard = Doorkeeper()
    rivals: list[Callable[[sqlite3.Connection], object]] = [arrive, arrive]

    def rival_first(call: str) -> None:
        if call == "create" and rivals:
            commit_as_before(versions.slots, rivals.pop())

    versions.opened(guard, slots=watched(versions.slots, before=rival_first)).transact(line)
    assert [there for _, there in guard.seen] == [AT_WORK, AT_WORK + 1, AT_WORK + 2]
    assert [version.format for version in chain_of(versions.slots)][-3:] == [FORMAT - 1, FORMAT - 1, FORMAT]
    assert guard.told == 1


def test_a_session_that_comes_with_the_race_is_not_ended(versions: AHome) -> None:
    guard = Doorkeeper(refuses=True)
    commit_as_before(versions.slots, leave)

    def rival_first(call: str) -> None:
        if call == "create":
            commit_as_before(versions.slots, arrive)

    with pytest.raises(OlderSession):
        versions.opened(guard, slots=watched(versions.slots, before=rival_first)).transact(line)
    assert [there for _, there in guard.seen] == [0, 1]
    assert {version.format for version in chain_of(versions.slots)} == {1, FORMAT - 1}


def test_a_refusal_counts_on_what_the_store_shows_and_not_on_what_was_seen_before(versions: AHome) -> None:
    guard = Doorkeeper(refuses=True)
    database = versions.opened(guard)
    with database.read():
        pass
    commit_as_before(versions.slots, leave)
    assert database.transact(line) == "done"
    assert [there for _, there in guard.seen] == [AT_WORK, 0]


def arrive(queue: sqlite3.Connection) -> None:
    queue.execute(
        "INSERT INTO sessions (id, machine, host, processor, started_at_s) VALUES (?, 'm', 'h', 'p', 0)",
        (RandomIds().new(),),
    )


def leave(queue: sqlite3.Connection) -> None:
    queue.execute("UPDATE sessions SET ended_at_s = 1")


def commit_as_before(slots: FolderSlots, change: Callable[[sqlite3.Connection], object]) -> None:
    """Commit as the qcqueue of the format before does, for which these tables are as good as its own."""
    head = chain_of(slots)[-1]
    found = contents_of(slots.body(head.slot), head, url=slots.url)
    with contextlib.closing(sqlite3.connect(":memory:")) as queue:
        queue.deserialize(found.image)
        with queue:
            change(queue)
        image = queue.serialize()
    body = Contents(trail=(*found.trail, head.slot), image=image).packed()
    version = Version(
        slot=head.next,
        number=head.number + 1,
        next=slots.reserve(1),
        sha256=hashlib.sha256(body).hexdigest(),
        before=head.digest,
        author="before",
        nonce=RandomIds().new(),
        format=FORMAT - 1,
    )
    assert slots.create(head.next, body, version.facts) is Creation.CREATED
