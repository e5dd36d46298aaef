"""An older database becomes one of today's: to the column, with the first change, and never by half."""

import contextlib
import sqlite3
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import Connection, func, select

from qcqueue.clock import RandomIds
from qcqueue.conformance.processes import kill_now, race, running
from qcqueue.database import migrations
from qcqueue.database.base import Database
from qcqueue.database.local import LocalDatabase
from qcqueue.database.migrations import STEPS
from qcqueue.database.schema import FORMAT, history, meta, metadata
from qcqueue.database.versioned import VersionedDatabase
from qcqueue.errors import NewerQueue, QcqueueError
from qcqueue.stores.folder_slots import FolderSlots
from tests.database.golden import GOLDEN, golden_chain, golden_file
from tests.support.contenders import Told, chain_of, commit, lines_of

OLDER = range(1, FORMAT)


def test_every_older_format_has_a_step_and_every_format_a_golden_file() -> None:
    assert set(STEPS) == set(OLDER)
    assert {path.name for path in GOLDEN.glob("queue-*")} == {f"queue-{number}.sqlite" for number in (*OLDER, FORMAT)}


# A local file.


@pytest.mark.parametrize("number", OLDER)
def test_a_migrated_file_has_the_tables_of_a_new_one(number: int, tmp_path: Path) -> None:
    with contextlib.closing(LocalDatabase(tmp_path / "new.sqlite")) as new:
        new.create()
    with contextlib.closing(golden_file(f"queue-{number}.sqlite", tmp_path)) as older:
        write(older)
    assert shape(older.path) == shape(new.path)


@pytest.mark.parametrize("number", OLDER)
def test_a_migrated_file_keeps_every_row(number: int, tmp_path: Path) -> None:
    with contextlib.closing(golden_file(f"queue-{number}.sqlite", tmp_path)) as older:
        before = rows(older.path)
        write(older)
    after = rows(older.path)
    assert after["history"].pop()["what"] == "written"
    assert set(before) <= set(after)
    for table, was in before.items():
        assert len(was) == len(after[table])
        assert all(old.items() <= new.items() for old, new in zip(was, after[table], strict=True))


@pytest.mark.parametrize("number", OLDER)
def test_reading_an_older_file_shows_it_as_todays_and_leaves_it_as_it_is(number: int, tmp_path: Path) -> None:
    with contextlib.closing(golden_file(f"queue-{number}.sqlite", tmp_path)) as older:
        before = older.path.read_bytes()
        with older.read() as tx:
            assert {name for (name,) in tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")} >= {
                table.name for table in metadata.sorted_tables
            }
        assert format_seen(older) == FORMAT
        assert older.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [older.path.name]


def test_a_reader_of_an_older_file_may_not_write(older: LocalDatabase) -> None:
    before = older.path.read_bytes()
    with pytest.raises(QcqueueError), older.read() as tx:
        line(tx)
    assert older.path.read_bytes() == before


def test_a_transaction_that_changes_nothing_leaves_an_older_file_as_it_is(older: LocalDatabase) -> None:
    before = older.path.read_bytes()
    assert older.transact(lambda tx: tx.execute(select(meta.c.format)).scalar_one()) == FORMAT
    older.transact(line, dry_run=True)
    with pytest.raises(ZeroDivisionError):
        older.transact(line_and_error)
    assert older.path.read_bytes() == before


def test_the_first_change_raises_a_file_and_whoever_has_it_open_sees_that(older: LocalDatabase) -> None:
    with contextlib.closing(LocalDatabase(older.path)) as other:
        assert format_seen(other) == FORMAT
        write(older)
        assert format_stored(older.path) == FORMAT
        assert rows(older.path)["history"][-1]["what"] == "written"
        write(other)
        assert format_seen(other) == FORMAT


def test_a_file_is_migrated_once(older: LocalDatabase) -> None:
    write(older)
    before = older.path.read_bytes()
    with contextlib.closing(LocalDatabase(older.path)) as again:
        format_seen(again)
        again.transact(lambda tx: None)
    assert older.path.read_bytes() == before


def test_processes_that_migrate_one_file_at_once_do_it_once(older: LocalDatabase) -> None:
    lines = len(rows(older.path)["history"])
    race(write_at, [(older.path,)] * 4)
    assert format_stored(older.path) == FORMAT
    assert len(rows(older.path)["history"]) == lines + 4


def test_whoever_has_a_file_open_meets_a_newer_format_with_the_next_look_or_change(older: LocalDatabase) -> None:
    write(older)
    with older.read():
        pass
    with contextlib.closing(sqlite3.connect(older.path)) as newer, newer:
        newer.execute("UPDATE meta SET format = ?", (FORMAT + 1,))
    before = older.path.read_bytes()
    for meet in (format_seen, write):
        with pytest.raises(NewerQueue) as caught:
            meet(older)
        assert caught.value.found == FORMAT + 1
    assert older.path.read_bytes() == before


def test_a_migration_killed_halfway_leaves_the_old_format_whole(older: LocalDatabase, tmp_path: Path) -> None:
    before = rows(older.path), shape(older.path)
    with running(migrate_and_wait, older.path) as (process, pipe):
        pipe.recv()
        kill_now(process, pipe)
    assert (rows(older.path), shape(older.path)) == before
    assert format_stored(older.path) == 1
    assert format_seen(older) == FORMAT


# Versions in a store.


def test_reading_older_versions_changes_nothing_in_the_store(chain: VersionedDatabase, slots: FolderSlots) -> None:
    before = chain_of(slots)
    assert format_seen(chain) == FORMAT
    assert chain.transact(lambda tx: tx.execute(select(meta.c.format)).scalar_one()) == FORMAT
    assert chain_of(slots) == before


def test_the_first_write_puts_a_version_of_today_after_the_older_ones(
    chain: VersionedDatabase, slots: FolderSlots, tmp_path: Path
) -> None:
    before = chain_of(slots)
    lines = lines_of(chain)
    assert commit(chain, "today") is Told.SAVED
    assert [version.format for version in before] == [1] * len(before)
    assert chain_of(slots)[:-1] == before
    assert chain_of(slots)[-1].format == FORMAT
    assert format_stored(tmp_path / "copy" / "queue.sqlite") == FORMAT
    assert lines_of(chain) == [*lines, "today"]


def test_an_action_that_raises_on_an_older_version_migrates_nothing(
    chain: VersionedDatabase, slots: FolderSlots
) -> None:
    before = chain_of(slots)
    with pytest.raises(ZeroDivisionError):
        chain.transact(lambda tx: tx.execute(select(func.count()).select_from(history)).scalar_one() / 0)
    assert chain_of(slots) == before


@pytest.fixture
def older(tmp_path: Path) -> Iterator[LocalDatabase]:
    """The file of format 1."""
    with contextlib.closing(golden_file("queue-1.sqlite", tmp_path)) as older:
        yield older


@pytest.fixture
def chain(tmp_path: Path) -> VersionedDatabase:
    """Versions of format 1."""
    return golden_chain("chain-1.zip", tmp_path)


@pytest.fixture
def slots(chain: VersionedDatabase, tmp_path: Path) -> FolderSlots:
    return FolderSlots(tmp_path / "store", RandomIds())


def line(tx: Connection) -> None:
    tx.execute(history.insert().values(at_s=0, who="today", what="written", why=""))


def line_and_error(tx: Connection) -> None:
    line(tx)
    raise ZeroDivisionError


def write(database: Database) -> None:
    database.transact(line)


def format_seen(database: Database) -> int:
    with database.read() as tx:
        return int(tx.execute(select(meta.c.format)).scalar_one())


# What a stranger to qcqueue sees in a file.


def format_stored(path: Path) -> int:
    return int(asked(path, "SELECT format FROM meta")[0]["format"])


def rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    return {table: asked(path, f"SELECT * FROM {table}") for table in tables(path) if table != "meta"}


def shape(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return columns, keys and indexes; the text of a table differs where a column was added later."""
    wanted = {f"{pragma} {table}": (pragma, table) for pragma in PRAGMAS for table in tables(path)}
    shape = {key: asked(path, f"SELECT * FROM pragma_{pragma}('{table}')") for key, (pragma, table) in wanted.items()}
    made_of = "name, tbl_name, sql LIKE '%WITHOUT ROWID%'", "name, tbl_name, sql"
    for kind, columns in zip(("table", "index"), made_of, strict=True):
        shape[kind] = asked(path, f"SELECT {columns} FROM sqlite_master WHERE type = '{kind}' ORDER BY name")
    return shape


PRAGMAS = ("table_info", "foreign_key_list")


def tables(path: Path) -> list[str]:
    return [row["name"] for row in asked(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]


def asked(path: Path, question: str) -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(question)]


# What other processes do.


def write_at(path: Path, together: Barrier) -> None:
    with contextlib.closing(LocalDatabase(path)) as database:
        together.wait()
        write(database)


def migrate_and_wait(path: Path, pipe: Pipe) -> None:
    def step() -> Iterator[str]:
        yield from STEPS[1]
        pipe.send("everything is changed and nothing committed")
        pipe.recv()

    with mock.patch.object(migrations, "STEPS", {1: step()}), contextlib.closing(LocalDatabase(path)) as database:
        write(database)
