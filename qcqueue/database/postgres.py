"""What a PostgreSQL home of the database stands on: how it connects, its tables, and its errors told as ours.

psycopg is taken where it is installed, psycopg2 else, which Colab brings. Nothing is kept on the server between two
transactions, neither prepared statements nor settings, so that a pooler may stand before it. Always true: a password
goes to the library that connects and nowhere else; no sentence here is made of an address with one.
"""

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Engine, Index, create_engine, insert
from sqlalchemy.exc import DBAPIError, IntegrityError, PendingRollbackError

from qcqueue.database.address import PASSWORD, ServerAddress
from qcqueue.database.schema import FORMAT, meta, metadata
from qcqueue.errors import (
    CorruptionError,
    ExtraMissing,
    OutcomeUnknown,
    QcqueueError,
    SettingInvalid,
    StoreAway,
    StoreBusy,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreMissing,
)
from qcqueue.text.suggest import printable

DRIVERS = ("psycopg", "psycopg2")
INSTALL = 'pip install "qcqueue[postgres]"'

OLDEST = 12
"""Older servers are looked after by nobody any more, and lack what libpq is told here of connections that are lost."""

CONNECT_WITHIN_S = 15

# A connection that nobody answers on is given up after a minute, however it was lost.
_ALIVE: Mapping[str, Any] = {
    "connect_timeout": CONNECT_WITHIN_S,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 4,
    "tcp_user_timeout": 60_000,
    "client_encoding": "utf8",
    "application_name": "qcqueue",
}
# What each library is told beside that, and SQLAlchemy of it.
_OF_DRIVER: Mapping[str, Mapping[str, Any]] = {"psycopg": {"prepare_threshold": None}, "psycopg2": {}}

AGAIN = "the same again"
LATER = "try again in a moment"
FORM_WITH_PORT = "postgresql://USER@HOST:PORT/DATABASE"
LOOK = "look with qcqueue status before trying again"


def make_engine(address: ServerAddress, *, driver: str | None = None) -> Engine:
    """Return an engine that connects to a database when it is used. driver: one of `DRIVERS`, None for what is there.

    Raises: ExtraMissing.
    """
    name, library = _library(DRIVERS if driver is None else (driver,))
    wanted = {**_ALIVE, **_OF_DRIVER[name], **_wanted(address)}
    return create_engine(
        f"postgresql+{name}://",
        creator=lambda: library.connect(**wanted),
        isolation_level="READ COMMITTED",
        use_native_hstore=False,  # which it would ask the server about
        pool_size=1,
        max_overflow=4,
        hide_parameters=True,
    )


def make_tables(tx: Connection) -> None:
    """Make an empty queue of today's format."""
    for table in metadata.tables.values():
        for index in table.indexes:
            _as_in_sqlite(index)
    metadata.create_all(tx, checkfirst=False)
    tx.execute(insert(meta).values(format=FORMAT))


def code_of(exc: BaseException) -> str | None:
    """Return the five letters by which PostgreSQL names an error, None where it did not say it."""
    found = getattr(exc, "orig", None)
    code = getattr(found, "sqlstate", None) or getattr(found, "pgcode", None)
    return code if isinstance(code, str) else None


def is_lost(exc: DBAPIError) -> bool:
    """Return whether the connection ended, so that the server takes back what it was not told to commit."""
    code = code_of(exc)
    return exc.connection_invalidated or code is None or code[:2] == "08" or code in _ENDED


@contextmanager
def translated(address: ServerAddress, *, commits: bool = False) -> Iterator[None]:
    """Tell errors of the server as ours, but for IntegrityError, which is about what was to be written.

    commits: whether it is a commit that is asked for.
    """
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as exc:
        raise _told(address, exc, commits=commits) from exc
    except PendingRollbackError as exc:  # the connection was found lost by what came before
        raise StoreAway(f"the connection to {address.url} was lost; nothing was changed", hint=LATER) from exc


def _library(names: tuple[str, ...]) -> tuple[str, Any]:
    for name in names:
        with suppress(ImportError):
            return name, import_module(name)
    raise ExtraMissing("a queue on a PostgreSQL server needs a library that is not installed", hint=INSTALL)


def _wanted(address: ServerAddress) -> dict[str, Any]:
    named = {
        "host": address.host or None,
        "port": address.port,
        "user": address.user,
        "password": address.password,
        "dbname": address.database,
    }
    return {name: value for name, value in named.items() if value is not None} | dict(address.options)


def _as_in_sqlite(index: Index) -> None:
    """Let an index be of the rows that it is of in SQLite. Said here: the schema is read where nobody has a server."""
    index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]


# By the server or an administrator, or because a transaction was left open.
_ENDED = {"57P01", "57P02", "57P03", "57P05", "25P03"}


def _told(address: ServerAddress, exc: DBAPIError, *, commits: bool) -> QcqueueError:
    if exc.statement is None and not commits and code_of(exc) is None and not exc.connection_invalidated:
        return _not_connected(address, _words(exc))
    if is_lost(exc):
        if commits:
            return OutcomeUnknown(
                f"the connection to {address.url} was lost while it committed; the change may or may not have been "
                "saved",
                hint=LOOK,
            )
        return StoreAway(f"the connection to {address.url} was lost; nothing was changed", hint=LATER)
    return _refused(address, code_of(exc) or "", _words(exc))


def _not_connected(address: ServerAddress, words: str) -> QcqueueError:
    """Say why there is no connection: only the server's words tell, and which language those are in is its own."""
    where, user = address.server, f" {address.user}" if address.user else ""
    if (refused := _REFUSED_OPTION.search(words)) is not None:
        name = refused[1]
        return SettingInvalid(
            f"the connection to {where} cannot be made so: {refused[0]}",
            hint=f"correct {name} in the URL of the database, or PG{name.replace('_', '').upper()} where it has none",
        )
    if "SSL" in words and "negotiation" not in words:
        return StoreDenied(
            f"the server {where} took no connection: {words}",
            hint="see what sslmode in the URL of the database, or PGSSLMODE, asks for; or have the server set up so",
        )
    if f'database "{address.database}" does not exist' in words:
        return StoreMissing(f"the server {where} has no database {address.database}", hint=how_to_make(address))
    if "no password supplied" in words:
        return StoreDenied(f"the server {where} asks the user{user} for a password, and none is known", hint=_SET)
    if "authentication failed" in words:
        return StoreDenied(f"the server {where} refuses the password of the user{user}", hint=_SET)
    if "does not exist" in words or "pg_hba.conf" in words or "permission denied for database" in words:
        return StoreDenied(f"the server {where} lets nobody in so: {words}", hint="ask whoever runs the server")
    if any(it in words for it in ("starting up", "shutting down", "recovery", "too many", "connection slots")):
        return StoreBusy(f"the server {where} takes no connection now: {words}", hint=LATER)
    if _answers(address):
        return StoreError(
            f"the server {where} took no connection: {words}",
            hint=f"see that it is PostgreSQL that answers there; another port is written as {FORM_WITH_PORT}",
        )
    return StoreAway(f"the server {where} cannot be reached from this machine: {words}", hint="see that it runs")


# How libpq refuses what an option is, before it asks anybody.
_REFUSED_OPTION = re.compile(r'invalid (\w+) value: ".*"')
_SET = f"set {PASSWORD}, or write it into ~/.pgpass, which only you may read (chmod 600 ~/.pgpass)"


OTHER_TABLES = {"42P01", "42703", "42883", "42804"}
"""What a server says of a statement where a table or a column is missing, or is another than ours."""


def _refused(address: ServerAddress, code: str, words: str) -> QcqueueError:
    place = address.url
    match code:
        case code if code in OTHER_TABLES:
            return foreign(address)
        case "3F000":
            return no_schema(address)
        case "42501":
            owner = f' "{address.user}"' if address.user else " YOU"
            hint = f"ask its owner for: GRANT ALL ON SCHEMA public TO{owner}, and rights on its tables"
            return StoreDenied(f"{place} does not let this user do that: {words}", hint=hint)
        case "25006":
            hint = "name the server that is written to, such as with ?target_session_attrs=read-write"
            return StoreDenied(f"{place} can only be read: it is a standby, or was asked only to read", hint=hint)
        case "55P03":
            return StoreBusy(f"other sessions have kept {place} for so long that this one gave up", hint=LATER)
        case "40001" | "40P01" | "57014" | "53300" | "53400":
            return StoreBusy(f"{place} could not do it now: {words}", hint=LATER)
        case "53100":
            return StoreFull(f"there is no room left on the server of {place}: {words}", hint="make room there")
        case "XX001" | "XX002" | "22021" | "22P05":
            return CorruptionError(f"{place} is damaged: {words}", hint="put the database back from a backup")
        case _:
            return StoreError(f"{place}: {words}", hint=AGAIN)


def foreign(address: ServerAddress) -> CorruptionError:
    """Say that a database is no queue."""
    return CorruptionError(
        f"{address.url} has tables that are none of a queue", hint="qcqueue init with the URL of a database of its own"
    )


def damaged(address: ServerAddress) -> CorruptionError:
    """Say that a database is a queue of which something is missing or is not what it was."""
    restore = f"pg_restore{_for_programs(address)} --clean --if-exists --dbname={address.database} DUMP"
    return CorruptionError(
        f"the tables of the queue in {address.url} are damaged or incomplete",
        hint=f"put it back from a backup while no session is at work: {restore}",
    )


def how_to_make(address: ServerAddress, name: str | None = None) -> str:
    """Return the command that makes a database, of another name if one is given."""
    program = f"createdb{_for_programs(address)}"
    return f"{program} --encoding=UTF8 --template=template0 {name or address.database}"


def no_schema(address: ServerAddress) -> StoreMissing:
    return StoreMissing(
        f"{address.url} has no schema in which its tables could be",
        hint=f"psql{_for_programs(address)} -c 'CREATE SCHEMA NAME' {address.database}, with a name of its search_path",
    )


def _for_programs(address: ServerAddress) -> str:
    """Return how a program of PostgreSQL is told the server."""
    host = address.host or dict(address.options).get("host")
    said = (("-h", host), ("-p", address.port))
    return "".join(f" {flag} {value}" for flag, value in said if value is not None)


def _words(exc: DBAPIError) -> str:
    """Return what the server, or the library, says: in one line, and without where in a statement of ours it was."""
    lines = [line.strip() for line in str(exc.orig).splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("LINE ", "^", "DETAIL:", "CONTEXT:"))]
    # libpq says it for each address that a name has, and repeats to whom.
    last = (kept or ["it says nothing"])[0]
    return printable(last.rpartition("failed: ")[2] or last)


def _answers(address: ServerAddress) -> bool:
    if not address.host or address.host.startswith("/"):
        return False
    try:
        with socket.create_connection((address.host, address.port or 5432), timeout=CONNECT_WITHIN_S):
            return True
    except OSError:
        return False
