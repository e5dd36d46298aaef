"""What one commit carries: the state that is held and the epochs that are complete with it, in the order of the run.

Read from the spool, and from what is stored by now. Always true: an epoch is committed with its own state where that is
stored, and else with a later one, and nobody is sent to a state from which a run could not be finished.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qcqueue.core.records import TrainingRecord
from qcqueue.errors import CheckpointDamaged
from qcqueue.queue.attempts import CommitItem
from qcqueue.queue.values import Checkpoint
from qcqueue.spool.files import EpochEntry, SpoolEntry, record_in
from qcqueue.spool.reader import Spool, TakenState
from qcqueue.worker.uploader import Uploader


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitBatch:
    """What one commit carries, by the numbers of the entries: the state that is held, if any, and finished epochs."""

    number: int
    held: int | None
    epochs: tuple[int, ...]

    @property
    def entries(self) -> set[int]:
        return {*self.epochs, *(() if self.held is None else (self.held,))}


def items_of(
    spool: Spool, uploader: Uploader, held: TakenState | None, epochs: Sequence[SpoolEntry]
) -> list[tuple[CommitItem, SpoolEntry | None]]:
    """Return what to commit in its order: the state that is held, and what epochs are complete, with their entries.

    Of the epochs after the state only those whose own state is stored.
    """
    before = [entry for entry in epochs if held is not None and entry.number < held.number]
    items: list[tuple[CommitItem, SpoolEntry | None]] = []
    items += [(_epoch(uploader, spool.read_epoch(entry)), entry) for entry in before]
    if held is not None and (best := uploader.best_of(held.record)) is not None:
        state = uploader.states[held.number].state
        items.append((CommitItem(record=held.record, state=state, best=best), None))
    items += [(_epoch(uploader, epoch), entry) for epoch, entry in _complete(spool, uploader, epochs[len(before) :])]
    return items


def _complete(
    spool: Spool, uploader: Uploader, entries: Sequence[SpoolEntry]
) -> Iterator[tuple[EpochEntry, SpoolEntry]]:
    """Yield the epochs, up to the first whose state is still to come."""
    for entry in entries:
        epoch = spool.read_epoch(entry)
        if epoch.state_entry not in uploader.states:
            return
        yield epoch, entry


def _epoch(uploader: Uploader, epoch: EpochEntry) -> CommitItem:
    """Return a finished epoch, with the state it belongs to if that is stored: the newest state wins."""
    stored = None if epoch.state_entry is None else uploader.states.get(epoch.state_entry)
    record = epoch.record
    if stored and record.best_epoch == record.epochs_done:
        uploader.bests[record.epochs_done] = stored.model
    best = uploader.best_of(record)
    state = stored.state if stored and best is not None else None
    return CommitItem(record=record, timing=epoch.timing, state=state, best=best if state and best else ())


def drop_what_an_older_one_committed(spool: Spool, checkpoints: Sequence[Checkpoint]) -> None:
    """Let go of what a session of an older qcqueue was killed with right after its commit: it numbered none.

    Whatever it was handed over goes on from the newest checkpoint, the first, or was committed up to there.
    """
    entries = spool.waiting()
    if not entries or not checkpoints:
        return
    newest = checkpoints[0].record
    for entry in entries:
        with contextlib.suppress(CheckpointDamaged):
            if entry.kind == "epoch":
                is_committed = spool.read_epoch(entry).record.epochs_done <= newest.epochs_done
            else:
                is_committed = entry.kind == "state" and _place(record_in(entry.path)) <= _place(newest)
            if is_committed:
                spool.remove(entry)


def _place(record: TrainingRecord) -> tuple[int, int]:
    return record.epochs_done, record.partial.steps_done
