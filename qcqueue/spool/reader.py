"""The session's half of a spool: it gives the order and the state, takes what was handed over, and lets go of it.

What is noted here for whoever takes this place is `stored.json`, for whoever buries the attempt `left.json`, and for
whoever looks `doing.json`. Always true: an entry is removed once it is committed and not before.
"""

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcqueue.checkpoints.format import HEAD_NAME, SUFFIX, files_of, head_in, read_about, write_head_of_weights
from qcqueue.core.evaluation import Result
from qcqueue.core.records import EpochTiming, TrainingRecord
from qcqueue.errors import CheckpointDamaged, DiskFailed, MachineError, QcqueueError
from qcqueue.spool.files import (
    Doing,
    EpochEntry,
    JsonFile,
    SpoolEntry,
    SpoolFiles,
    WorkOrder,
    on_its_disk,
    record_in,
    why_from_json,
    why_to_json,
)
from qcqueue.spool.trainer_output import in_a_sentence, last_line_in, words_in
from qcqueue.spool.whole import link_files, listed, remove_folder, unfinished
from qcqueue.stores.files import files_in
from qcqueue.text.canonical_json import parse_json
from qcqueue.text.humanize import size

LONGEST_NOTE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenState:
    """A state the session has taken. files: those of the state, the head last; best: the model's of its best epoch,
    none where that is not here (any more)."""

    number: int
    folder: Path
    record: TrainingRecord
    files: tuple[Path, ...]
    best: tuple[Path, ...]


class Spool(SpoolFiles):
    """One attempt's folder, as a session sees it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._stored: JsonFile[Mapping[str, Any]] = JsonFile(folder / "stored.json", dict, dict)
        self._doing: JsonFile[Doing | None] = JsonFile(folder / "doing.json", _as_it_is, _as_it_is)
        self._left = JsonFile(folder / "left.json", why_to_json, why_from_json)
        self._noted_doing: Doing | None = None

    @on_its_disk
    def open(self, order: WorkOrder) -> None:
        """Make the folder and leave the order in it."""
        for folder in (self.entries_folder, self.resumed_folder, self.bests_folder, self.held_folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.order.write(order)

    @on_its_disk
    def begin_anew(self) -> None:
        """Make ready for another trainer: what the last one said of itself is not its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in (self.failure.path, self.progress.path, self.waits_path):
            path.unlink(missing_ok=True)

    @on_its_disk
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

    @on_its_disk
    def take(self) -> TakenState | None:
        """Return the state to bring to the store: the one that is held, else the newest, which is held from now on."""
        held = [path for path in listed(self.held_folder) if path.name.isdecimal()]
        if held:
            return self._held(held[0])
        states = [entry for entry in self.waiting() if entry.kind == "state"]
        for entry in reversed(states):
            target = self.held_folder / entry.path.stem
            with contextlib.suppress(FileNotFoundError):  # the trainer has just removed it for a newer one
                entry.path.rename(target)
                for older in states[: states.index(entry)]:
                    self.remove(older)
                return self._held(target)
        return None

    @on_its_disk
    def release(self, held: TakenState) -> None:
        """Let go of a state that is committed."""
        remove_folder(held.folder)

    @on_its_disk
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

    @on_its_disk
    def newest_record(self) -> TrainingRecord | None:
        """Return the record of the newest entry that has not been removed, None where there is none."""
        for entry in reversed([entry for entry in self.waiting() if entry.kind != "result"]):
            with contextlib.suppress(CheckpointDamaged, FileNotFoundError):  # removed this instant, for a newer one
                return self.read_epoch(entry).record if entry.kind == "epoch" else record_in(entry.path)
        return None

    @on_its_disk
    def read_result(self, entry: SpoolEntry) -> Result:
        return Result.from_json(read_about(entry.path)["result"])

    @on_its_disk
    def head_of_weights(self) -> Path | None:
        """Make a head for the weights of a run that is over; None where no state of it is here to make it of."""
        for folder in (self.latest_folder, self.resumed_folder):
            if files_of(folder):
                path = self.folder / HEAD_NAME
                write_head_of_weights(path, head_in(folder))
                return path
        return None

    @on_its_disk
    def is_writing(self) -> bool:
        """Return whether a state is being written this instant."""
        return unfinished(self.latest_folder).exists() or bool(files_in(self.entries_folder, ending=".tmp"))

    def last_line(self) -> str:
        """Return the last line the trainer printed, for a person."""
        return last_line_in(self.log_path)

    def words(self) -> str:
        """Return the end of what the trainer printed, its traceback included, fit to keep; "" where that is nothing."""
        detail = ""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, QcqueueError):
            failure = self.failure.read()
            detail = failure.detail if failure else ""
        return words_in(self.log_path, detail=detail)

    def note_left(self, why: str) -> None:
        """Leave word, for whoever buries this attempt, of how its session ended; a disk that takes nothing is passed
        over."""
        with contextlib.suppress(MachineError):
            self._left.write(why)

    def left(self) -> str | None:
        """Return what `note_left` was told, None where the session had no time for it."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError), self._left.path.open("rb") as file:
            why = self._left.from_json(parse_json(file.read(LONGEST_NOTE_BYTES)))
            return " ".join(in_a_sentence(why).split()) or None
        return None

    def note_stored(self, blobs: Mapping[str, Any]) -> None:
        """Leave word, in JSON, of what is stored already."""
        self._stored.write(blobs)

    def stored(self) -> Mapping[str, Any]:
        """Return what `note_stored` was last told; nothing where that cannot be read."""
        with contextlib.suppress(ValueError, TypeError):
            return self._stored.read() or {}
        return {}

    def note_doing(self, doing: Doing | None) -> None:
        """Leave word of what is done with a state now, None for nothing; written only where it changes.

        It is for whoever looks, so a disk that does not take it hinders nobody.
        """
        if doing != self._noted_doing:
            with contextlib.suppress(MachineError):
                self._doing.write(doing)
            self._noted_doing = doing

    def doing(self) -> Doing | None:
        """Return what `note_doing` was last told, by whichever process."""
        with contextlib.suppress(ValueError):
            return self._doing.read()
        return None

    @on_its_disk
    def ask_to_stop(self) -> None:
        self.stop_path.touch()

    @on_its_disk
    def check_trainers_disk(self) -> None:
        """Raises: DiskFailed: the trainer cannot hand over what it has made, and waits until it can."""
        with contextlib.suppress(FileNotFoundError):
            said = self.waits_path.read_text(encoding="utf-8", errors="replace")
            raise DiskFailed(
                said or f"the disk of this machine takes no more at {self.folder}: {_free(self.folder)} are free",
                hint="make room there, or set QCQUEUE_CACHE to a folder on another disk; then qcqueue work",
            )

    def close(self) -> None:
        """Remove the folder; everything in it is committed or belongs to nobody."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _held(self, folder: Path) -> TakenState:
        record = record_in(folder)
        best = folder / "best"
        # Linked, because the trainer forgets the model of an epoch once a better one and a newer state are whole.
        if record.best_epoch is not None and not best.exists():
            with contextlib.suppress(FileNotFoundError):  # forgotten this instant: a newer state is whole
                link_files(self.best_files(record.best_epoch), best)
        files = tuple(files_in(best, ending=SUFFIX))
        return TakenState(number=int(folder.name), folder=folder, record=record, files=files_of(folder), best=files)


def _free(folder: Path) -> str:
    with contextlib.suppress(OSError):
        return size(shutil.disk_usage(folder).free)
    return "nobody knows how many bytes"


def _as_it_is(value: Any) -> Any:
    return value
