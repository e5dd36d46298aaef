"""A queue in a database of a PostgreSQL server, a database for each folder of a test, as the contracts reach it."""

import contextlib
import sqlite3
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from qcqueue.conformance.databases import DatabasePlace
from qcqueue.database.address import ServerAddress, server_address
from qcqueue.database.base import Database
from qcqueue.database.server import ServerDatabase
from tests.support.servers.postgres import Server, programs, server

# Which database stands for a folder, for the processes of a race too.
NAME_FILE = "database"


@dataclass(frozen=True, slots=True)
class OnPostgres:
    """A database on a server, reached with one of the two libraries."""

    driver: str
    is_bytes: bool = False

    def running(self) -> AbstractContextManager[DatabasePlace]:
        needs_postgres()
        server()
        return contextlib.nullcontext(self)

    def make(self, folder: Path) -> None:
        with contextlib.closing(self.database(folder)) as database:
            database.create()

    def open(self, folder: Path) -> AbstractContextManager[Database]:
        return contextlib.closing(self.database(folder))

    def database(self, folder: Path) -> ServerDatabase:
        return ServerDatabase(address_for(folder), driver=self.driver)

    def bytes_of(self, folder: Path) -> dict[str, bytes]:
        asked = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        return {table: _rows(table, folder) for table in _lab().sql(asked, database=_name_for(folder))}

    def overwrite(self, folder: Path, data: bytes) -> None:
        with contextlib.closing(sqlite3.connect(":memory:")) as file:
            file.deserialize(data)
            tables = [sql for (sql,) in file.execute("SELECT sql FROM sqlite_master")]
        _lab().sql("SET ROLE owner", *tables, database=_name_for(folder))

    def set_format(self, folder: Path, number: int) -> None:
        _lab().sql(f"UPDATE meta SET format = {number}", database=_name_for(folder))


def needs_postgres() -> None:
    """Skip a test, and say so, on a machine without the server."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")


def address_for(folder: Path) -> ServerAddress:
    """Return where the queue of a folder is, whose database is made now if it is new."""
    return server_address(_lab().url(_name_for(folder)), source="a test")


def _name_for(folder: Path) -> str:
    noted = folder / NAME_FILE
    if not noted.exists():
        noted.write_text(_lab().new_database())
    return noted.read_text()


def _rows(table: str, folder: Path) -> bytes:
    return "\n".join(_lab().sql(f"SELECT * FROM {table} ORDER BY 1", database=_name_for(folder))).encode()


def _lab() -> Server:
    return server()
