"""The folder through which a session and its trainer speak: one folder an attempt, files written whole.

    order.json           session -> trainer   what to train and from where
    state.safetensors    session -> trainer   the state to resume from; absent at a fresh start
    record.json          session -> trainer   its record as committed: newer than the one inside once validated
    best.safetensors     both                 the state of the best epoch so far; absent before the first
    stored.json          session alone        which entries are in the store already, for whoever takes its place
    stop                 session -> trainer   its existence asks for a save and an end at the next step
    latest.safetensors   trainer              a link to the newest state it wrote
    progress.json        trainer -> session   where it is, replaced a few times a second
    entries/000001.state, 000002.epoch, 000003.result
                         trainer -> session   in order; the session removes an entry once it is committed
    failure.json         trainer -> session   the typed cause, before the trainer exits
    trainer.log          trainer -> person    everything it printed

The trainer never waits for the session, and neither ever sees half a file: everything is renamed into place.
A `.state` is a state file; an `.epoch` says that validation of a finished epoch is done and names the state it
belongs to, because validation changes no tensor; a `.result` carries the predictions and the final figures.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from qcqueue.checkpoints.format import read_about, read_state, write_state, write_tensors
from qcqueue.core.canonical import canonical_json, parse_json
from qcqueue.core.evaluation import Result
from qcqueue.core.outcomes import Cause
from qcqueue.core.records import EpochTiming, TrainingRecord
from qcqueue.core.snapshot import Snapshot, Tensors
from qcqueue.core.spec import JobSpec
from qcqueue.errors import CheckpointDamaged

Phase = Literal["starting", "building", "compiling", "training", "saving", "validating", "evaluating"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """What a trainer is told. Paths are absolute and local; threads is part of the run's identity.

    max_epochs is how many epochs this attempt may finish before it leaves, None for all.
    """

    spec: JobSpec
    attempt: int
    dataset_path: Path
    weights_path: Path | None
    threads: int
    max_epochs: int | None

    def to_json(self) -> dict[str, Any]:
        return {
            "spec": self.spec.to_json(),
            "attempt": self.attempt,
            "dataset_path": str(self.dataset_path),
            "weights_path": str(self.weights_path) if self.weights_path else None,
            "threads": self.threads,
            "max_epochs": self.max_epochs,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "WorkOrder":
        return cls(
            spec=JobSpec.from_json(value["spec"]),
            attempt=value["attempt"],
            dataset_path=Path(value["dataset_path"]),
            weights_path=Path(value["weights_path"]) if value["weights_path"] else None,
            threads=value["threads"],
            max_epochs=value["max_epochs"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a trainer is. epoch and step count from 1; loss and accuracy are running means of this epoch."""

    phase: Phase
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    loss: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a trainer gave up for good: a sentence for a person, and the technical text for the log."""

    cause: Cause
    message: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of the spool, in the order it was written."""

    number: int
    kind: Literal["state", "epoch", "result"]
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEntry:
    """A finished epoch. state_entry is the number of its state, None where it is the one resumed from."""

    record: TrainingRecord
    timing: EpochTiming
    state_entry: int | None


class Spool:
    """One attempt's folder. Both sides use this class; each method says whose it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries_folder = folder / "entries"
        self.state_path = folder / "state.safetensors"
        self.best_path = folder / "best.safetensors"
        self.log_path = folder / "trainer.log"
        self._latest_path = folder / "latest.safetensors"
        self._record_path = folder / "record.json"
        self._stored_path = folder / "stored.json"
        self._next_number = 1

    # session

    def open(self, order: WorkOrder) -> None:
        """Session: make the folder and leave the order in it."""
        self.entries_folder.mkdir(parents=True, exist_ok=True)
        _write_json(self.folder / "order.json", order.to_json())

    def resume_with(self, record: TrainingRecord) -> None:
        """Session: hand over the record that was committed with `state_path`.

        The state of an epoch is written before its validation, so the record inside the file may still want it.
        """
        _write_json(self._record_path, record.to_json())

    def waiting(self) -> list[Entry]:
        """Session: the whole entries not yet removed, oldest first."""
        return sorted(self._entries(), key=lambda entry: entry.number)

    def read_epoch(self, entry: Entry) -> EpochEntry:
        """Raises: CheckpointDamaged: the entry is not whole."""
        try:
            value = parse_json(entry.path.read_bytes())
            return EpochEntry(
                record=TrainingRecord.from_json(value["record"]),
                timing=EpochTiming(**value["timing"]),
                state_entry=value["state_entry"],
            )
        except (ValueError, KeyError, TypeError) as exc:
            raise CheckpointDamaged(f"{entry.path.name} is not a whole record of an epoch") from exc

    def read_state_record(self, entry: Entry) -> TrainingRecord:
        """Raises: CheckpointDamaged: the entry is not whole."""
        return TrainingRecord.from_json(read_about(entry.path)["record"])

    def newest_record(self) -> TrainingRecord | None:
        """Session: the record of the newest entry that has not been removed, None where there is none."""
        steps = [entry for entry in self.waiting() if entry.kind != "result"]
        if not steps:
            return None
        return self.read_epoch(steps[-1]).record if steps[-1].kind == "epoch" else self.read_state_record(steps[-1])

    def read_result(self, entry: Entry) -> Result:
        return Result.from_json(read_about(entry.path)["result"])

    def progress(self) -> Progress | None:
        with contextlib.suppress(FileNotFoundError):
            return Progress(**parse_json((self.folder / "progress.json").read_bytes()))
        return None

    def failure(self) -> Failure | None:
        with contextlib.suppress(FileNotFoundError):
            value = parse_json((self.folder / "failure.json").read_bytes())
            return Failure(cause=Cause(value["cause"]), message=value["message"], detail=value["detail"])
        return None

    def is_writing(self) -> bool:
        """Session: whether a state is being written this instant."""
        return self._latest_path.with_name(self._latest_path.name + ".tmp").exists()

    def last_words(self) -> str:
        """Session: the last line the trainer printed, for a person."""
        with contextlib.suppress(FileNotFoundError):
            lines = self.log_path.read_text(encoding="utf-8", errors="replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
        return "it printed nothing"

    def note_stored(self, blobs: Mapping[str, Any]) -> None:
        """Session: leave word, in JSON, of what is stored already."""
        _write_json(self._stored_path, dict(blobs))

    def stored(self) -> dict[str, Any]:
        """Session: what `note_stored` was last told; nothing where that cannot be read."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return dict(parse_json(self._stored_path.read_bytes()))
        return {}

    def ask_to_stop(self) -> None:
        (self.folder / "stop").touch()

    def close(self) -> None:
        """Session: remove the folder; everything in it is committed or belongs to nobody."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # trainer

    def order(self) -> WorkOrder:
        return WorkOrder.from_json(parse_json((self.folder / "order.json").read_bytes()))

    def resumed(self) -> Snapshot | None:
        """Trainer: the state to go on from with its committed record, or None at a fresh start."""
        if not self.state_path.exists():
            return None
        record = TrainingRecord.from_json(parse_json(self._record_path.read_bytes()))
        return replace(read_state(self.state_path), record=record)

    def should_stop(self) -> bool:
        return (self.folder / "stop").exists()

    def report(self, progress: Progress) -> None:
        _write_json(self.folder / "progress.json", asdict(progress))

    def fail(self, failure: Failure) -> None:
        _write_json(self.folder / "failure.json", asdict(failure))

    def put_state(self, state: Snapshot) -> int:
        """Trainer: hand over a state; returns its entry number."""
        # Written under the trainer's own name first: the session may commit and remove the entry at once.
        write_state(self._latest_path, state)
        path = self._new_path("state")
        _link(self._latest_path, path)
        return self._written(path)

    def put_epoch(self, entry: EpochEntry) -> None:
        path = self._new_path("epoch")
        _write_json(path, asdict(entry))
        self._written(path)

    def put_result(self, result: Result, predictions: Tensors) -> None:
        path = self._new_path("result")
        write_tensors(path, predictions, {"format": 1, "result": result.to_json()})
        self._written(path)

    def keep_as_best(self) -> None:
        """Trainer: keep the newest state, or the one resumed from, until a better epoch comes."""
        _link(self._latest_path if self._latest_path.exists() else self.state_path, self.best_path)

    def _entries(self) -> Iterator[Entry]:
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.entries_folder):  # noqa: PTH208 (names are all we need, many times a second)
                stem, _, kind = name.partition(".")
                if kind in ("state", "epoch", "result"):
                    yield Entry(number=int(stem), kind=kind, path=self.entries_folder / name)  # type: ignore[arg-type]

    def _path(self, number: int, kind: str) -> Path:
        return self.entries_folder / f"{number:06d}.{kind}"

    def _new_path(self, kind: str) -> Path:
        return self._path(self._next_number, kind)

    def _written(self, path: Path) -> int:
        self._next_number += 1
        return int(path.stem)


def _write_json(path: Path, value: Any) -> None:
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_text(canonical_json(value), encoding="utf-8")
    unfinished.replace(path)


def _link(source: Path, target: Path) -> None:
    unfinished = target.with_name(target.name + ".tmp")
    unfinished.unlink(missing_ok=True)
    try:
        unfinished.hardlink_to(source)
    except PermissionError:  # a file system without hard links
        shutil.copyfile(source, unfinished)
    unfinished.replace(target)
