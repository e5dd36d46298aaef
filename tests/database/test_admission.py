"""What is compared before the first query: a database is one of ours, whichever format it came from, or it is none."""

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from qcqueue.database import admission
from qcqueue.database.admission import COMPARED, digest_of_schema
from qcqueue.database.local import LocalDatabase
from qcqueue.database.schema import FORMAT, metadata
from qcqueue.errors import CorruptionError
from tests.database.golden import GOLDEN

FORMATS = range(1, FORMAT + 1)


def a_file(number: int, folder: Path) -> Path:
    path = folder / "queue.sqlite"
    if number == FORMAT:
        with contextlib.closing(LocalDatabase(path, durable=False)) as database:
            database.create()
    else:
        shutil.copyfile(GOLDEN / f"queue-{number}.sqlite", path)
    return path


@pytest.mark.parametrize("number", FORMATS)
def test_the_digest_of_every_format_is_known(number: int, tmp_path: Path) -> None:
    """Where this fails, the schema has changed: what stands below is what COMPARED has to hold for the format."""
    with contextlib.closing(sqlite3.connect(a_file(number, tmp_path))) as connection:
        rows = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master").fetchall()
    assert (
        digest_of_schema([(kind, name, table, " ".join(sql.split())) for kind, name, table, sql in rows])
        == (COMPARED[number - 1])
    )


@pytest.mark.parametrize("number", FORMATS)
def test_a_file_of_every_format_is_admitted_by_its_clauses_too(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "COMPARED", ())
    with contextlib.closing(LocalDatabase(a_file(number, tmp_path), durable=False)) as database:
        with database.read():
            pass
        database.transact(
            lambda tx: tx.exec_driver_sql("INSERT INTO history (at_s, who, what, why) VALUES (1, '', '', '')")
        )
        with database.read():
            pass


def test_what_a_later_format_adds_is_not_admitted_in_an_older_one(tmp_path: Path) -> None:
    path = a_file(4, tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ALTER TABLE blobs ADD COLUMN title VARCHAR DEFAULT '' NOT NULL")
    with contextlib.closing(LocalDatabase(path)) as database, pytest.raises(CorruptionError), database.read():
        pass


def test_statistics_that_a_person_had_made_are_no_reason_to_refuse(tmp_path: Path) -> None:
    path = a_file(FORMAT, tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("ANALYZE")
    with contextlib.closing(LocalDatabase(path)) as database, database.read():
        pass


def test_a_schema_that_changes_under_an_open_database_is_looked_at_again(tmp_path: Path) -> None:
    path = a_file(FORMAT, tmp_path)
    with contextlib.closing(LocalDatabase(path)) as database:
        with database.read():
            pass
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TRIGGER t AFTER INSERT ON history BEGIN DELETE FROM jobs; END")
        with pytest.raises(CorruptionError):
            database.transact(lambda tx: None)
        with pytest.raises(CorruptionError), database.read():
            pass


def test_every_column_checks_what_it_gives_out() -> None:
    for table in metadata.tables.values():
        for column in table.columns:
            checked: Any = column.type
            assert checked.where == f"{table.name}.{column.name}"
            assert not checked.fits(object())


def test_a_transaction_that_writes_much_into_an_empty_database_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How much may be computed follows from the size of the file, and what is written now is not in it yet."""
    monkeypatch.setattr(admission, "TICKS_MIN", 1)
    monkeypatch.setattr(admission, "BYTES_A_TICK", 1 << 30)
    rows = [(float(at), "", "", "") for at in range(20_000)]

    def fill(tx: Connection) -> int:
        tx.exec_driver_sql("INSERT INTO history (at_s, who, what, why) VALUES (?, ?, ?, ?)", rows)
        return int(tx.exec_driver_sql("SELECT count(*) FROM history WHERE at_s * id % 7 = 0").scalar_one())

    with contextlib.closing(LocalDatabase(a_file(FORMAT, tmp_path), durable=False)) as database:
        assert database.transact(fill)
        with pytest.raises(CorruptionError, match="without end"), database.read() as tx:
            tx.exec_driver_sql("SELECT count(*) FROM history a, history b WHERE a.at_s = b.at_s + 1").scalar_one()
