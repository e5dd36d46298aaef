"""A database in a folder that is moved, removed or replaced while it is open: never written to where nobody looks."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from qcqueue.database.local import LocalDatabase
from qcqueue.database.schema import meta
from qcqueue.errors import StoreDenied, StoreMissing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "queue"
    folder.mkdir()
    return folder / "queue.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[LocalDatabase]:
    with contextlib.closing(LocalDatabase(path)) as database:
        database.create()
        database.transact(write)
        with database.read() as tx:
            tx.execute(select(meta)).one()
        yield database


def write(tx: Connection) -> None:
    tx.execute(update(meta).values(format=meta.c.format))


def with_its_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def with_its_folder_and_another_is_there(path: Path) -> None:
    with_its_folder(path)
    path.parent.mkdir()


def alone(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def for_good(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("move", [with_its_folder, with_its_folder_and_another_is_there, alone, for_good])
def test_a_database_that_was_moved_is_missing_for_whoever_has_it_open(
    database: LocalDatabase, path: Path, move: Callable[[Path], None]
) -> None:
    move(path)
    for _ in range(3):  # the first connection was open, and the next is not
        with pytest.raises(StoreMissing) as caught:
            database.transact(write)
        assert str(path.parent) in str(caught.value)
        assert "put it back" in str(caught.value.hint)
    assert not path.exists()


def test_one_that_is_put_back_is_written_again(database: LocalDatabase, path: Path) -> None:
    with_its_folder(path)
    with pytest.raises(StoreMissing):
        database.transact(write)
    path.parent.with_name("elsewhere").rename(path.parent)
    database.transact(write)


def test_one_that_may_not_be_opened_is_denied(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.closing(LocalDatabase(path)) as database:
        database.create()
        database.transact(write)
    path.unlink()
    path.symlink_to("queue.sqlite")  # what root cannot open either
    monkeypatch.setattr("qcqueue.database.local._check_kinds", lambda _: None)
    monkeypatch.setattr(Path, "exists", lambda _: True)
    monkeypatch.setattr("os.access", lambda *_: False)
    with contextlib.closing(LocalDatabase(path)) as database, pytest.raises(StoreDenied, match="by this account"):
        database.transact(write)
