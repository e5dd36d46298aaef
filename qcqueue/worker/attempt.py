"""One attempt on one job, from the claim to its outcome: the only place where spool, store and database meet.

It knows nothing of limits, heartbeats or other jobs; that is the session's. Every call may be repeated after a
`StoreError`: what was stored is remembered, what was committed has left the spool.
"""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from qcqueue.checkpoints.retention import keep_last_two_and_best
from qcqueue.checkpoints.spool import Entry, Failure, Spool, WorkOrder
from qcqueue.clock import Clock
from qcqueue.core.records import EpochMetrics, EpochTiming
from qcqueue.database.base import Database
from qcqueue.errors import BadData, BlobMissing, DigestMismatch, StoreError, TrainingError, WeightsUnavailable
from qcqueue.queue import attempts
from qcqueue.queue.blobs import mark_deleted
from qcqueue.queue.values import Claim
from qcqueue.storage.base import Blob, Moved, Store, silently
from qcqueue.worker.restore import Restored, fetch_once, restore_newest

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")

# The name, among the stored entries of a spool, of the state the run was taken up from.
RESUMED = "resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """The newest progress that is committed: nothing up to here can be lost any more."""

    epochs_done: int
    steps_done: int
    at_s: float


@dataclass(frozen=True, slots=True)
class SavedEpoch:
    """An epoch that is committed: what came out, and what it cost."""

    metrics: EpochMetrics
    timing: EpochTiming


class Attempt:
    """The work of one session on one job. `claim` is the right to it; every write names it.

    moved is told of every transfer, however it is called for; what it raises ends the transfer.
    """

    def __init__(
        self,
        claim: Claim,
        *,
        spool: Spool,
        store: Store,
        database: Database,
        clock: Clock,
        cache: Path,
        moved: Moved = silently,
    ) -> None:
        self.claim = claim
        self.spool = spool
        self.saved: Saved | None = None
        self.finished = False
        self.ending = False
        """Whether an end was written, or perhaps was: to ask whether the attempt is live would say nothing then."""
        self.writes = 0
        """How often the database has agreed that this attempt is live."""
        self._moved = moved
        self._store = store
        self._database = database
        self._clock = clock
        self._cache = cache
        self._stored = {name: Blob(**blob) for name, blob in spool.stored().items()}
        self._unwanted: list[Blob] = []
        self._deleted: list[Blob] = []
        self._news: list[SavedEpoch] = []

    def prepare(self, *, threads: int, max_epochs: int | None) -> Restored:
        """Bring dataset, weights and state to this machine and leave the order in the spool.

        Returns where the run is taken up. Raises: StoreError: try again. BadData, WeightsUnavailable: final.
        """
        spec = self.claim.spec
        dataset_path = self._required(self.claim.dataset, BadData, "the dataset")
        weights = self.claim.weights
        weights_path = self._required(weights, WeightsUnavailable, "the weights file") if weights else None
        order = WorkOrder(
            spec=spec,
            attempt=self.claim.attempt,
            dataset_path=dataset_path,
            weights_path=weights_path,
            threads=threads,
            max_epochs=max_epochs,
        )
        self.spool.open(order)
        restored = restore_newest(
            self._store,
            self.claim.checkpoints,
            state=self.spool.state_path,
            best=self.spool.best_path,
            moved=self._moved,
        )
        unwanted = self._write(
            lambda tx: attempts.resume(
                tx, self.claim, restored.chosen, damaged=restored.damaged, now_s=self._clock.now_s()
            )
        )
        self._delete(unwanted)
        if restored.chosen:
            self._remember_stored(RESUMED, restored.chosen.state)
            record = restored.chosen.record
            self.spool.resume_with(record)
            self._note_saved(record.epochs_done, record.partial.steps_done)
        return restored

    def collect(self) -> None:
        """Store and commit everything the trainer has handed over."""
        for entry in self.spool.waiting():
            if entry.kind == "state":
                self.spool.read_state_record(entry)  # what is not whole is not worth a transfer
                self._put(entry, "state")
        # Storing can take its time: what belongs to the stored states and has come meanwhile goes into one commit.
        ready = list(takewhile(self._is_ready, self.spool.waiting()))
        steps = [entry for entry in ready if entry.kind != "result"]
        if steps:
            self._commit(steps)
        for entry in ready:
            if entry.kind == "result":
                self._finish(entry)

    def take_news(self) -> list[SavedEpoch]:
        """Return the epochs that were committed since the last time this was asked."""
        news, self._news = self._news, []
        return news

    def check_live(self) -> None:
        """Raises: LeaseLost: another session, or a person, has taken the job away."""
        with self._database.read() as tx:
            attempts.check_live(tx, self.claim)

    def stop(self, why: str) -> None:
        self.ending = True
        self._write(lambda tx: attempts.stop(tx, self.claim, why=why, now_s=self._clock.now_s()))

    def interrupt(self, why: str) -> None:
        self.ending = True
        self._write(lambda tx: attempts.interrupt(tx, self.claim, why=why, now_s=self._clock.now_s()))

    def fail(self, failure: Failure) -> None:
        self.ending = True
        self._write(lambda tx: attempts.fail(tx, self.claim, failure.cause, failure.message, now_s=self._clock.now_s()))

    def _commit(self, entries: list[Entry]) -> None:
        items = [self._progress(entry) for entry in entries]
        retired = self._write(
            lambda tx: attempts.commit_progress(
                tx, self.claim, items, keep=keep_last_two_and_best, now_s=self._clock.now_s()
            )
        )
        self._note_saved(items[-1].record.epochs_done, items[-1].record.partial.steps_done)
        self._news += [SavedEpoch(it.record.history[-1], it.timing) for it in items if it.timing is not None]
        for entry in entries:
            entry.path.unlink()
        self._stored = dict(list(self._stored.items())[-1:])  # an epoch that is still to come belongs to the last state
        self._delete(retired)

    def _progress(self, entry: Entry) -> attempts.Progress:
        if entry.kind == "state":
            return attempts.Progress(state=self._stored[str(entry.number)], record=self.spool.read_state_record(entry))
        epoch = self.spool.read_epoch(entry)
        number = RESUMED if epoch.state_entry is None else str(epoch.state_entry)
        return attempts.Progress(state=self._stored[number], record=epoch.record, timing=epoch.timing)

    def _finish(self, entry: Entry) -> None:
        result, predictions = self.spool.read_result(entry), self._put(entry, "predictions")
        self.ending = True
        self._write(lambda tx: attempts.finish(tx, self.claim, result, predictions, now_s=self._clock.now_s()))
        self.finished = True
        entry.path.unlink()

    def _is_ready(self, entry: Entry) -> bool:
        return entry.kind != "state" or str(entry.number) in self._stored

    def _put(self, entry: Entry, what: str) -> Blob:
        name = str(entry.number)
        if name not in self._stored:
            title = f"{self.claim.job_name}, attempt {self.claim.attempt}, {what} {entry.number}"
            self._remember_stored(name, self._store.put(entry.path, title=title, moved=self._moved))
        return self._stored[name]

    def _remember_stored(self, name: str, blob: Blob) -> None:
        self._stored[name] = blob
        self.spool.note_stored({name: asdict(blob) for name, blob in self._stored.items()})

    def _note_saved(self, epochs_done: int, steps_done: int) -> None:
        self.saved = Saved(epochs_done=epochs_done, steps_done=steps_done, at_s=self._clock.now_s())

    def _delete(self, blobs: Iterable[Blob]) -> None:
        """Delete what nothing needs; what the store does not delete now is tried again with the next."""
        self._unwanted += blobs
        for blob in list(self._unwanted):
            with contextlib.suppress(StoreError):  # an orphan costs space, never safety
                self._store.delete(blob)
                self._unwanted.remove(blob)
                self._deleted.append(blob)

    def _write(self, action: "Callable[[Connection], T]") -> T:
        """Run a transaction, and let it record the blobs that were deleted since the last one."""
        deleted, now_s = tuple(self._deleted), self._clock.now_s()

        def both(tx: "Connection") -> T:
            if deleted:
                mark_deleted(tx, [blob.sha256 for blob in deleted], now_s=now_s)
            return action(tx)

        outcome = self._database.transact(both)
        self.writes += 1
        del self._deleted[: len(deleted)]
        return outcome

    def _required(self, blob: Blob, error: type[TrainingError], what: str) -> Path:
        try:
            return fetch_once(self._store, blob, self._cache / "blobs", moved=self._moved)
        except (BlobMissing, DigestMismatch) as exc:
            raise error(f"{what} cannot be read: {exc}") from exc
