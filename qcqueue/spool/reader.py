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
    failure.json         trainer -> session   the typed cause or trouble, before the trainer exits
    waits.txt            trainer -> session   why its disk does not take what it hands over, while it waits for that;
                                              empty where the disk takes not even this
    refusal.json         trainer -> session   why the run may not go on on this machine, before the trainer exits
    trainer.log          trainer -> person    everything it printed; its end goes into the queue where that tells
    left.json            session -> next one  how the session ended, where it was not by itself

The trainer never waits for the session, and neither ever sees half of anything: it is renamed into place. The newest
state wins: a `.state` that nobody has taken is removed when a newer one is whole. Both sides claim one by renaming it,
which only one of them can. An `.epoch` says that validation of a finished epoch is done and names its state, because
validation changes no tensor; a `.result` carries the predictions and the final figures. This module is the session's
half and what both share; the trainer's half is `writer`.
"""

import contextlib
import functools
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from qcqueue.checkpoints.format import files_of, head_in, read_about, read_model, read_state
from qcqueue.core.evaluation import Result
from qcqueue.core.outcomes import Cause, Trouble
from qcqueue.core.phases import Phase
from qcqueue.core.records import EpochTiming, Rehearsal, Snapshot, Tensors, TrainingRecord
from qcqueue.core.spec import JobSpec
from qcqueue.errors import CheckpointDamaged, DiskFailed, MachineError, QcqueueError
from qcqueue.spool.trainer_output import in_a_sentence, last_line_in, words_in
from qcqueue.stores.files import on_this_machine
from qcqueue.text.canonical_json import canonical_json, parse_json
from qcqueue.text.humanize import size

P = ParamSpec("P")
T = TypeVar("T")
Method = Callable[Concatenate["Spool", P], T]

FAILED = 3
"""The exit status of a trainer that has left word of why it gave up, if its disk took that."""

Doing = Literal["hashing", "uploading", "committing", "deleting"]
"""What a session does with a state on its way to the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """What a trainer is told. Paths are absolute and local; threads is part of the run's identity.

    weights_title is what its owner calls the weights file, "" where that is not known.
    max_epochs is how many epochs this attempt may finish before it leaves, None for all. resumes says that there is a
    state to wait for: it may still be on its way while the trainer builds its program. on_cpu says to leave a GPU alone
    that the spec would allow.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a trainer gave up: a final cause or a trouble, a sentence for a person, the technical text for the log."""

    cause: Cause | Trouble
    message: str
    detail: str = ""


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


RESUMED = 0

LONGEST_NOTE_BYTES = 4096

SPOOLS = "spool"
"""The folder in a machine's cache that holds the spools of all its attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenState:
    """A state the session has taken. files: those of the state, the head last; best: the model's of its best epoch,
    none where that is not here (any more)."""

    number: int
    folder: Path
    record: TrainingRecord
    files: tuple[Path, ...]
    best: tuple[Path, ...]


def _on_its_disk(method: "Method[P, T]") -> "Method[P, T]":
    """Have the errors of the disk told as those of this machine: it may be full for a while, and a job is no worse."""

    @functools.wraps(method)
    def translated(spool: "Spool", /, *args: P.args, **kwargs: P.kwargs) -> T:
        with on_this_machine(spool.folder):
            return method(spool, *args, **kwargs)

    return translated


class Spool:
    """One attempt's folder, as a session sees it, and the paths of both.

    Every method raises MachineError where the disk does not do its work; all of them may be repeated.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries_folder = folder / "entries"
        self.resumed_folder = folder / "resumed"
        self.log_path = folder / "trainer.log"
        self.latest_folder = folder / "latest"
        self._held_folder = folder / "held"
        self._best_folder = folder / "best"
        self._record_path = folder / "record.json"
        self._stored_path = folder / "stored.json"
        self._doing_path = folder / "doing.json"
        self._left_path = folder / "left.json"
        self._waits_path = folder / "waits.txt"
        self._doing: Doing | None = None

    # session

    @_on_its_disk
    def open(self, order: WorkOrder) -> None:
        """Make the folder and leave the order in it."""
        for folder in (self.entries_folder, self.resumed_folder, self._best_folder, self._held_folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "order.json", order.to_json())

    @_on_its_disk
    def begin_anew(self) -> None:
        """Make ready for another trainer: what the last one said of itself is not its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("failure.json", "progress.json", "waits.txt"):
            (self.folder / name).unlink(missing_ok=True)

    @_on_its_disk
    def resume_with(self, record: TrainingRecord | None) -> None:
        """Hand over the record that was committed with the state in `resumed_folder`; None: there is no state.

        The state of an epoch is written before its validation, so the record inside its head may still want it.
        """
        write_json(self._record_path, None if record is None else record.to_json())

    @_on_its_disk
    def waiting(self) -> list[SpoolEntry]:
        """Return what was handed over and is not removed yet, oldest first; a state that is held too."""
        return sorted(self._entries(), key=lambda entry: entry.number)

    @_on_its_disk
    def holds_unsaved(self) -> bool:
        """Return whether there is anything to bring to the store. An epoch whose state is not there is saved with a
        later state only, and there may never be one."""
        states = self.stored().get("states", {})
        return any(entry.kind != "epoch" or self._state_of(entry) in states for entry in self.waiting())

    def _state_of(self, entry: SpoolEntry) -> str:
        """Return the number of an epoch's state, as `stored` names it; "" where the entry has gone meanwhile."""
        with contextlib.suppress(FileNotFoundError, CheckpointDamaged):
            return str(self.read_epoch(entry).state_entry)
        return ""

    @_on_its_disk
    def take(self) -> TakenState | None:
        """Return the state to bring to the store: the one that is held, else the newest, which is held from now on."""
        held = [path for path in _listed(self._held_folder) if path.name.isdecimal()]
        if held:
            return self._held(held[0])
        states = [entry for entry in self.waiting() if entry.kind == "state"]
        for entry in reversed(states):
            target = self._held_folder / entry.path.stem
            with contextlib.suppress(FileNotFoundError):  # the trainer has just removed it for a newer one
                entry.path.rename(target)
                for older in states[: states.index(entry)]:
                    self.remove(older)
                return self._held(target)
        return None

    @_on_its_disk
    def release(self, held: TakenState) -> None:
        """Let go of a state that is committed."""
        remove_folder(held.folder)

    @_on_its_disk
    def remove(self, entry: SpoolEntry) -> None:
        if entry.kind == "state":
            remove_folder(entry.path)
        else:
            entry.path.unlink(missing_ok=True)

    @_on_its_disk
    def read_epoch(self, entry: SpoolEntry) -> EpochEntry:
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

    @_on_its_disk
    def newest_record(self) -> TrainingRecord | None:
        """Return the record of the newest entry that has not been removed, None where there is none."""
        for entry in reversed([entry for entry in self.waiting() if entry.kind != "result"]):
            with contextlib.suppress(CheckpointDamaged, FileNotFoundError):  # removed this instant, for a newer one
                return self.read_epoch(entry).record if entry.kind == "epoch" else record_in(entry.path)
        return None

    @_on_its_disk
    def read_result(self, entry: SpoolEntry) -> Result:
        return Result.from_json(read_about(entry.path)["result"])

    @_on_its_disk
    def progress(self) -> TrainerProgress | None:
        with contextlib.suppress(FileNotFoundError):
            told = parse_json((self.folder / "progress.json").read_bytes())
            return TrainerProgress(**{**told, "phase": Phase(told["phase"])})
        return None

    @_on_its_disk
    def failure(self) -> Failure | None:
        with contextlib.suppress(FileNotFoundError):
            value = parse_json((self.folder / "failure.json").read_bytes())
            kind = Trouble if value["cause"] in frozenset(Trouble) else Cause
            return Failure(cause=kind(value["cause"]), message=value["message"], detail=value["detail"])
        return None

    @_on_its_disk
    def refusal(self) -> str | None:
        """Return why the trainer did not go on with the run, None where it did."""
        with contextlib.suppress(FileNotFoundError):
            return str(parse_json((self.folder / "refusal.json").read_bytes())["why"])
        return None

    @_on_its_disk
    def rehearsal(self) -> Rehearsal | None:
        """Return what came of the rehearsal of a resume, None where there was none."""
        with contextlib.suppress(FileNotFoundError):
            return Rehearsal.from_json(parse_json((self.folder / "rehearsal.json").read_bytes()))
        return None

    @_on_its_disk
    def is_writing(self) -> bool:
        """Return whether a state is being written this instant."""
        return unfinished(self.latest_folder).exists() or any(self.entries_folder.glob("*.tmp"))

    def last_line(self) -> str:
        """Return the last line the trainer printed, for a person."""
        return last_line_in(self.log_path)

    def words(self) -> str:
        """Return the end of what the trainer printed, its traceback included, fit to keep; "" where that is nothing."""
        detail = ""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, QcqueueError):
            failure = self.failure()
            detail = failure.detail if failure else ""
        return words_in(self.log_path, detail=detail)

    def note_left(self, why: str) -> None:
        """Leave word, for whoever buries this attempt, of how its session ended; a disk that takes nothing is passed
        over."""
        with contextlib.suppress(OSError):
            write_json(self._left_path, {"why": why})

    def left(self) -> str | None:
        """Return what `note_left` was told, None where the session had no time for it."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError), self._left_path.open("rb") as file:
            why = str(parse_json(file.read(LONGEST_NOTE_BYTES))["why"])
            return " ".join(in_a_sentence(why).split()) or None
        return None

    @_on_its_disk
    def note_stored(self, blobs: Mapping[str, Any]) -> None:
        """Leave word, in JSON, of what is stored already."""
        write_json(self._stored_path, dict(blobs))

    @_on_its_disk
    def stored(self) -> dict[str, Any]:
        """Return what `note_stored` was last told; nothing where that cannot be read."""
        with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
            return dict(parse_json(self._stored_path.read_bytes()))
        return {}

    def note_doing(self, doing: Doing | None) -> None:
        """Leave word of what is done with a state now, None for nothing; written only where it changes.

        It is for whoever looks, so a disk that does not take it hinders nobody.
        """
        if doing != self._doing:
            with contextlib.suppress(OSError):
                write_json(self._doing_path, doing)
            self._doing = doing

    @_on_its_disk
    def doing(self) -> Doing | None:
        """Return what `note_doing` was last told, by whichever process."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            doing: Doing | None = parse_json(self._doing_path.read_bytes())
            return doing
        return None

    @_on_its_disk
    def note_cadence(self, cadence: Mapping[str, int]) -> None:
        """Tell the trainer how often to save."""
        write_json(self.folder / "cadence.json", dict(cadence))

    @_on_its_disk
    def ask_to_stop(self) -> None:
        (self.folder / "stop").touch()

    @_on_its_disk
    def check_trainers_disk(self) -> None:
        """Raises: DiskFailed: the trainer cannot hand over what it has made, and waits until it can."""
        with contextlib.suppress(FileNotFoundError):
            said = self._waits_path.read_text(encoding="utf-8", errors="replace")
            raise DiskFailed(
                said or f"the disk of this machine takes no more at {self.folder}: {_free(self.folder)} are free",
                hint="make room there, or set QCQUEUE_CACHE to a folder on another disk; then qcqueue work",
            )

    def close(self) -> None:
        """Remove the folder; everything in it is committed or belongs to nobody."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # both

    def best_folder(self, epoch: int) -> Path:
        """Return where the model's files of an epoch lie while it is the best."""
        return self._best_folder / f"{epoch:06d}"

    @_on_its_disk
    def best_files(self, epoch: int) -> tuple[Path, ...]:
        return tuple(sorted(self.best_folder(epoch).glob("*.safetensors")))

    @_on_its_disk
    def forget_bests_but(self, epoch: int | None) -> None:
        """Remove the model's files of every other epoch."""
        for folder in _listed(self._best_folder):
            if epoch is None or folder != self.best_folder(epoch):
                remove_folder(folder)

    # trainer

    @_on_its_disk
    def order(self) -> WorkOrder | None:
        """Return what to train, None where that is not known yet."""
        with contextlib.suppress(FileNotFoundError):
            return WorkOrder.from_json(parse_json((self.folder / "order.json").read_bytes()))
        return None

    @_on_its_disk
    def is_ready(self) -> bool:
        """Return whether the state to resume from, if any, is here."""
        return self._record_path.exists()

    @_on_its_disk
    def resumed(self) -> Snapshot | None:
        """Return the state to go on from with its committed record, or None at a fresh start; once `is_ready`."""
        value = parse_json(self._record_path.read_bytes())
        if value is None:
            return None
        return replace(read_state(files_of(self.resumed_folder)), record=TrainingRecord.from_json(value))

    @_on_its_disk
    def read_best(self, epoch: int) -> Tensors:
        """Return the model's tensors after an epoch. Raises: CheckpointDamaged: they are not here."""
        if not (files := self.best_files(epoch)):
            raise CheckpointDamaged(f"the model of the best epoch {epoch} is not in the spool")
        return read_model(files)

    @_on_its_disk
    def cadence(self) -> dict[str, int] | None:
        """Return how often to save, None where the session has not said."""
        with contextlib.suppress(FileNotFoundError):
            return dict(parse_json((self.folder / "cadence.json").read_bytes()))
        return None

    @_on_its_disk
    def should_stop(self) -> bool:
        return (self.folder / "stop").exists()

    @_on_its_disk
    def report(self, progress: TrainerProgress) -> None:
        write_json(self.folder / "progress.json", asdict(progress))

    @_on_its_disk
    def fail(self, failure: Failure) -> None:
        write_json(self.folder / "failure.json", asdict(failure))

    @_on_its_disk
    def rehearsed(self, rehearsal: Rehearsal) -> None:
        write_json(self.folder / "rehearsal.json", rehearsal.to_json())

    @_on_its_disk
    def refuse(self, why: str) -> None:
        write_json(self.folder / "refusal.json", {"why": why})

    def note_waiting(self, why: MachineError | None) -> None:
        """Tell the session why nothing can be handed over, None once it can; as well as a disk that fails allows."""
        with contextlib.suppress(OSError):
            if why is None:
                self._waits_path.unlink(missing_ok=True)
            elif not self._waits_path.exists():
                self._waits_path.touch()
                self._waits_path.write_text(str(why), encoding="utf-8")

    def _entries(self) -> Iterator[SpoolEntry]:
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.entries_folder):  # noqa: PTH208 (names are all we need, many times a second)
                stem, _, kind = name.partition(".")
                if kind in ("state", "epoch", "result"):
                    yield SpoolEntry(number=int(stem), kind=kind, path=self.entries_folder / name)  # type: ignore[arg-type]
        for path in _listed(self._held_folder):
            if path.name.isdecimal():
                yield SpoolEntry(number=int(path.name), kind="state", path=path)

    def _held(self, folder: Path) -> TakenState:
        record = record_in(folder)
        best = folder / "best"
        # Linked, because the trainer forgets the model of an epoch once a better one and a newer state are whole.
        if record.best_epoch is not None and not best.exists():
            with contextlib.suppress(FileNotFoundError):  # forgotten this instant: a newer state is whole
                link_files(self.best_files(record.best_epoch), best)
        files = tuple(sorted(best.glob("*.safetensors")))
        return TakenState(number=int(folder.name), folder=folder, record=record, files=files_of(folder), best=files)


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


def write_json(path: Path, value: Any) -> None:
    """Write a file whole or not at all, and leave nothing else behind."""
    place = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        place.write_text(canonical_json(value), encoding="utf-8")
        place.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            place.unlink(missing_ok=True)
        raise


def link_files(files: Iterable[Path], target: Path) -> None:
    """Let the folder `target` hold these files; nothing is copied where the file system knows hard links.

    Without a file there is no folder. Raises: FileNotFoundError: one of them has just been removed.
    """
    place = unfinished(target)
    shutil.rmtree(place, ignore_errors=True)
    for path in files:
        place.mkdir(exist_ok=True)
        try:
            (place / path.name).hardlink_to(path)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without hard links
            shutil.copyfile(path, place / path.name)
    if place.exists():
        remove_folder(target)
        place.rename(target)


def remove_folder(folder: Path) -> None:
    """Remove a folder so that nobody sees half of it; of several who try, one does."""
    trash = folder.with_name(f"{folder.name}.trash")
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(trash, ignore_errors=True)
        folder.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)


def unfinished(path: Path) -> Path:
    """Return the name of what is not whole yet."""
    return path.with_name(path.name + ".tmp")


def _free(folder: Path) -> str:
    with contextlib.suppress(OSError):
        return size(shutil.disk_usage(folder).free)
    return "nobody knows how many bytes"


def _listed(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(path for path in folder.iterdir() if path.suffix not in (".tmp", ".trash"))
    return []
