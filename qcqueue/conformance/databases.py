"""Everything a database owes, as a test class: a new kind is tested by giving the class its `place`."""

import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from qcqueue.conformance.processes import kill_now, race, running
from qcqueue.database.base import Database, StoredDatabase
from qcqueue.database.local import LocalDatabase
from qcqueue.database.schema import FORMAT, history, metadata, sessions
from qcqueue.errors import (
    CorruptionError,
    QcqueueError,
    StoreMissing,
    UnknownFormat,
)
from qcqueue.text.canonical_json import digest_of


class DatabasePlace(Protocol):
    """One kind of database: how to make and open it, and what a stranger can do to its bytes.

    is_bytes: whether it is kept as the bytes of a SQLite file, which can be text, noise or torn. Of a server's tables
    `bytes_of` says what they hold, and `overwrite` makes those of the file that it is given.
    """

    @property
    def is_bytes(self) -> bool: ...

    def running(self) -> "AbstractContextManager[DatabasePlace]": ...

    def make(self, folder: Path) -> None: ...

    def open(self, folder: Path) -> AbstractContextManager[Database]: ...

    def bytes_of(self, folder: Path) -> dict[str, bytes]: ...

    def overwrite(self, folder: Path, data: bytes) -> None: ...

    def set_format(self, folder: Path, number: int) -> None: ...


def contents_digest(database: Database) -> str:
    """Return the digest of every row of every table, so that "nothing was changed" can be said in one line."""
    with database.read() as tx:
        rows = {table.name: sorted(map(repr, tx.execute(select(table)))) for table in metadata.sorted_tables}
    return digest_of(rows)


class DatabaseContract:
    """Everything `database.base` promises, and what a person may find where a queue should be.

    Whoever derives from it has a fixture `place`, a `DatabasePlace` that is running.
    """

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "queue"
        folder.mkdir()
        return folder

    @pytest.fixture
    def database(self, place: DatabasePlace, folder: Path) -> Iterator[Database]:
        place.make(folder)
        with place.open(folder) as database:
            database.transact(_set_counters)
            yield database

    def test_a_transaction_returns_what_its_action_returns(self, database: Database) -> None:
        assert database.transact(_increment) == 1
        assert database.transact(_increment) == 2

    def test_what_was_committed_is_read_by_whoever_opens_it_next(
        self, place: DatabasePlace, database: Database, folder: Path
    ) -> None:
        database.transact(_increment)
        with place.open(folder) as again:
            assert _counters(again) == (1, 1)

    def test_making_it_again_changes_nothing(self, place: DatabasePlace, database: Database, folder: Path) -> None:
        before = contents_digest(database)
        place.make(folder)
        assert contents_digest(database) == before

    def test_an_action_that_raises_changes_nothing_and_its_error_passes_through(self, database: Database) -> None:
        before, error = contents_digest(database), RuntimeError("halfway")

        def halfway(tx: Connection) -> None:
            _increment(tx)
            raise error

        with pytest.raises(RuntimeError) as caught:
            database.transact(halfway)
        assert caught.value is error
        assert contents_digest(database) == before
        assert database.transact(_increment) == 1

    def test_a_rehearsal_returns_its_result_or_its_error_and_changes_nothing(self, database: StoredDatabase) -> None:
        before, error = contents_digest(database), RuntimeError("refused")

        def refuse(tx: Connection) -> None:
            _increment(tx)
            raise error

        assert database.transact(_increment, dry_run=True) == 1
        with pytest.raises(RuntimeError) as caught:
            database.transact(refuse, dry_run=True)
        assert caught.value is error
        assert contents_digest(database) == before
        assert database.transact(_increment) == 1

    def test_what_the_schema_forbids_changes_nothing(self, database: Database) -> None:
        before = contents_digest(database)

        def twice(tx: Connection) -> None:
            _increment(tx)
            _set_counters(tx)

        with pytest.raises(IntegrityError):
            database.transact(twice)
        assert contents_digest(database) == before

    def test_increments_of_many_processes_are_all_counted(
        self, place: DatabasePlace, database: Database, folder: Path
    ) -> None:
        race(_increment_often, [(place, folder, 6)] * 8)
        assert _counters(database) == (48, 48)

    def test_a_reader_sees_one_state_however_often_it_looks(self, place: DatabasePlace, database: Database) -> None:
        written = threading.Event()

        def increment(tx: Connection) -> None:
            _increment(tx)
            written.set()

        with database.read() as tx:
            before = _counter(tx, "left")
            writer = threading.Thread(target=database.transact, args=(increment,))
            writer.start()
            written.wait()
            assert (_counter(tx, "left"), _counter(tx, "right")) == (before, before)
        writer.join()
        assert _counters(database) == (before + 1, before + 1)

    def test_a_reader_never_sees_half_a_commit(self, place: DatabasePlace, database: Database, folder: Path) -> None:
        with running(_increment_when_told, place, folder) as (_, pipe):
            for _ in range(25):
                pipe.send("go")
                left, right = _counters(database)
                assert left == right
                pipe.recv()

    def test_a_reader_may_not_write(self, database: Database) -> None:
        before = contents_digest(database)
        with pytest.raises(QcqueueError), database.read() as tx:
            _increment(tx)
        assert contents_digest(database) == before

    def test_a_killed_transaction_leaves_the_old_state(
        self, place: DatabasePlace, database: Database, folder: Path
    ) -> None:
        before = contents_digest(database)
        with running(_write_and_wait, place, folder, 1) as (process, pipe):
            pipe.recv()
            kill_now(process, pipe)
        assert contents_digest(database) == before
        assert database.transact(_increment) == 1

    def test_a_large_killed_transaction_is_undone_by_whoever_reads_next(
        self, place: DatabasePlace, database: Database, folder: Path
    ) -> None:
        before = contents_digest(database)
        # More than a page cache holds: part of it is in the file already, and its journal must be rolled back.
        with running(_write_and_wait, place, folder, 8000) as (process, pipe):
            pipe.recv()
            kill_now(process, pipe)
        with place.open(folder) as reader:
            assert contents_digest(reader) == before
        assert database.transact(_increment) == 1

    @pytest.mark.parametrize("commits", [1, 2, 5, 11])
    def test_a_commit_that_was_reported_survives_the_death_of_its_process(
        self, place: DatabasePlace, database: Database, folder: Path, commits: int
    ) -> None:
        with running(_increment_when_told, place, folder) as (process, pipe):
            for _ in range(commits + 1):
                pipe.send("go")
            reported = [pipe.recv() for _ in range(commits)]
            reported += kill_now(process, pipe)
        left, right = _counters(database)
        assert left == right
        assert left - reported[-1] in (0, 1)

    def test_a_missing_database_says_how_to_make_one(self, place: DatabasePlace, folder: Path) -> None:
        with place.open(folder) as database:
            with pytest.raises(StoreMissing) as caught:
                database.transact(_increment)
            assert caught.value.hint == "qcqueue init"
            with pytest.raises(StoreMissing), database.read():
                pass
        assert place.bytes_of(folder) == {}

    def test_a_newer_format_is_refused_and_not_touched(
        self, place: DatabasePlace, database: Database, folder: Path
    ) -> None:
        place.set_format(folder, FORMAT + 1)
        before = place.bytes_of(folder)
        with place.open(folder) as newer:
            with pytest.raises(UnknownFormat, match=str(FORMAT + 1)) as caught:
                newer.transact(_increment)
            assert caught.value.hint
            with pytest.raises(UnknownFormat), newer.read():
                pass
        assert place.bytes_of(folder) == before

    @pytest.mark.parametrize("kind", ["other tables", "another meta table", "text", "noise", "a torn page"])
    def test_a_file_that_is_no_queue_is_refused_in_one_sentence_and_not_touched(
        self, place: DatabasePlace, folder: Path, tmp_path: Path, kind: str
    ) -> None:
        _skip_where_it_cannot_be(place, kind)
        place.overwrite(folder, _not_a_queue(kind, tmp_path))
        before = place.bytes_of(folder)
        with place.open(folder) as database:
            with pytest.raises(CorruptionError) as caught:
                database.transact(_increment)
            assert "\n" not in str(caught.value)
            assert caught.value.hint
            with pytest.raises(CorruptionError), database.read():
                pass
        assert place.bytes_of(folder) == before

    @pytest.mark.parametrize("kind", ["other tables", "text", "noise", "a torn page"])
    def test_nothing_is_made_where_something_else_is(
        self, place: DatabasePlace, folder: Path, tmp_path: Path, kind: str
    ) -> None:
        _skip_where_it_cannot_be(place, kind)
        place.overwrite(folder, _not_a_queue(kind, tmp_path))
        before = place.bytes_of(folder)
        with pytest.raises(CorruptionError):
            place.make(folder)
        assert place.bytes_of(folder) == before


# What the processes of the database contract do. Two counters that only ever move together show a torn commit.


def _set_counters(tx: Connection) -> None:
    row = {"machine": "m", "host": "h", "processor": "0", "started_at_s": 0.0}
    tx.execute(insert(sessions), [{"id": "left", **row}, {"id": "right", **row}])


def _counter(tx: Connection, name: str) -> int:
    return int(tx.execute(select(sessions.c.processor).where(sessions.c.id == name)).scalar_one())


def _counters(database: Database) -> tuple[int, int]:
    with database.read() as tx:
        return _counter(tx, "left"), _counter(tx, "right")


def _increment(tx: Connection) -> int:
    for name in ("left", "right"):
        value = _counter(tx, name) + 1
        tx.execute(update(sessions).where(sessions.c.id == name).values(processor=str(value)))
    return value


def _increment_often(place: DatabasePlace, folder: Path, times: int, together: Barrier) -> None:
    with place.open(folder) as database:
        together.wait()
        for _ in range(times):
            database.transact(_increment)


def _increment_when_told(place: DatabasePlace, folder: Path, pipe: Pipe) -> None:
    with place.open(folder) as database:
        while pipe.recv():
            pipe.send(database.transact(_increment))


def _write_and_wait(place: DatabasePlace, folder: Path, rows: int, pipe: Pipe) -> None:
    line = {"at_s": 0.0, "who": "w", "what": "w", "why": "w" * 500}

    def write(tx: Connection) -> None:
        _increment(tx)
        tx.execute(insert(history), [line] * rows)
        pipe.send("written")
        pipe.recv()

    with place.open(folder) as database:
        database.transact(write)


def _skip_where_it_cannot_be(place: DatabasePlace, kind: str) -> None:
    if not place.is_bytes and "table" not in kind:
        pytest.skip("tables of a server are no bytes that a stranger could write")


def _not_a_queue(kind: str, folder: Path) -> bytes:
    if kind == "text":
        return b"this is a letter, and a long one at that" * 40
    if kind == "noise":
        return _bytes(5000)
    if kind == "a torn page":
        with contextlib.closing(LocalDatabase(folder / "whole")) as database:
            database.create()
        return (folder / "whole").read_bytes()[:1000]
    table = "songs" if kind == "other tables" else "meta"
    with contextlib.closing(sqlite3.connect(folder / "foreign")) as connection, connection:
        connection.execute(f"CREATE TABLE {table} (title TEXT)")
    return (folder / "foreign").read_bytes()


def _bytes(size: int, *, salt: int = 0) -> bytes:
    return hashlib.shake_128(str(salt).encode()).digest(size)
