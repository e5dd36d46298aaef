"""The database of a lab: the tables of the queue on a PostgreSQL server, one writer at a time.

Whoever writes takes one lock of the server for the length of its transaction, and reads as others have committed since:
so transactions are serializable, are never run again, and come in turn. Looks see one state and take no lock. Always
true: a writer that is asleep with the lock is cut off by the server, and what it had not committed is void; and nobody
trusts a clock.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from qcqueue.database.address import ServerAddress
from qcqueue.database.base import Guard, Unguarded, nothing
from qcqueue.database.migrations import bring_to_today, format_of
from qcqueue.database.postgres import (
    OLDEST,
    OTHER_TABLES,
    code_of,
    damaged,
    foreign,
    how_to_make,
    is_lost,
    make_engine,
    make_tables,
    no_schema,
    translated,
)
from qcqueue.database.schema import FORMAT, meta, metadata
from qcqueue.errors import CorruptionError, SettingInvalid, StoreMissing

T = TypeVar("T")

# A writer waits for its turn so long, and may hold its turn so long without a word to the server: the first is longer,
# so that those who wait outlive one that sleeps.
TURN_S = 40
SILENT_S = 20

# Any number, the same for all who use the queue; what tells one queue from another is the table it stands for.
LOCK = 0x7163_7175

_LIMITS = (
    f"set_config('lock_timeout', '{TURN_S}s', true), "
    f"set_config('idle_in_transaction_session_timeout', '{SILENT_S}s', true)"
)
# Statements of their own: what follows sees what was committed before the lock was given.
_FORMAT = f"SELECT count(*), max(format) FROM {meta.name}"
_TAKE_TURN = f"SELECT {_LIMITS}, pg_advisory_xact_lock({LOCK}, '{meta.name}'::regclass::oid::int4); {_FORMAT}"
_TAKE_TURN_TO_MAKE = f"SELECT {_LIMITS}, pg_advisory_xact_lock({LOCK}, current_schema()::regnamespace::oid::int4)"
_SERVER = "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), current_schema()"
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() LIMIT 200"


class ServerDatabase:
    """The queue in a database of a server. Implements `base.StoredDatabase`. driver: as in `postgres.make_engine`."""

    def __init__(
        self,
        address: ServerAddress,
        *,
        guard: Guard = Unguarded(),  # noqa: B008 (it holds nothing)
        driver: str | None = None,
    ) -> None:
        self.address = address
        self._guard = guard
        self._writer = make_engine(address, driver=driver)
        self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        # Whoever forgets the database has closed it.
        self.close = weakref.finalize(self, self._writer.dispose)

    def create(self, first: Callable[[Connection], None] = nothing, *, dry_run: bool = False) -> bool:
        """Make the tables if there are none; return whether they were made now, or with dry_run would be.

        first is done in a new one before anybody sees it.
        Raises: CorruptionError: there is something else. StoreDenied, StoreMissing, SettingInvalid: the server.
        """
        with translated(self.address), _begun(self._writer, _SERVER) as (tx, (version, encoding, schema)):
            self._check_server(version, encoding)
            if schema is None:
                raise no_schema(self.address)
            tx.exec_driver_sql(_TAKE_TURN_TO_MAKE)
            there = set(tx.exec_driver_sql(_TABLES).scalars())
            if meta.name in there:
                format_of(tx, self.address.url)
                return False
            if there:
                raise damaged(self.address) if _are_of_a_queue(there) else foreign(self.address)
            make_tables(tx)
            first(tx)
            if not dry_run:
                self._commit(tx)
        return True

    def transact(self, action: Callable[[Connection], T], *, dry_run: bool = False) -> T:
        with self._turn() as (tx, is_of_today):
            was_older = not is_of_today and bring_to_today(tx, self.address.url)
            refuse = self._guard.look(tx) if was_older else None
            changes = _Changes(tx) if refuse else None
            result = action(tx)
            is_raised = bool(changes and changes.count)
            if refuse and is_raised:
                refuse()
            if not dry_run and (is_raised or not refuse):
                self._commit(tx)
        if is_raised and not dry_run:
            self._guard.raised()
        return result

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._translated(), _begun(self._reader, _FORMAT) as (tx, found):
            is_of_today = tuple(found) == (1, FORMAT)
            if is_of_today:
                yield tx
        if is_of_today:
            return
        with self._turn() as (tx, _):  # nobody else sees what it becomes, and it is taken back
            bring_to_today(tx, self.address.url)
            tx.exec_driver_sql("SET TRANSACTION READ ONLY")
            yield tx

    @contextmanager
    def _turn(self) -> Iterator[tuple[Connection, bool]]:
        """Yield a connection whose turn it is, and whether the format is today's. Uncommitted, all is taken back."""
        with self._translated(), _begun(self._writer, _TAKE_TURN) as (tx, found):
            yield tx, tuple(found) == (1, FORMAT)

    def _commit(self, tx: Connection) -> None:
        with translated(self.address, commits=True):
            tx.commit()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """As `translated`; where tables are not ours, whether there is no queue, or none any more, or a damaged one."""
        try:
            with translated(self.address):
                yield
        except CorruptionError as exc:
            cause = exc.__cause__
            if not isinstance(cause, DBAPIError) or code_of(cause) not in OTHER_TABLES:
                raise
            there = self._tables()
            if not there:
                raise StoreMissing(f"there is no queue in {self.address.url}", hint="qcqueue init") from cause
            if _are_of_a_queue(there):
                raise damaged(self.address) from cause
            raise

    def _tables(self) -> set[str]:
        with translated(self.address), _begun(self._reader, _SERVER) as (tx, _):
            return set(tx.exec_driver_sql(_TABLES).scalars())

    def _check_server(self, version: int, encoding: str) -> None:
        if version // 10_000 < OLDEST:
            raise SettingInvalid(
                f"{self.address.server} is PostgreSQL {version // 10_000}; a queue needs {OLDEST} or newer",
                hint="name another server",
            )
        if encoding != "UTF8":
            raise SettingInvalid(
                f"the database {self.address.database} keeps text as {encoding}, and a queue needs UTF8",
                hint=f"{how_to_make(self.address, 'ANOTHER')}, then the same with that",
            )


def _are_of_a_queue(there: set[str]) -> bool:
    """Return whether tables are those of a queue, though some may be missing; others may call one as we do."""
    ours = set(metadata.tables)
    return len(ours & there) > len(ours) / 2


class _Changes:
    """Counts the rows that a transaction changes from now on."""

    def __init__(self, tx: Connection) -> None:
        self.count = 0
        event.listen(tx, "after_cursor_execute", self._note)

    def _note(self, tx: Connection, cursor: Any, statement: str, *_: object) -> None:
        if not statement.lstrip().upper().startswith("SELECT"):
            self.count += max(0, cursor.rowcount)


@contextmanager
def _begun(engine: Engine, first: str) -> "Iterator[tuple[Connection, Any]]":
    """Yield a connection with a transaction, and the row that the last of its first statements gave, sent at once.

    A connection that was kept may have been lost meanwhile: nothing was done on it yet, so a new one is taken.
    """
    tx = engine.connect()
    try:
        try:
            row = _last_row(tx, first)
        except DBAPIError as exc:
            if not is_lost(exc):
                raise
            tx.close()
            tx = engine.connect()
            row = _last_row(tx, first)
        yield tx, row
    finally:
        tx.close()


def _last_row(tx: Connection, statements: str) -> Any:
    found = tx.exec_driver_sql(statements)
    cursor = found.cursor
    if tx.dialect.driver == "psycopg":  # the other library keeps the last answer alone
        while cursor.nextset():
            pass
    row = cursor.fetchone()
    found.close()
    return row
