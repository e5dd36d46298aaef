"""Reading every row of a queue as it lies there, and saying which are not what was written, or cannot be read.

Values are taken as the database has them, before anything of ours makes something of them; it decides nothing and
repairs nothing. Always true: a row that matches its digest holds what was written, and one of before format 6 is
counted as not covered, unless something that was written with it is.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Float, Integer, LargeBinary, Table

from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.evaluation import Result
from qcqueue.core.records import Identity, Rehearsal, TrainingRecord
from qcqueue.core.spec import JobSpec
from qcqueue.core.step_choice import StepChoice
from qcqueue.database.cells import as_in_sqlite
from qcqueue.database.rows import COVERED, covered_columns, digest_of_values
from qcqueue.database.schema import DIGEST_BYTES, metadata
from qcqueue.database.sqlite import driver
from qcqueue.text.canonical_json import parse_json

# What a person reads through; of more, only their number is said.
FLAWS_TOLD = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFlaw:
    """A row that is not what it should be. job, attempt, epoch: whose it is, as far as the row and its likes tell.

    is_legible: whether it can be read at all; whoever reads one that cannot be fails.
    """

    table: str
    says: str
    is_legible: bool
    job: str | None = None
    attempt: int | None = None
    epoch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAudit:
    """covered: rows that were compared with their digests; not_covered: those of before there were any.

    flaws: the first that were found; more: how many others there are.
    """

    covered: int = 0
    not_covered: int = 0
    flaws: tuple[RowFlaw, ...] = ()
    more: int = 0


def audit_rows(tx: Connection) -> RowAudit:
    """Read every row of every table."""
    if tx.dialect.name == "postgresql":
        return _Audit(lambda asked: _rows_of_server(tx, asked)).run()
    connection = driver(tx)
    as_usual, connection.text_factory = connection.text_factory, _text
    try:
        return _Audit(connection.execute).run()
    finally:
        connection.text_factory = as_usual


def _rows_of_server(tx: Connection, asked: str) -> Iterator[tuple[Any, ...]]:
    """Yield rows with their values as SQLite has them, which is what they are summed as."""
    for row in tx.exec_driver_sql(asked):
        yield tuple(_as_summed(value) for value in row)


def _as_summed(value: Any) -> Any:
    match value:
        case bool():
            return int(value)
        case float():
            return value + 0.0  # SQLite knows no -0.0
        case _:
            return as_in_sqlite(value)


class _NotText(bytes):
    """What should be text and is none."""


def _text(data: bytes) -> "str | _NotText":
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _NotText(data)


class _Audit:
    """One reading of one database."""

    def __init__(self, rows: Callable[[str], Iterable[tuple[Any, ...]]]) -> None:
        self._rows = rows  # that a statement gives
        self._covered = self._not_covered = self._count = 0
        self._flaws: list[RowFlaw] = []
        self._jobs: dict[int, str] = {}  # names, by id
        self._attempts: dict[int, int] = {}  # numbers, by id
        self._sealed: set[int] = set()  # attempts that were claimed or ended since rows have digests, by id
        self._claimed: set[tuple[Any, Any]] = set()  # (job id, number) of the claims since then
        self._identified: set[int] = set()  # attempts that say what they computed on, by id

    def run(self) -> RowAudit:
        self._note_claims()
        for table in metadata.sorted_tables:
            try:
                for flaw in self._flaws_in(table):
                    self._note(flaw)
            except (sqlite3.Error, OverflowError, MemoryError, UnicodeDecodeError) as exc:
                says = f"the table {table.name} cannot be read to its end: {exc}"
                self._note(RowFlaw(table=table.name, says=says, is_legible=False))
        return RowAudit(
            covered=self._covered,
            not_covered=self._not_covered,
            flaws=tuple(self._flaws),
            more=self._count - len(self._flaws),
        )

    def _note(self, flaw: RowFlaw) -> None:
        self._count += 1
        if len(self._flaws) < FLAWS_TOLD:
            self._flaws.append(flaw)

    def _note_claims(self) -> None:
        asked = "SELECT job_id, attempt FROM history WHERE what = 'claimed' AND digest IS NOT NULL"
        try:
            self._claimed = set(self._rows(asked))
        except (sqlite3.Error, UnicodeDecodeError):  # the same will be said of the table
            self._claimed = set()

    def _flaws_in(self, table: Table) -> Iterator[RowFlaw]:
        columns = [column.name for column in table.columns]
        key = ", ".join(column.name for column in table.primary_key)
        named = ", ".join(f'"{name}"' for name in columns)
        has_digests, results = False, set[Any]()
        for values in self._rows(f"SELECT {named} FROM {table.name} ORDER BY {key}"):
            row = dict(zip(columns, values, strict=True))
            says, is_legible = None, True
            if wrong := _illegible(table, row) or self._unidentified(table, row):
                says, is_legible = f"cannot be read: {wrong}", False
            elif table in COVERED:
                if row["digest"] is not None:
                    has_digests = True
                    self._covered += 1
                    says = None if _matches(table, row) else "does not hold what was written"
                elif self._has_lost_its_digest(table, row, has_digests=has_digests):
                    says = "has lost its digest"
                elif not _is_live(table, row):
                    self._not_covered += 1
            self._learn(table, row, results)
            if says:
                told = " ".join(_said(row[column.name]) for column in table.primary_key)
                yield self._flaw(table, row, f"row {told} of the table {table.name} {says}", is_legible=is_legible)
        if table.name == "results":
            yield from self._without_result(results)

    def _learn(self, table: Table, row: Mapping[str, Any], results: set[Any]) -> None:
        """Remember what the rows of later tables are named by."""
        if table.name == "jobs" and isinstance(row["name"], str):
            self._jobs[row["id"]] = row["name"]
        elif table.name == "attempts" and isinstance(row["number"], int):
            self._attempts[row["id"]] = row["number"]
            if row["digest"] is not None or (row["job_id"], row["number"]) in self._claimed:
                self._sealed.add(row["id"])
            if row["identity"]:
                self._identified.add(row["id"])
        elif table.name == "results":
            results.add(row["job_id"])

    def _unidentified(self, table: Table, row: Mapping[str, Any]) -> str | None:
        is_known = table.name != "epochs" or row["identity"] or row["attempt_id"] in self._identified
        return None if is_known else "nothing says what it was computed on"

    def _has_lost_its_digest(self, table: Table, row: Mapping[str, Any], *, has_digests: bool) -> bool:
        """Return whether a row without a digest was written when rows had them: ids rise, and others were with it."""
        match table.name:
            case "attempts":
                return row["outcome"] is not None and (row["job_id"], row["number"]) in self._claimed
            case "results":
                return row["attempt_id"] in self._sealed
            case "last_words":  # the table is as old as digests are
                return True
            case _:
                return has_digests

    def _without_result(self, results: set[Any]) -> Iterator[RowFlaw]:
        for (job_id,) in self._rows("SELECT id FROM jobs WHERE state = 'done'"):
            if job_id not in results:
                row = {"job_id": job_id}
                yield self._flaw(_RESULTS, row, "its row in the table results is gone", is_legible=True)

    def _flaw(self, table: Table, row: Mapping[str, Any], says: str, *, is_legible: bool) -> RowFlaw:
        job_id = row.get("id" if table.name == "jobs" else "job_id")
        attempt = row.get({"attempts": "number", "history": "attempt"}.get(table.name, ""))
        epoch = row.get({"epochs": "epoch", "checkpoints": "epochs_done"}.get(table.name, ""))
        if "attempt_id" in row:
            attempt = self._attempts.get(row["attempt_id"])
        return RowFlaw(
            table=table.name,
            says=says,
            is_legible=is_legible,
            job=self._jobs.get(job_id) if isinstance(job_id, int) else None,
            attempt=attempt if isinstance(attempt, int) else None,
            epoch=epoch if isinstance(epoch, int) else None,
        )


def _matches(table: Table, row: Mapping[str, Any]) -> bool:
    digest = row["digest"]
    held = [(name, row[name]) for name in covered_columns(table) if row[name] is not None]
    return len(digest) == DIGEST_BYTES and digest == digest_of_values(table, held)


def _is_live(table: Table, row: Mapping[str, Any]) -> bool:
    return table.name == "attempts" and row["outcome"] is None


def _illegible(table: Table, row: Mapping[str, Any]) -> str | None:
    """Return what of a row nothing of ours can read, None where everything can be."""
    for column, kind in _KINDS[table.name]:
        value = row[column.name]
        if value is None:
            if not column.nullable:
                return f"{column.name} is empty"
        elif type(value) is not kind:
            return f"{column.name} is no {_SAID[kind]}"
        elif isinstance(column.type, Boolean) and value not in (0, 1):
            return f"{column.name} is neither true nor false"
        elif kind is str and (read := _DOCUMENTS.get((table.name, column.name))) and not _is_read(read, value):
            if not value and column.name in ("record", "identity"):  # of an unkept checkpoint; the attempt's is meant
                continue
            return f"{column.name} is not the document it should be"
    if table.name == "jobs" and JobSpec.from_json(parse_json(row["spec"])).digest != row["spec_sha256"]:
        return "its spec is another one"
    return None


@lru_cache(maxsize=4096)
def _is_read(read: Callable[[Any], object], text: str) -> bool:
    try:
        read(parse_json(text))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        return False
    return True


def _numbers(value: Any) -> None:
    for name, number in value.items():
        if not isinstance(name, str) or isinstance(number, bool) or not isinstance(number, int | float):
            raise TypeError


def _spec(value: Any) -> None:
    JobSpec.from_json(value).digest  # noqa: B018 (it has to be possible)


def _said(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)[:40]


def _kind(column: Column[Any]) -> type:
    if isinstance(column.type, Float):
        return float
    if isinstance(column.type, Integer | Boolean):
        return int
    return bytes if isinstance(column.type, LargeBinary) else str


_RESULTS = metadata.tables["results"]
_KINDS = {table.name: [(column, _kind(column)) for column in table.columns] for table in metadata.sorted_tables}
_SAID: Mapping[type, str] = {float: "number", int: "whole number", str: "text", bytes: "digest"}

# What the columns that hold JSON are read as.
_DOCUMENTS: Mapping[tuple[str, str], Callable[[Any], object]] = {
    ("jobs", "spec"): _spec,
    ("datasets", "summary"): DatasetSummary.from_json,
    ("sessions", "seconds"): _numbers,
    ("attempts", "seconds"): _numbers,
    ("attempts", "pace"): _numbers,
    ("attempts", "rehearsal"): Rehearsal.from_json,
    ("attempts", "identity"): Identity.from_json,
    ("attempts", "step_choice"): StepChoice.from_json,
    ("epochs", "identity"): Identity.from_json,
    ("checkpoints", "record"): TrainingRecord.from_json,
    ("step_choices", "choice"): StepChoice.from_json,
    ("results", "result"): Result.from_json,
}
