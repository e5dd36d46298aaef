"""The writes of one attempt on one job, from the claim to its outcome: where spool, store and database meet.

It knows nothing of limits, heartbeats or other jobs; that is the session's, and bytes are the uploader's. Every call
may be repeated after a `StoreError`: what was committed has left the spool. One state is in flight at a time, always
the newest: where the store is slower than the trainer, one commit carries several epochs. Writes are numbered, and what
a number carries is fixed before it is first tried, in the spool too: until an answer is known, this process or whoever
takes its place tries just that again.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from qcqueue.clock import Clock
from qcqueue.core.outcomes import Outcome, Trouble
from qcqueue.core.records import EpochMetrics, EpochTiming, TrainingRecord
from qcqueue.core.states import Event
from qcqueue.database.base import Database
from qcqueue.errors import CheckpointDamaged, MachineError, QcqueueError, StoreError, StoreFull
from qcqueue.queue import attempts
from qcqueue.queue.blobs import mark_deleted
from qcqueue.queue.checkpoints import keep_last_two
from qcqueue.queue.forecasts import ForecastLine, note_forecasts
from qcqueue.queue.troubles import earlier_faults
from qcqueue.queue.values import AttemptEnd, Claim
from qcqueue.spool.files import SpoolEntry
from qcqueue.spool.reader import Spool, TakenState
from qcqueue.stores.base import Blob, Moved, Store, silently
from qcqueue.worker.commit_batch import CommitBatch, drop_what_an_older_one_committed, items_of
from qcqueue.worker.download import Restored, restore_newest
from qcqueue.worker.time_ledger import Saving, TimeLedger, trained_s
from qcqueue.worker.uploader import Uploader

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


class Committer:
    """The work of one session on one job. `claim` is the right to it; every write names it.

    moved is told of every transfer, however it is called for; what it raises ends the transfer. ledger accounts for the
    session's time, and every write carries its account; None where the session is another one, which has died.
    """

    def __init__(
        self,
        claim: Claim,
        *,
        spool: Spool,
        store: Store,
        database: Database,
        clock: Clock,
        moved: Moved = silently,
        ledger: TimeLedger | None = None,
    ) -> None:
        self.claim = claim
        self.spool = spool
        self.saved: Saved | None = None
        self.finished = False
        self.ending = False
        """Whether an end was written, or perhaps was: to ask whether the attempt is live would say nothing then."""
        self.has_saved = False
        """Whether something that was trained here is committed."""
        self.writes = 0
        """How often the database has agreed that this attempt is live."""
        self.lag_s: float | None = None
        """How long the last state took from the spool to its commit."""
        self.foreseen: list[ForecastLine] = []
        """What its session expects of the days to come, until it is written down with a save."""
        self.pace: Mapping[str, float] = {}
        """What was measured to decide how often to save; it is written down with every write."""
        self._taken_s: float | None = None
        self._ledger = ledger
        self._moved = moved
        self._store = store
        self._database = database
        self._clock = clock
        self._uploader = Uploader(claim, spool=spool, store=store, moved=moved, beside=self._noted)
        self._began_with_s = 0.0  # what an epoch that was taken up in its middle had been trained before
        self._commits = claim.commits  # how many writes are known to be carried out
        self._restored: Restored | None = None  # as it was tried to be recorded, until that is answered
        self._tried: CommitBatch | None = None  # as it was tried to be committed, until that is answered
        self._let_go: set[int] = set()  # numbers of entries that the spool may still hold
        self._news: list[SavedEpoch] = []
        self._recall(spool.stored())

    def restore(self) -> Restored:
        """Bring the state to resume from into the spool, and record where the run is taken up; return that.

        Raises: StoreError: try again.
        """
        restored = self._restored or restore_newest(self._store, self.claim.checkpoints, self.spool, moved=self._moved)
        self._restored, number = restored, self._commits + 1
        unwanted = self._write(
            lambda tx: attempts.resume(
                tx, self.claim, restored.chosen, number=number, damaged=restored.damaged, now_s=self._clock.now_s()
            )
        )
        self._restored, self._commits = None, number
        self._uploader.delete(unwanted)
        self._uploader.take_up(restored.chosen, bad=restored.bad)
        if restored.chosen:
            self._began_with_s = trained_s(restored.chosen.record)
            self._note_saved(restored.chosen.record)
        self._uploader.note()
        if self._ledger:
            self._ledger.resumed(restored.chosen.record if restored.chosen else None)
        return restored

    def collect(self, *, is_over: bool = False) -> bool:
        """Store and commit what the trainer has handed over: the newest state, every epoch, at the end the result.

        is_over: nothing more will come, so a state that could only be committed with something later is let go. Returns
        whether there is more to do right now.
        """
        try:
            return self._collect(is_over=is_over)
        except (StoreError, MachineError):
            self._taken_s = None  # how long the store was away says nothing of how long it takes
            raise
        finally:
            self.spool.note_doing(None)

    def _collect(self, *, is_over: bool) -> bool:
        self._remove_committed()
        if self._tried and self._try_again(self._tried):
            return True
        held = self.spool.take()
        if held is not None and held.number not in self._uploader.states:
            self._taken_s = self._taken_s or self._clock.monotonic_s()
            self._uploader.bring(held)
        # Storing can take its time: what has come meanwhile and belongs to this state goes into the same commit.
        epochs = [entry for entry in self.spool.waiting() if entry.kind == "epoch"]
        if self._commit(held, epochs, is_over=is_over):
            return True
        for entry in self.spool.waiting():
            if entry.kind != "result":
                break
            self._finish(entry)
        return False

    def collect_all(self) -> None:
        """Collect until nothing is left that can be saved; for a trainer that is over."""
        before: list[SpoolEntry] = []
        while (waiting := self.spool.waiting()) != before:
            before = [] if self.collect(is_over=True) else waiting

    def take_news(self) -> list[SavedEpoch]:
        """Return the epochs that were committed since the last time this was asked."""
        news, self._news = self._news, []
        return news

    def check_live(self) -> None:
        """Raises: LeaseLost: another session, or a person, has taken the job away."""
        with self._database.read() as tx:
            attempts.check_live(tx, self.claim)

    def end(self, how: AttemptEnd) -> Outcome:
        """Write the end that was decided, and return what it came to: a fault that came often enough fails the job.

        Raises: StoreError: nobody knows whether it was written; to be called again with the same value.
            LeaseLost: it had ended otherwise before.
        """
        self.ending = True
        return self._write(
            lambda tx: attempts.end(tx, self.claim, how, now_s=self._clock.now_s()), all_saved=self._is_all_saved(how)
        )

    def lacked_memory_before(self) -> bool:
        """Return whether an earlier session ended the job for want of memory too. Raises: StoreError."""
        with self._database.read() as tx:
            return bool(earlier_faults(tx, self.claim, Trouble.MEMORY))

    def _is_all_saved(self, how: AttemptEnd) -> bool:
        if how.event not in (Event.STOPPED, Event.HELD):
            return False
        progress = self.spool.progress.read()
        return not (progress and progress.unsaved) and not self.spool.holds_unsaved()

    # What is noted in the spool.

    def _noted(self) -> dict[str, Any]:
        tried = asdict(self._tried) if self._tried else None
        return {"began_with_s": self._began_with_s, "commits": self._commits, "tried": tried}

    def _recall(self, noted: Mapping[str, Any]) -> None:
        self._uploader.recall(noted)
        self._began_with_s = noted.get("began_with_s", 0.0)
        self._commits = max(self._commits, noted.get("commits", 0))
        if tried := noted.get("tried"):
            self._tried = CommitBatch(number=tried["number"], held=tried["held"], epochs=tuple(tried["epochs"]))
        if "tried" not in noted:
            drop_what_an_older_one_committed(self.spool, self.claim.checkpoints)

    # A commit.

    def _commit(self, held: TakenState | None, entries: list[SpoolEntry], *, is_over: bool) -> bool:
        """Commit the state that is held and the epochs that are complete with it.

        Return whether to try again, because something has to be stored once more.
        """
        items = items_of(self.spool, self._uploader, held, entries)
        while items and not items[-1][0].state:  # an epoch is committed with a state, its own or a later one
            items.pop()
        if not items:
            if held is not None and (is_over or self._is_overtaken(held)):
                self._release(held)
            return False
        epochs = [entry for _, entry in items if entry is not None]
        self._tried = CommitBatch(
            number=self._commits + 1,
            held=held.number if held is not None else None,
            epochs=tuple(entry.number for entry in epochs),
        )
        self._uploader.note()
        return self._carry(self._tried, [item for item, _ in items], held, epochs)

    def _try_again(self, tried: CommitBatch) -> bool:
        """Commit what was tried and not answered, as it was; return whether something has to be stored once more."""
        there = {entry.number: entry for entry in self.spool.waiting()}
        if not tried.entries <= there.keys():  # it was answered: only then anything of it is removed
            held = self.spool.take() if tried.held in there else None
            self._began_with_s = 0.0 if tried.epochs else self._began_with_s
            self._uploader.let_named_go()
            self._answered(tried, held, [there[number] for number in tried.epochs if number in there])
            return False
        held = self.spool.take() if tried.held is not None else None
        epochs = [there[number] for number in tried.epochs]
        items = items_of(self.spool, self._uploader, held, epochs)
        return self._carry(tried, [item for item, _ in items], held, epochs)

    def _carry(
        self,
        batch: CommitBatch,
        items: list[attempts.CommitItem],
        held: TakenState | None,
        epochs: Iterable[SpoolEntry],
    ) -> bool:
        committed = self._committed(batch.number, items)
        if committed.missing:
            self._tried = None
            self._uploader.store_anew(committed.missing, (blob for item in items for blob in item.blobs))
            return True
        self._note_committed(items, held, committed.redone)
        self._answered(batch, held, epochs)
        self._uploader.delete(committed.retired)
        return False

    def _answered(self, batch: CommitBatch, held: TakenState | None, epochs: Iterable[SpoolEntry]) -> None:
        """Let go of what is committed. Until all of it is gone, the batch is remembered as one that was tried."""
        self._commits = max(self._commits, batch.number)
        self._let_go |= {entry.number for entry in epochs} | ({held.number} if held is not None else set())
        with contextlib.suppress(MachineError):  # it is committed, whatever the disk says now; removed with the next
            self._remove_committed()
            self._tried = None
            self._uploader.note()

    def _remove_committed(self) -> None:
        """Remove what is committed from the spool, so that nothing is committed, and told, twice.

        Raises: MachineError: some of it is still there.
        """
        if self._let_go:
            for entry in self.spool.waiting():
                if entry.number in self._let_go:
                    self.spool.remove(entry)
            self._let_go.clear()

    def _committed(self, number: int, items: list[attempts.CommitItem]) -> attempts.Committed:
        self.spool.note_doing("committing")
        return self._write(
            lambda tx: self._commit_in(tx, number, items),
            saving=(items[-1].record, [item.timing for item in items if item.timing is not None]),
        )

    def _commit_in(self, tx: "Connection", number: int, items: list[attempts.CommitItem]) -> attempts.Committed:
        committed = attempts.commit_progress(
            tx,
            self.claim,
            items,
            number=number,
            stored=self._uploader.stored,
            mended=self._uploader.mended,
            trained_before_s=None if self._ledger else self._began_with_s,
            keep=keep_last_two,
            now_s=self._clock.now_s(),
        )
        if not committed.missing:
            note_forecasts(tx, self.foreseen)
        return committed

    def _is_overtaken(self, held: TakenState) -> bool:
        return any(entry.kind == "state" and entry.number > held.number for entry in self.spool.waiting())

    def _release(self, held: TakenState) -> None:
        self._taken_s = None
        del self._uploader.states[held.number]
        self.spool.release(held)

    def _note_committed(
        self, items: list[attempts.CommitItem], held: TakenState | None, redone: AbstractSet[int]
    ) -> None:
        self.has_saved, self.foreseen = True, []
        self._note_saved(items[-1].record)
        epochs = [SavedEpoch(it.record.history[-1], it.timing) for it in items if it.timing is not None]
        self._news += epochs
        if epochs:
            self._began_with_s = 0.0
        if self._ledger:
            again = [epoch.timing for epoch in epochs if epoch.metrics.epoch in redone]
            self._ledger.saved(items[-1].record, [epoch.timing for epoch in epochs], redone=again)
        if held is not None and self._taken_s is not None:
            self.lag_s, self._taken_s = self._clock.monotonic_s() - self._taken_s, None
        self._uploader.committed(
            items, held=None if held is None else held.number, best_epoch=items[-1].record.best_epoch
        )

    def _finish(self, entry: SpoolEntry) -> None:
        result, predictions = self.spool.read_result(entry), self._uploader.put(entry.path, "predictions")
        head = self._head_of_weights()
        self.ending = True
        self.spool.note_doing("committing")
        let_go = self._write(
            lambda tx: attempts.finish(tx, self.claim, result, predictions, head=head, now_s=self._clock.now_s()),
            all_saved=True,
        )
        self.finished = True
        with contextlib.suppress(MachineError):  # the job is done; the whole spool goes next
            self.spool.remove(entry)
        self._uploader.delete(let_go)
        with contextlib.suppress(QcqueueError):  # it only spares the next session from deleting them again
            self._note_deleted()

    def _head_of_weights(self) -> Blob | None:
        """Store the head under which a done job keeps its weights alone, None where it keeps its states."""
        if self.claim.keep_state:
            return None
        # Without one a clean-up can still let go of its states.
        with contextlib.suppress(MachineError, CheckpointDamaged, StoreFull):
            if path := self.spool.head_of_weights():
                return self._uploader.put(path, "weights")
        return None

    def _note_deleted(self) -> None:
        if deleted := tuple(self._uploader.deleted):
            self._database.transact(lambda tx: mark_deleted(tx, deleted, now_s=self._clock.now_s()))
            self._uploader.deleted.clear()

    def _note_saved(self, record: TrainingRecord) -> None:
        self.saved = Saved(
            epochs_done=record.epochs_done, steps_done=record.partial.steps_done, at_s=self._clock.now_s()
        )

    def _write(
        self, action: "Callable[[Connection], T]", *, all_saved: bool = False, saving: Saving | None = None
    ) -> T:
        """Run a transaction, and let it record what the time went into and what was deleted since the last one."""
        deleted, now_s = tuple(self._uploader.deleted), self._clock.now_s()
        account = None
        if self._ledger:
            account = self._ledger.ledgers(_told(self.spool.progress.read), all_saved=all_saved, saving=saving)
        rehearsal = _told(self.spool.rehearsal.read) if account else None
        step_choice = _told(self.spool.step_choice.read) if account else None

        def both(tx: "Connection") -> T:
            if deleted:
                mark_deleted(tx, deleted, now_s=now_s)
            if account:
                own, worked = account
                attempts.record_seconds(
                    tx,
                    self.claim,
                    attempt=worked,
                    session=own,
                    pace=self.pace if self.lag_s is None else {**self.pace, "lag_s": self.lag_s},
                    rehearsal=rehearsal,
                    step_choice=step_choice,
                    seen_at_s=now_s,
                )
            return action(tx)

        outcome = self._database.transact(both)
        self.writes += 1
        if self._ledger and account:
            self._ledger.written(account[1])
        del self._uploader.deleted[: len(deleted)]
        return outcome


def _told(ask: Callable[[], T | None]) -> T | None:
    """Return what the spool says for the accounts; a disk that does not tell must not keep a write from being made."""
    with contextlib.suppress(MachineError):
        return ask()
    return None
