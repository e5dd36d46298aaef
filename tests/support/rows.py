"""The database as plain rows, read with SQL of its own: what is stored, not what the code under test says of it."""

import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

R = TypeVar("R")


class JobRow(NamedTuple):
    id: int
    name: str
    state: str
    spec: str
    failure_cause: str | None
    failure_message: str | None
    owner: str | None


class AttemptRow(NamedTuple):
    id: int
    job_id: int
    number: int
    session_id: str
    outcome: str | None


class EpochRow(NamedTuple):
    id: int
    job_id: int
    attempt_id: int
    official: int
    lineage: int
    identity: str
    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float


class CheckpointRow(NamedTuple):
    id: int
    job_id: int
    attempt_id: int
    epochs_done: int
    steps_done: int
    state_sha256: str
    status: str


class PackRow(NamedTuple):
    checkpoint_id: int
    part: str
    position: int
    sha256: str


class ResultRow(NamedTuple):
    job_id: int
    attempt_id: int
    result: str
    predictions_sha256: str


class HistoryRow(NamedTuple):
    id: int
    job_id: int | None
    attempt: int | None
    who: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """One state of the database. Keys are row ids, in the order of the ids; jobs for results."""

    jobs: Mapping[int, JobRow]
    attempts: Mapping[int, AttemptRow]
    epochs: Mapping[int, EpochRow]
    checkpoints: Mapping[int, CheckpointRow]
    results: Mapping[int, ResultRow]
    history: Mapping[int, HistoryRow]
    datasets: tuple[str, ...]
    packs: Mapping[int, tuple[PackRow, ...]]
    """What each checkpoint names beside its head."""
    places: Mapping[str, str]
    """Where the store has a blob."""

    def files(self, row: CheckpointRow) -> set[str]:
        """Return the digests of everything that is needed to go on from a checkpoint and to finish the run."""
        return {row.state_sha256, *(pack.sha256 for pack in self.packs.get(row.id, ()))}

    def best(self, row: CheckpointRow) -> list[str]:
        """Return the digests of the files of a checkpoint's best model."""
        return sorted(pack.sha256 for pack in self.packs.get(row.id, ()) if pack.part == "best")

    def official(self, job_id: int) -> list[EpochRow]:
        """Return the official epochs of a job, in order."""
        rows = [row for row in self.epochs.values() if row.job_id == job_id and row.official]
        return sorted(rows, key=lambda row: row.epoch)

    def kept(self, job_id: int) -> list[CheckpointRow]:
        """Return the kept checkpoints of a job, newest first."""
        return [
            row for row in reversed(tuple(self.checkpoints.values())) if row.job_id == job_id and row.status == "kept"
        ]

    def live(self, job_id: int) -> AttemptRow | None:
        """Return the newest live attempt of a job."""
        rows = [row for row in self.attempts.values() if row.job_id == job_id and row.outcome is None]
        return rows[-1] if rows else None


class Reader:
    """An independent connection to the database file."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
        self._version = -1

    def news(self) -> Rows | None:
        """Return the rows if anything was committed since the last call."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return None
        self._version = version
        return self._read()

    def close(self) -> None:
        self._connection.close()

    def _read(self) -> Rows:
        return Rows(
            jobs={row.id: row for row in self._all(JobRow._make, JobRow._fields, "jobs")},
            attempts={row.id: row for row in self._all(AttemptRow._make, AttemptRow._fields, "attempts")},
            epochs={row.id: row for row in self._epochs()},
            checkpoints={row.id: row for row in self._all(CheckpointRow._make, CheckpointRow._fields, "checkpoints")},
            results={row.job_id: row for row in self._all(ResultRow._make, ResultRow._fields, "results")},
            history={row.id: row for row in self._all(HistoryRow._make, HistoryRow._fields, "history")},
            datasets=tuple(sha256 for (sha256,) in self._connection.execute("SELECT sha256 FROM datasets")),
            packs=self._packs(),
            places=dict(self._connection.execute("SELECT sha256, place FROM blobs")),
        )

    def _epochs(self) -> Iterator[EpochRow]:
        """Yield every epoch with what it was computed on, which its attempt says where its own row is silent."""
        identities = dict(self._connection.execute("SELECT id, identity FROM attempts"))
        for row in self._all(EpochRow._make, EpochRow._fields, "epochs"):
            yield row if row.identity else row._replace(identity=identities[row.attempt_id])

    def _packs(self) -> dict[int, tuple[PackRow, ...]]:
        rows = self._all(PackRow._make, PackRow._fields, "packs")
        return {at: tuple(group) for at, group in itertools.groupby(rows, key=lambda row: row.checkpoint_id)}

    def _all(self, make: Callable[[Iterable[Any]], R], columns: Iterable[str], table: str) -> list[R]:
        return [make(row) for row in self._connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1")]
