"""The embedded database: one SQLite file in a local folder, one writer at a time.

Writers take the lock at once (`BEGIN IMMEDIATE`), so a transaction never fails halfway for want of it. The
rollback journal is used, not WAL: the SQLite that ships with many Pythons has a WAL bug that can lose commits,
and nothing here writes often enough to feel the difference. `synchronous = EXTRA` makes a commit survive a
power cut, the removal of its journal included. Always true: whoever only reads a file of an older format leaves it as
it is, and the format is looked at in every transaction, because another program may raise it between any two.
"""

import contextlib
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from qcqueue.database.admission import admit, allow, harden
from qcqueue.database.base import Guard, Unguarded, nothing
from qcqueue.database.images import Images
from qcqueue.database.migrations import bring_to_today, format_of
from qcqueue.database.schema import FORMAT
from qcqueue.database.sqlite import BUSY_TIMEOUT_S, driver, make_engine, make_tables, translated
from qcqueue.errors import CorruptionError, OutcomeUnknown, StoreError, StoreMissing
from qcqueue.stores.files import sync
from qcqueue.stores.files import translated as on_its_disk
from qcqueue.stores.regular import kind_of

T = TypeVar("T")


class LocalDatabase:
    """The queue in one SQLite file. `durable=False` trades the syncs for speed, for worlds that are simulated."""

    def __init__(
        self,
        path: Path,
        *,
        durable: bool = True,
        guard: Guard = Unguarded(),  # noqa: B008 (it holds nothing)
    ) -> None:
        self.path = path
        self._guard = guard
        self._writer = _engine(path, "rw", begin="BEGIN IMMEDIATE", durable=durable)
        self._reader = _engine(path, "rw", begin="BEGIN", durable=durable, reads_only=True)
        self._was_there = False
        # Whoever forgets the database has closed it; a file left open is a warning since Python 3.13.
        self.close = weakref.finalize(self, _dispose, self._writer, self._reader)

    def create(self, first: Callable[[Connection], None] = nothing) -> bool:
        """Make the database if there is none, with `first` in the same transaction; return whether it was made now."""
        maker = _engine(self.path, "rwc", begin="BEGIN IMMEDIATE", durable=True)
        try:
            with translated(self.path), on_its_disk(self.path), maker.begin() as tx:
                return _create_tables(tx, self.path, first)
        finally:
            maker.dispose()

    def transact(self, action: Callable[[Connection], T], *, dry_run: bool = False) -> T:
        self._see_it()
        is_complete = False
        try:
            with translated(self.path), self._writer.begin() as tx:
                admit(tx, self.path, size_bytes=self._size_bytes())
                refuse = self._guard.look(tx) if bring_to_today(tx, self.path) else None
                before = driver(tx).total_changes
                result = action(tx)
                is_raised = refuse is not None and driver(tx).total_changes != before
                if refuse and is_raised:
                    refuse()
                if dry_run or (refuse and not is_raised):
                    tx.rollback()
                is_complete = True
        except StoreError as exc:
            self._writer.dispose()  # what a connection believes of a disk that failed is not to be trusted
            if not (is_complete and _is_only_unsynced(exc)):
                raise
            self._sync_the_end(exc)
        if is_raised and not dry_run:
            self._guard.raised()
        return result

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        self._see_it()
        with translated(self.path), self._reader.begin() as tx:
            admit(tx, self.path, size_bytes=self._size_bytes())
            if format_of(tx, self.path) == FORMAT:
                yield tx
                return
            image = driver(tx).serialize()
        with self._images.look(image, place=str(self.path)) as tx:
            yield tx

    @cached_property
    def _images(self) -> Images:
        return Images()

    def _sync_the_end(self, exc: StoreError) -> None:
        """Do what SQLite could not at the end of a commit: let the removal of its journal reach the disk.

        Raises: OutcomeUnknown: the commit is made, and a power cut may still take it back.
        """
        try:
            sync(self.path.parent)
        except OSError as again:
            raise OutcomeUnknown(
                f"{self.path}: {again.strerror}; the change may or may not have been saved",
                hint="look with qcqueue status before trying again",
            ) from exc

    def _see_it(self) -> None:
        """See once that the file is there: SQLite would say less."""
        with on_its_disk(self.path):
            is_there = self._was_there or self.path.exists()
        if not is_there:
            raise StoreMissing(f"there is no queue in {self.path.parent}", hint="qcqueue init")
        if not self._was_there:
            _check_kinds(self.path)
        self._was_there = True

    def _size_bytes(self) -> int:
        with on_its_disk(self.path):
            return self.path.stat().st_size


def _check_kinds(path: Path) -> None:
    """See that the file, and what SQLite may look for beside it, are files: a pipe would be waited for without an end.

    Raises: CorruptionError.
    """
    for name in (path.name, *(f"{path.name}-{beside}" for beside in ("journal", "wal", "shm"))):
        with on_its_disk(path), contextlib.suppress(FileNotFoundError):
            if said := kind_of(path.with_name(name).stat().st_mode):
                raise CorruptionError(f"{path.with_name(name)} {said}, and no database", hint=f"move {name} away")


def _is_only_unsynced(exc: StoreError) -> bool:
    """Return whether a commit is made, and only its folder could not be synced: its journal is removed by then."""
    found = exc.__cause__
    return isinstance(found, OperationalError) and (
        getattr(found.orig, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_DIR_FSYNC
    )


def _create_tables(tx: Connection, path: Path, first: Callable[[Connection], None]) -> bool:
    if tx.exec_driver_sql("SELECT 1 FROM sqlite_master LIMIT 1").first():
        admit(tx, path, size_bytes=0)
        return False
    allow(tx, size_bytes=0)
    make_tables(tx)
    first(tx)
    return True


def _dispose(*engines: Engine) -> None:
    for engine in engines:
        engine.dispose()


def _engine(path: Path, mode: str, *, begin: str, durable: bool, reads_only: bool = False) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,  # the driver must not open transactions of its own
            check_same_thread=False,
        )
        try:
            harden(connection)
            connection.execute("PRAGMA foreign_keys = ON")
            # Many builds write zeros over every page that is given back, as records are; nothing in them is a secret.
            connection.execute("PRAGMA secure_delete = FAST")
            connection.execute(f"PRAGMA synchronous = {'EXTRA' if durable else 'OFF'}")
            # Not mode=ro: whoever reads first after a crash must roll the dead writer's journal back, in the file.
            connection.execute(f"PRAGMA query_only = {'ON' if reads_only else 'OFF'}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    # One connection, kept open: opening the file costs more than a transaction's statements.
    engine = make_engine(QueuePool, connect, pool_size=1, max_overflow=4)

    # Whoever takes it out wants a transaction. A listener to the engine itself would cost every statement some time.
    @event.listens_for(engine.pool, "checkout")
    def begin_explicitly(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(begin)

    return engine
