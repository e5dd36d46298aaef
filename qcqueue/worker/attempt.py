"""One attempt on one job, from the claim to its outcome: the only place where spool, store and database meet.

It knows nothing of limits, heartbeats or other jobs; that is the session's. Every call may be repeated after a
`StoreError`: what was stored is remembered, what was committed has left the spool.
"""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
from qcqueue.queue.values import Claim, StoredBlob
from qcqueue.storage.base import Store
from qcqueue.worker.restore import Restored, fetch_once, restore_newest

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")


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
    """The work of one session on one job. `claim` is the right to it; every write names it."""

    def __init__(
        self, claim: Claim, *, spool: Spool, store: Store, database: Database, clock: Clock, cache: Path
    ) -> None:
        self.claim = claim
        self.spool = spool
        self.saved: Saved | None = None
        self.finished = False
        self._store = store
        self._database = database
        self._clock = clock
        self._cache = cache
        self._stored: dict[int | None, StoredBlob] = {}
        self._deleted: list[str] = []
        self._news: list[SavedEpoch] = []

    def prepare(self, *, threads: int, max_epochs: int | None) -> Restored:
        """Bring dataset, weights and state to this machine and leave the order in the spool.

        Returns where the run is taken up. Raises: StoreError: try again. BadData, WeightsUnavailable: final.
        """
        spec = self.claim.spec
        dataset_path = self._required(self.claim.dataset_sha256, BadData, "the dataset")
        weights_path = (
            self._required(spec.weights_sha256, WeightsUnavailable, "the weights file") if spec.weights_sha256 else None
        )
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
            self._store, self.claim.checkpoints, state=self.spool.state_path, best=self.spool.best_path
        )
        self._write(
            lambda tx: attempts.resume(
                tx, self.claim, restored.chosen, damaged=restored.damaged, now_s=self._clock.now_s()
            )
        )
        if restored.chosen:
            self._remember_resumed(restored.chosen.state_sha256)
            record = restored.chosen.record
            self.spool.resume_with(record)
            self._note_saved(record.epochs_done, record.partial.steps_done)
        return restored

    def collect(self) -> None:
        """Store and commit everything the trainer has handed over."""
        waiting = self.spool.waiting()
        steps = [entry for entry in waiting if entry.kind != "result"]
        if steps:
            self._commit(steps)
        for entry in waiting:
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
        self._write(lambda tx: attempts.stop(tx, self.claim, why=why, now_s=self._clock.now_s()))

    def interrupt(self, why: str) -> None:
        self._write(lambda tx: attempts.interrupt(tx, self.claim, why=why, now_s=self._clock.now_s()))

    def fail(self, failure: Failure) -> None:
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
        self._delete(retired)

    def _progress(self, entry: Entry) -> attempts.Progress:
        if entry.kind == "state":
            return attempts.Progress(state=self._put(entry), record=self.spool.read_state_record(entry))
        epoch = self.spool.read_epoch(entry)
        return attempts.Progress(state=self._stored[epoch.state_entry], record=epoch.record, timing=epoch.timing)

    def _finish(self, entry: Entry) -> None:
        result, predictions = self.spool.read_result(entry), self._put(entry)
        self._write(lambda tx: attempts.finish(tx, self.claim, result, predictions, now_s=self._clock.now_s()))
        self.finished = True
        entry.path.unlink()

    def _put(self, entry: Entry) -> StoredBlob:
        if entry.number not in self._stored:
            size_bytes = entry.path.stat().st_size
            self._stored[entry.number] = StoredBlob(sha256=self._store.put(entry.path), size_bytes=size_bytes)
        return self._stored[entry.number]

    def _remember_resumed(self, sha256: str) -> None:
        size_bytes = self.spool.state_path.stat().st_size
        self._stored[None] = StoredBlob(sha256=sha256, size_bytes=size_bytes)

    def _note_saved(self, epochs_done: int, steps_done: int) -> None:
        self.saved = Saved(epochs_done=epochs_done, steps_done=steps_done, at_s=self._clock.now_s())

    def _delete(self, sha256s: Iterable[str]) -> None:
        for sha256 in sha256s:
            with contextlib.suppress(StoreError):  # an orphan costs space, never safety
                self._store.delete(sha256)
                self._deleted.append(sha256)

    def _write(self, action: "Callable[[Connection], T]") -> T:
        """Run a transaction, and let it record the blobs that were deleted since the last one."""
        deleted, now_s = tuple(self._deleted), self._clock.now_s()

        def both(tx: "Connection") -> T:
            if deleted:
                mark_deleted(tx, deleted, now_s=now_s)
            return action(tx)

        outcome = self._database.transact(both)
        del self._deleted[: len(deleted)]
        return outcome

    def _required(self, sha256: str, error: type[TrainingError], what: str) -> Path:
        try:
            return fetch_once(self._store, sha256, self._cache / "blobs")
        except (BlobMissing, DigestMismatch) as exc:
            raise error(f"{what} cannot be read: {exc}") from exc
