"""The trainer's half of a spool: states, epochs and the result, whole and in the order of the run.

A state is copied into memory that is used again and again, which is all that training waits for; a thread then writes
it to the disk of this machine in large pieces, during which Python goes on. One copy of the state is all it needs, so a
save that comes before the last one is written waits for it. What goes wrong in the thread is raised at the next call;
a disk that is full, or fails, is waited for some minutes, and the session told, unless what is written can never fit.
"""

import contextlib
import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from qcqueue.checkpoints.format import (
    SUFFIX,
    about_state,
    files_of,
    holds_model,
    read_model,
    read_state,
    write_pack,
    write_tensors,
)
from qcqueue.checkpoints.packs import HEAD, Buffer, Pack, grouped, of_the_model
from qcqueue.core.evaluation import Result
from qcqueue.core.records import Snapshot, Tensors
from qcqueue.disk import NO_ROOM, OF_A_DISK
from qcqueue.errors import CheckpointDamaged, MachineError
from qcqueue.spool.files import RESUMED, EpochEntry, SpoolFiles, on_its_disk
from qcqueue.spool.whole import link_files, remove_folder, unfinished, write_json
from qcqueue.stores.files import on_this_machine

Action = Callable[[], None]

# How often a disk that does not take something is asked again, for how long, and for how long while the session leaves.
# A GPU that waits for a person to make room is soon worth more to the next job, or to another machine.
RETRY_S = 0.5
PATIENCE_S = 180.0
LEAVING_S = 60.0


class TrainerSpool(SpoolFiles):
    """One attempt's folder, as its trainer sees it."""

    @on_its_disk
    def is_ready(self) -> bool:
        """Return whether the state to resume from, if any, is here."""
        return self.record.path.exists()

    @on_its_disk
    def resumed(self) -> Snapshot | None:
        """Return the state to go on from with its committed record, or None at a fresh start; once `is_ready`."""
        record = self.record.read()
        return None if record is None else replace(read_state(files_of(self.resumed_folder)), record=record)

    @on_its_disk
    def read_best(self, epoch: int) -> Tensors:
        """Return the model's tensors after an epoch. Raises: CheckpointDamaged: they are not here."""
        if not (files := self.best_files(epoch)):
            raise CheckpointDamaged(f"the model of the best epoch {epoch} is not in the spool")
        return read_model(files)

    @on_its_disk
    def should_stop(self) -> bool:
        return self.stop_path.exists()

    def note_waiting(self, why: MachineError | None) -> None:
        """Tell the session why nothing can be handed over, None once it can; as well as a disk that fails allows."""
        with contextlib.suppress(OSError):
            if why is None:
                self.waits_path.unlink(missing_ok=True)
            elif not self.waits_path.exists():
                self.waits_path.touch()
                self.waits_path.write_text(str(why), encoding="utf-8")


class SpoolWriter:
    """Hands over what one trainer makes. background: write in a thread; `close` returns once everything is whole.

    pause waits so many seconds; where it is given, a disk that does not take something is asked again.
    """

    def __init__(
        self, spool: TrainerSpool, *, background: bool = False, pause: Callable[[float], None] | None = None
    ) -> None:
        self._spool = spool
        self._pause = pause
        self._writing = Background() if background else None
        self._next_number = 1
        self._packs: tuple[Pack, ...] = ()
        self._fixed: Buffer | None = None
        self._moving: Buffer | None = None

    def state(self, state: Snapshot) -> int:
        """Take a state; return the number of its entry. Its tensors are copied when this returns."""
        self._wait()
        if self._moving is None:
            self._packs = grouped(state)
            self._moving = Buffer([pack for pack in self._packs if not pack.is_fixed], state.tensors)
            self._fixed = Buffer([pack for pack in self._packs if pack.is_fixed], state.tensors)
            self._fixed.fill(state.tensors)
        self._moving.fill(state.tensors)
        number, about, best = self._numbered(), about_state(state), state.record.best_epoch
        self.then(lambda: self._write_state(number, about, best))
        return number

    def model(self, epoch: int, tensors: Tensors) -> None:
        """Take the model of an epoch that is the best and whose state was not saved; some state was before it."""
        self._wait()
        assert self._moving is not None, "the first epoch of an attempt is saved"
        self._moving.fill_some(tensors)
        self.then(lambda: self._write_model(epoch))

    def epoch(self, entry: EpochEntry, *, is_best: bool) -> None:
        """Take a finished epoch; the model of the best is kept beside the run."""
        number = self._numbered()
        self.then(lambda: self._write_epoch(number, entry, is_best=is_best))

    def result(self, result: Result, predictions: Tensors) -> None:
        path = self._spool.entries_folder / f"{self._numbered():06d}.result"
        self.then(lambda: write_tensors(path, predictions, {"format": 1, "result": result.to_json()}))

    def then(self, action: Action) -> None:
        """Have something done once all that was taken so far is whole."""
        if self._writing:
            self._writing.do(lambda: self._insist(action))
        else:
            self._insist(action)

    def close(self) -> None:
        """Return once everything that was taken is whole. Raises: MachineError: what kept it from that."""
        self._wait()

    def _insist(self, action: Action) -> None:
        """Do it until the disk takes it: everything that is written here may be written again.

        Raises: MachineError: it does not, or not in time.
        """
        waited_s = leaving_s = 0.0
        while True:
            try:
                with on_this_machine(self._spool.folder):
                    action()
            except MachineError as exc:
                self._spool.note_waiting(exc)
                if self._pause is None or not self._may_pass(exc) or waited_s >= PATIENCE_S or leaving_s >= LEAVING_S:
                    raise
                self._pause(RETRY_S)
                waited_s += RETRY_S
                with contextlib.suppress(MachineError):
                    leaving_s += RETRY_S if self._spool.should_stop() else 0.0
            else:
                if waited_s:
                    self._spool.note_waiting(None)
                return

    def _may_pass(self, exc: MachineError) -> bool:
        """Return whether the disk may take it later: not where it is no fault of the disk, or can never fit on it."""
        if not isinstance(cause := exc.__cause__, OSError) or cause.errno not in OF_A_DISK:
            return False
        state_bytes = sum(len(buffer.part(pack)) for buffer, pack in self._written_each_time())
        with contextlib.suppress(OSError):
            return cause.errno not in NO_ROOM or shutil.disk_usage(self._spool.folder).total > state_bytes
        return True

    def _written_each_time(self) -> Iterator[tuple[Buffer, Pack]]:
        for pack in self._packs:
            if buffer := self._fixed if pack.is_fixed else self._moving:
                yield buffer, pack

    def _write_state(self, number: int, about: Mapping[str, Any], best: int | None) -> None:
        latest, entries = self._spool.latest_folder, self._spool.entries_folder
        place = _emptied(unfinished(latest))
        for pack in self._packs:
            self._write(pack, place, about if pack.name == HEAD else None)
        remove_folder(latest)
        place.rename(latest)
        link_files(files_of(latest), entries / f"{number:06d}.state")
        for entry in self._spool.waiting():
            if entry.kind == "state" and entry.path.parent == entries and entry.number < number:
                self._spool.remove(entry)
        self._spool.forget_bests_but(best)

    def _write_model(self, epoch: int) -> None:
        place = _emptied(unfinished(self._spool.best_folder(epoch)))
        for pack in of_the_model(self._packs):
            self._write(pack, place, None)
        remove_folder(self._spool.best_folder(epoch))  # of a try that the disk has cut off
        place.rename(self._spool.best_folder(epoch))

    def _write_epoch(self, number: int, entry: EpochEntry, *, is_best: bool) -> None:
        if is_best and entry.state_entry is not None:
            home = self._spool.resumed_folder if entry.state_entry == RESUMED else self._spool.latest_folder
            files = [path for path in files_of(home) if holds_model(path)]
            link_files(files, self._spool.best_folder(entry.record.epochs_done))
        write_json(self._spool.entries_folder / f"{number:06d}.epoch", asdict(entry))

    def _write(self, pack: Pack, folder: Path, about: Mapping[str, Any] | None) -> None:
        """Write a pack; what training cannot change is written once and linked to."""
        name = pack.name + SUFFIX
        written = self._spool.latest_folder / name
        if pack.is_fixed and written.exists():
            with contextlib.suppress(OSError):  # a file system without hard links
                (folder / name).hardlink_to(written)
                return
        buffer = self._fixed if pack.is_fixed else self._moving
        assert buffer is not None, "a state was taken before it is written"
        write_pack(folder, pack, buffer.views, buffer.part(pack), about)

    def _numbered(self) -> int:
        self._next_number += 1
        return self._next_number - 1

    def _wait(self) -> None:
        if self._writing:
            self._writing.wait()


class Background:
    """A thread that does one thing after the other, in the order it was asked."""

    def __init__(self) -> None:
        self._actions: queue.Queue[Action] = queue.Queue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="spool writer", daemon=True)

    def do(self, action: Action) -> None:
        """Have it done soon. Raises: what an earlier action raised."""
        self._check()
        if not self._thread.is_alive():
            self._thread.start()
        self._actions.put(action)

    def wait(self) -> None:
        """Return once all is done. Raises: what an action raised."""
        self._actions.join()
        self._check()

    def _check(self) -> None:
        if self._error:
            raise self._error

    def _work(self) -> None:
        while True:
            action = self._actions.get()
            try:
                if self._error is None:  # nothing is handed over after something that is missing
                    action()
            except BaseException as exc:
                self._error = exc
            finally:
                self._actions.task_done()


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
