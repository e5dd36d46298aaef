"""The folder through which a session and its trainer speak: one folder an attempt, everything whole or not there.

    order.json           session -> trainer   what to train; the trainer begins with it
    resumed/             session -> trainer   the files of the state to resume from; empty at a fresh start
    record.json          session -> trainer   the record committed with it, or null at a fresh start; written last
    cadence.json         session -> trainer   how often to save, as often as the session knows better
    stop                 session -> trainer   its existence asks for a save and an end at the next step
    stored.json          session alone        what of this attempt is in the store already, for whoever takes its place
    held/000001/         session alone        the one state it is bringing to the store
    doing.json           session -> whoever   what it does with a state: "hashing", "uploading", "committing",
                                              "deleting" (older ones), or null; absent until the first time
    best/000003/         both                 the model's files of the best epoch, by epoch
    latest/              trainer alone        the files of the newest state it wrote
    progress.json        trainer -> session   where it is, replaced a few times a second
    entries/000001.state/, 000002.epoch, 000003.result
                         trainer -> session   in order; the session removes an entry once it is committed
    rehearsal.json       trainer -> session   what came of doing the same steps twice, where the hardware was new
    step-choice.json     trainer -> session   how the step of the run was chosen, where that was asked
    failure.json         trainer -> session   the typed cause or trouble, before the trainer exits
    waits.txt            trainer -> session   why its disk does not take what it hands over, while it waits for that;
                                              empty where the disk takes not even this
    refusal.json         trainer -> session   why the run may not go on on this machine, before the trainer exits
    trainer.log          trainer -> person    everything it printed; its end goes into the queue where that tells
    left.json            session -> next one  how the session ended, where it was not by itself

The trainer never waits for the session, and neither ever sees half of anything: it is renamed into place. The newest
state wins: a `.state` that nobody has taken is removed when a newer one is whole. Both sides claim one by renaming it,
which only one of them can. An `.epoch` says that validation of a finished epoch is done and names its state, because
validation changes no tensor; a `.result` carries the predictions and the final figures. Here are the files and their
values; what a session does with them is `reader`'s, what a trainer does `writer`'s.
"""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar

from qcqueue.checkpoints.format import SUFFIX, head_in, read_about
from qcqueue.core.outcomes import Cause, Trouble
from qcqueue.core.phases import Phase
from qcqueue.core.records import EpochTiming, Rehearsal, TrainingRecord
from qcqueue.core.spec import JobSpec
from qcqueue.core.step_choice import StepChoice, StepOrder
from qcqueue.errors import CheckpointDamaged
from qcqueue.spool.whole import listed, remove_folder, write_json
from qcqueue.stores.files import files_in, on_this_machine
from qcqueue.text.canonical_json import parse_json

P = ParamSpec("P")
T = TypeVar("T")
Method = Callable[Concatenate[Any, P], T]

RESUMED = 0
"""As the number of a state: the one that the run was taken up from."""

SPOOLS = "spool"
"""The folder in a machine's cache that holds the spools of all its attempts."""

FAILED = 3
"""The exit status of a trainer that has left word of why it gave up, if its disk took that."""

Doing = Literal["hashing", "uploading", "committing", "deleting"]
"""What a session does with a state on its way to the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """What a trainer is told. Paths are absolute and local; threads is part of the run's identity.

    weights_title is what its owner calls the weights file, "" where that is not known. code_path: the archive of the
    code that builds its model, which has been approved on this machine; None for a model of the catalogue.
    max_epochs is how many epochs this attempt may finish before it leaves, None for all. resumes says that there is a
    state to wait for: it may still be on its way while the trainer builds its program. on_cpu says to leave a GPU alone
    that the spec would allow. step_order: what it should know to choose its step.
    """

    spec: JobSpec
    attempt: int
    dataset_path: Path
    weights_path: Path | None
    threads: int
    max_epochs: int | None
    resumes: bool = False
    on_cpu: bool = False
    weights_title: str = ""
    code_path: Path | None = None
    step_order: StepOrder = StepOrder()  # noqa: RUF009 (a frozen value)

    def to_json(self) -> dict[str, Any]:
        return {
            "spec": self.spec.to_json(),
            "attempt": self.attempt,
            "dataset_path": str(self.dataset_path),
            "weights_path": str(self.weights_path) if self.weights_path else None,
            "threads": self.threads,
            "max_epochs": self.max_epochs,
            "resumes": self.resumes,
            "on_cpu": self.on_cpu,
            "weights_title": self.weights_title,
            "code_path": str(self.code_path) if self.code_path else None,
            "step_order": self.step_order.to_json(),
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
            resumes=value["resumes"],
            on_cpu=value["on_cpu"],
            weights_title=value.get("weights_title", ""),  # an order of 0.5.1 has none
            code_path=Path(path) if (path := value.get("code_path")) else None,
            step_order=StepOrder.from_json(value.get("step_order", {})),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerProgress:
    """Where a trainer is. epoch and step count from 1; loss and accuracy are running means of this epoch.

    unsaved says that some of what was trained is in no state yet; step_s is the mean of the steps so far without the
    first, stall_s how long the last save stopped training; seconds is what the trainer's time went into, by part.
    """

    phase: Phase
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    loss: float | None = None
    accuracy: float | None = None
    unsaved: bool = False
    step_s: float | None = None
    stall_s: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "TrainerProgress":
        return cls(**{**value, "phase": Phase(value["phase"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a trainer gave up: a final cause or a trouble, a sentence for a person, the technical text for the log."""

    cause: Cause | Trouble
    message: str
    detail: str = ""

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Failure":
        kind = Trouble if value["cause"] in frozenset(Trouble) else Cause
        return cls(cause=kind(value["cause"]), message=value["message"], detail=value["detail"])


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolEntry:
    """One thing that was handed over, in the order it was made."""

    number: int
    kind: Literal["state", "epoch", "result"]
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEntry:
    """A finished epoch. state_entry is the number of its state, `RESUMED` for the one the run was taken up from, and
    None where no state was saved at its end."""

    record: TrainingRecord
    timing: EpochTiming
    state_entry: int | None


@dataclass(frozen=True, slots=True)
class JsonFile(Generic[T]):
    """One file of a spool: a value, whole or not there. Its methods raise MachineError where the disk fails."""

    path: Path
    to_json: Callable[[T], Any]
    from_json: Callable[[Any], T]

    def read(self) -> T | None:
        """Return its value, None where it is not there. Raises: ValueError, KeyError, TypeError: nobody wrote this."""
        with on_this_machine(self.path.parent), contextlib.suppress(FileNotFoundError):
            return self.from_json(parse_json(self.path.read_bytes()))
        return None

    def write(self, value: T) -> None:
        with on_this_machine(self.path.parent):
            write_json(self.path, self.to_json(value))


def on_its_disk(method: "Method[P, T]") -> "Method[P, T]":
    """Have the errors of the disk told as those of this machine: it may be full for a while, and a job is no worse."""

    @functools.wraps(method)
    def translated(spool: "SpoolFiles", /, *args: P.args, **kwargs: P.kwargs) -> T:
        with on_this_machine(spool.folder):
            return method(spool, *args, **kwargs)

    return translated


class SpoolFiles:
    """What both sides know of one attempt's folder: a field a file, and what was handed over.

    Every method raises MachineError where the disk does not do its work; all of them may be repeated.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries_folder = folder / "entries"
        self.resumed_folder = folder / "resumed"
        self.latest_folder = folder / "latest"
        self.held_folder = folder / "held"
        self.bests_folder = folder / "best"
        self.log_path = folder / "trainer.log"
        self.stop_path = folder / "stop"
        self.waits_path = folder / "waits.txt"
        self.order = JsonFile(folder / "order.json", WorkOrder.to_json, WorkOrder.from_json)
        self.record = JsonFile(folder / "record.json", _record_to_json, _record_from_json)
        self.cadence: JsonFile[Mapping[str, int]] = JsonFile(folder / "cadence.json", dict, dict)
        self.progress = JsonFile(folder / "progress.json", asdict, TrainerProgress.from_json)
        self.rehearsal = JsonFile(folder / "rehearsal.json", Rehearsal.to_json, Rehearsal.from_json)
        self.step_choice = JsonFile(folder / "step-choice.json", StepChoice.to_json, StepChoice.from_json)
        self.failure = JsonFile(folder / "failure.json", asdict, Failure.from_json)
        self.refusal = JsonFile(folder / "refusal.json", why_to_json, why_from_json)

    @on_its_disk
    def waiting(self) -> list[SpoolEntry]:
        """Return what was handed over and is not removed yet, oldest first; a state that is held too."""
        return sorted(self._entries(), key=lambda entry: entry.number)

    @on_its_disk
    def remove(self, entry: SpoolEntry) -> None:
        if entry.kind == "state":
            remove_folder(entry.path)
        else:
            entry.path.unlink(missing_ok=True)

    def best_folder(self, epoch: int) -> Path:
        """Return where the model's files of an epoch lie while it is the best."""
        return self.bests_folder / f"{epoch:06d}"

    @on_its_disk
    def best_files(self, epoch: int) -> tuple[Path, ...]:
        return tuple(files_in(self.best_folder(epoch), ending=SUFFIX))

    @on_its_disk
    def forget_bests_but(self, epoch: int | None) -> None:
        """Remove the model's files of every other epoch."""
        for folder in listed(self.bests_folder):
            if epoch is None or folder != self.best_folder(epoch):
                remove_folder(folder)

    def _entries(self) -> Iterator[SpoolEntry]:
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.entries_folder):  # noqa: PTH208 (names are all we need, many times a second)
                stem, _, kind = name.partition(".")
                if kind in ("state", "epoch", "result"):
                    yield SpoolEntry(number=int(stem), kind=kind, path=self.entries_folder / name)  # type: ignore[arg-type]
        for path in listed(self.held_folder):
            if path.name.isdecimal():
                yield SpoolEntry(number=int(path.name), kind="state", path=path)


def spool_folder(cache: Path, session_id: str, attempt: int) -> Path:
    """Return where the spool of an attempt lies in a machine's cache."""
    return cache / SPOOLS / f"{session_id}-{attempt}"


def session_of(folder: Path) -> str:
    """Return the session whose attempt a folder is the spool of."""
    return folder.name.rpartition("-")[0]


def record_in(folder: Path) -> TrainingRecord:
    """Return the record of the state in a folder. Raises: CheckpointDamaged: it is not whole."""
    try:
        return TrainingRecord.from_json(read_about(head_in(folder))["record"])
    except (KeyError, TypeError, ValueError) as exc:
        raise CheckpointDamaged(f"the state in {folder.name} holds no training record") from exc


def _record_to_json(record: TrainingRecord | None) -> Any:
    return None if record is None else record.to_json()


def _record_from_json(value: Any) -> TrainingRecord | None:
    return None if value is None else TrainingRecord.from_json(value)


def why_to_json(why: str) -> Any:
    return {"why": why}


def why_from_json(value: Any) -> str:
    return str(value["why"])
