"""One attempt on one job, from the claim to its outcome: the only place where spool, store and database meet.

It knows nothing of limits, heartbeats or other jobs; that is the session's. Every call may be repeated after a
`StoreError`: what was stored is remembered, what was committed has left the spool. One state is in flight at a time,
always the newest: where the store is slower than the trainer, one commit carries several epochs. Writes are numbered,
and what a number carries is fixed before it is first tried, in the spool too: until an answer is known, this process or
whoever takes its place tries just that again.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qcqueue.checkpoints.format import SUFFIX, holds_model
from qcqueue.clock import Clock
from qcqueue.core.outcomes import Outcome, Trouble, advice_on
from qcqueue.core.records import EpochMetrics, EpochTiming, TrainingRecord
from qcqueue.core.spec import WEIGHTS
from qcqueue.core.states import Event
from qcqueue.database.base import Database
from qcqueue.errors import BlobMissing, CheckpointDamaged, DigestMismatch, MachineError, StoreError
from qcqueue.queue import attempts
from qcqueue.queue.blobs import mark_deleted
from qcqueue.queue.checkpoints import keep_last_two
from qcqueue.queue.forecasts import ForecastLine, note_forecasts
from qcqueue.queue.troubles import earlier_faults
from qcqueue.queue.values import AttemptEnd, Checkpoint, Claim, StateBlobs
from qcqueue.spool.reader import RESUMED, EpochEntry, Spool, SpoolEntry, TakenState, WorkOrder, record_in
from qcqueue.stores.base import Blob, Moved, Store, silently
from qcqueue.stores.files import files_in, on_this_machine
from qcqueue.text.suggest import clipped
from qcqueue.worker.download import Restored, fetch_once, restore_newest
from qcqueue.worker.time_ledger import Saving, TimeLedger, trained_s

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A state that is in the store. model: those of its files that hold the model."""

    state: StateBlobs
    model: tuple[Blob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitBatch:
    """What one commit carries, by the numbers of the entries: the state that is held, if any, and finished epochs."""

    number: int
    held: int | None
    epochs: tuple[int, ...]

    @property
    def entries(self) -> set[int]:
        return {*self.epochs, *(() if self.held is None else (self.held,))}


class Attempt:
    """The work of one session on one job. `claim` is the right to it; every write names it.

    moved is told of every transfer, however it is called for; what it raises ends the transfer. timeline accounts for
    the session's time, and every write carries its account; None where the session is another one, which has died.
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
        timeline: TimeLedger | None = None,
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
        self._timeline = timeline
        self._moved = moved
        self._store = store
        self._database = database
        self._clock = clock
        self._cache = cache
        self._owner = f"{claim.session_id}-{claim.attempt}"
        self._named = dict(claim.packs)  # what the database names, so that it need not be stored again
        self._put_here: dict[str, Blob] = {}
        self._states: dict[int, Stored] = {}
        self._bests: dict[int, tuple[Blob, ...]] = {}
        self._bad: set[str] = set()  # what the store was found not to have whole, and was not stored again yet
        self._began_with_s = 0.0  # what an epoch that was taken up in its middle had been trained before
        self._commits = claim.commits  # how many writes are known to be carried out
        self._restored: Restored | None = None  # as it was tried to be recorded, until that is answered
        self._tried: CommitBatch | None = None  # as it was tried to be committed, until that is answered
        self._recall(spool.stored())
        self._let_go: set[int] = set()  # numbers of entries that the spool may still hold
        self._is_noted = True
        self._unwanted: list[Blob] = []
        self._deleted: list[Blob] = []
        self._news: list[SavedEpoch] = []

    def order(self, *, threads: int, max_epochs: int | None, on_cpu: bool = False) -> WorkOrder:
        """Bring dataset and weights to this machine; return what the trainer is to be told.

        Raises: BlobMissing, DigestMismatch: the store does not have them whole. StoreError: try again.
        """
        spec = self.claim.spec
        dataset_path = self._required(self.claim.dataset, f"the dataset {spec.dataset}")
        weights = self.claim.attachment(WEIGHTS)
        called = f"the weights file {clipped(weights.title)}" if weights and weights.title else "the weights file"
        return WorkOrder(
            spec=spec,
            attempt=self.claim.attempt,
            dataset_path=dataset_path,
            weights_path=self._required(weights.blob, called) if weights else None,
            weights_title=weights.title if weights else "",
            threads=threads,
            max_epochs=max_epochs,
            resumes=bool(self.claim.checkpoints),
            on_cpu=on_cpu,
        )

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
        self._delete(unwanted)
        self._bad |= restored.bad
        self._forget(restored.bad)
        if restored.chosen:
            self._resume_from(restored.chosen)
        self._note_stored()
        if self._timeline:
            self._timeline.resumed(restored.chosen.record if restored.chosen else None)
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
        if held is not None and held.number not in self._states:
            self._taken_s = self._taken_s or self._clock.monotonic_s()
            self._states[held.number] = self._brought(held)
            self._note_stored()
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
        progress = self.spool.progress()
        return not (progress and progress.unsaved) and not self.spool.holds_unsaved()

    def _resume_from(self, chosen: Checkpoint) -> None:
        record, state = chosen.record, chosen.state
        blobs = (*state.packs, state.head)
        files = files_in(self.spool.resumed_folder, ending=SUFFIX)  # the packs by number, then the head
        model = tuple(blob for blob, path in zip(blobs, files, strict=True) if holds_model(path))
        self._states[RESUMED] = Stored(state=state, model=model)
        if record.best_epoch is not None:
            self._bests[record.best_epoch] = chosen.best
        self._began_with_s = trained_s(record)
        self._note_saved(record)

    # A state on its way to the store.

    def _brought(self, held: TakenState) -> Stored:
        """Store what is new of a state, and the model of its best epoch where that is not stored yet."""
        best = held.record.best_epoch
        if best is not None and best not in self._bests and held.best:
            self._bests[best] = tuple(self._kept(path, held) for path in held.best)
        blobs = [self._kept(path, held) for path in held.files]
        model = tuple(blob for blob, path in zip(blobs, held.files, strict=True) if holds_model(path))
        return Stored(state=StateBlobs(head=blobs[-1], packs=tuple(blobs[:-1])), model=model)

    def _kept(self, path: Path, held: TakenState) -> Blob:
        """Return where the store has the bytes of a file, which are stored now unless they are known to be."""
        self.spool.note_doing("hashing")
        with on_this_machine(path), path.open("rb") as reading:
            sha256 = hashlib.file_digest(reading, "sha256").hexdigest()
        known = self._put_here.get(sha256) or self._named.get(sha256)
        return known or self._put(path, f"{held.number} {path.stem}")

    def _put(self, path: Path, what: str) -> Blob:
        self.spool.note_doing("uploading")
        title = f"{self.claim.job_name}, attempt {self.claim.attempt}, {what}"
        blob = self._store.put(path, title=title, owner=self._owner, moved=self._moved)
        self._put_here[blob.sha256] = blob
        self._note_stored()
        return blob

    def _note_stored(self) -> None:
        """Leave word for whoever takes this place after a sudden end: nothing need be stored twice.

        A disk that does not take it hinders nothing but deletions, which wait until it does.
        """
        noted = {
            "put": [asdict(blob) for blob in self._put_here.values()],
            "bad": sorted(self._bad),
            "began_with_s": self._began_with_s,
            "commits": self._commits,
            "tried": asdict(self._tried) if self._tried else None,
            "states": {number: asdict(stored) for number, stored in self._states.items()},
            "bests": {epoch: [asdict(blob) for blob in blobs] for epoch, blobs in self._bests.items()},
        }
        self._is_noted = False
        with contextlib.suppress(MachineError):
            self.spool.note_stored(noted)
            self._is_noted = True

    def _recall(self, noted: Mapping[str, Any]) -> None:
        def blobs(values: Iterable[Mapping[str, Any]]) -> tuple[Blob, ...]:
            return tuple(Blob(**value) for value in values)

        self._put_here = {blob.sha256: blob for blob in blobs(noted.get("put", ()))}
        self._bad = set(noted.get("bad", ()))
        self._began_with_s = noted.get("began_with_s", 0.0)
        self._commits = max(self._commits, noted.get("commits", 0))
        if tried := noted.get("tried"):
            self._tried = CommitBatch(number=tried["number"], held=tried["held"], epochs=tuple(tried["epochs"]))
        for number, stored in noted.get("states", {}).items():
            state = StateBlobs(head=Blob(**stored["state"]["head"]), packs=blobs(stored["state"]["packs"]))
            self._states[int(number)] = Stored(state=state, model=blobs(stored["model"]))
        self._bests = {int(epoch): blobs(values) for epoch, values in noted.get("bests", {}).items()}
        if "tried" not in noted:
            self._drop_what_an_older_one_committed()

    def _drop_what_an_older_one_committed(self) -> None:
        """Let go of what a session of an older qcqueue was killed with right after its commit: it numbered none.

        Whatever it was handed over goes on from the newest checkpoint, or was committed up to there.
        """
        entries = self.spool.waiting()
        if not entries or not self.claim.checkpoints:
            return
        newest = self.claim.checkpoints[0].record
        for entry in entries:
            with contextlib.suppress(CheckpointDamaged):
                if entry.kind == "epoch":
                    is_committed = self.spool.read_epoch(entry).record.epochs_done <= newest.epochs_done
                else:
                    is_committed = entry.kind == "state" and _place(record_in(entry.path)) <= _place(newest)
                if is_committed:
                    self.spool.remove(entry)

    # A commit.

    def _commit(self, held: TakenState | None, entries: list[SpoolEntry], *, is_over: bool) -> bool:
        """Commit the state that is held and the epochs that are complete with it.

        Return whether to try again, because something has to be stored once more.
        """
        items = self._items(held, entries)
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
        self._note_stored()
        return self._carry(self._tried, [item for item, _ in items], held, epochs)

    def _try_again(self, tried: CommitBatch) -> bool:
        """Commit what was tried and not answered, as it was; return whether something has to be stored once more."""
        there = {entry.number: entry for entry in self.spool.waiting()}
        if not tried.entries <= there.keys():  # it was answered: only then anything of it is removed
            held = self.spool.take() if tried.held in there else None
            self._began_with_s = 0.0 if tried.epochs else self._began_with_s
            self._put_here = {sha256: blob for sha256, blob in self._put_here.items() if sha256 not in self._named}
            self._answered(tried, held, [there[number] for number in tried.epochs if number in there])
            return False
        held = self.spool.take() if tried.held is not None else None
        epochs = [there[number] for number in tried.epochs]
        return self._carry(tried, [item for item, _ in self._items(held, epochs)], held, epochs)

    def _items(
        self, held: TakenState | None, epochs: list[SpoolEntry]
    ) -> list[tuple[attempts.CommitItem, SpoolEntry | None]]:
        """Return what to commit in its order: the state that is held, and what epochs are complete, with their entries.

        Of the epochs after the state only those whose own state is stored.
        """
        before = [entry for entry in epochs if held is not None and entry.number < held.number]
        items: list[tuple[attempts.CommitItem, SpoolEntry | None]] = []
        items += [(self._epoch(self.spool.read_epoch(entry)), entry) for entry in before]
        if held is not None:
            items += [(item, None) for item in self._checkpoint(held.record, held.number)]
        items += [(self._epoch(epoch), entry) for epoch, entry in self._complete(epochs[len(before) :])]
        return items

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
            self._store_anew(committed.missing, items)
            return True
        self._note_committed(items, held, committed.redone)
        self._answered(batch, held, epochs)
        self._delete(committed.retired)
        return False

    def _answered(self, batch: CommitBatch, held: TakenState | None, epochs: Iterable[SpoolEntry]) -> None:
        """Let go of what is committed. Until all of it is gone, the batch is remembered as one that was tried."""
        self._commits = max(self._commits, batch.number)
        self._let_go |= {entry.number for entry in epochs} | ({held.number} if held is not None else set())
        with contextlib.suppress(MachineError):  # it is committed, whatever the disk says now; removed with the next
            self._remove_committed()
            self._tried = None
            self._note_stored()

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
            stored=self._put_here.keys(),
            mended=self._bad & self._put_here.keys(),
            trained_before_s=None if self._timeline else self._began_with_s,
            keep=keep_last_two,
            now_s=self._clock.now_s(),
        )
        if not committed.missing:
            note_forecasts(tx, self.foreseen)
        return committed

    def _store_anew(self, missing: AbstractSet[str], items: Iterable[attempts.CommitItem]) -> None:
        """Let go of what somebody has retired meanwhile, so that the next try stores it again, in another place."""
        for blob in {blob for item in items for blob in item.blobs if blob.sha256 in missing}:
            self._store.delete(blob)  # or the store may hand out this very place, which they are about to delete
        self._forget(missing)
        self._states.clear()
        self._bests.clear()
        self._note_stored()

    def _complete(self, entries: list[SpoolEntry]) -> list[tuple[EpochEntry, SpoolEntry]]:
        """Return the epochs, up to the first whose state is still to come."""
        complete: list[tuple[EpochEntry, SpoolEntry]] = []
        for entry in entries:
            epoch = self.spool.read_epoch(entry)
            if epoch.state_entry not in self._states:
                break
            complete.append((epoch, entry))
        return complete

    def _epoch(self, epoch: EpochEntry) -> attempts.CommitItem:
        """Return a finished epoch, with the state it belongs to if that is stored: the newest state wins."""
        stored = None if epoch.state_entry is None else self._states.get(epoch.state_entry)
        record = epoch.record
        if stored and record.best_epoch == record.epochs_done:
            self._bests[record.epochs_done] = stored.model
        best = self._best_of(record)
        state = stored.state if stored and best is not None else None
        return attempts.CommitItem(record=record, timing=epoch.timing, state=state, best=best if state and best else ())

    def _checkpoint(self, record: TrainingRecord, number: int) -> list[attempts.CommitItem]:
        best = self._best_of(record)
        return [] if best is None else [attempts.CommitItem(record=record, state=self._states[number].state, best=best)]

    def _best_of(self, record: TrainingRecord) -> tuple[Blob, ...] | None:
        """Return the stored model of the best epoch, None where it is not stored: nobody could finish from there."""
        return () if record.best_epoch is None else self._bests.get(record.best_epoch)

    def _is_overtaken(self, held: TakenState) -> bool:
        return any(entry.kind == "state" and entry.number > held.number for entry in self.spool.waiting())

    def _release(self, held: TakenState) -> None:
        self._taken_s = None
        del self._states[held.number]
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
        if self._timeline:
            again = [epoch.timing for epoch in epochs if epoch.metrics.epoch in redone]
            self._timeline.saved(items[-1].record, [epoch.timing for epoch in epochs], redone=again)
        if held is not None and self._taken_s is not None:
            self.lag_s, self._taken_s = self._clock.monotonic_s() - self._taken_s, None
        for item in items:
            if item.state:
                self._named |= {blob.sha256: blob for blob in (*item.state.blobs, *item.best)}
        self._bad -= self._put_here.keys()
        # From now on a kept checkpoint vouches for them, or nobody does.
        self._put_here = {sha256: blob for sha256, blob in self._put_here.items() if sha256 not in self._named}
        if held is not None:  # and if its own checkpoint was not among the items, it is overtaken by one that was
            self._states = {held.number: self._states[held.number]}  # an epoch still to come may belong to it
        best = items[-1].record.best_epoch
        self._bests = {epoch: blobs for epoch, blobs in self._bests.items() if epoch == best}

    def _forget(self, sha256s: Iterable[str]) -> bool:
        """Count on these bytes no more; return whether any of them were this attempt's own."""
        own = False
        for sha256 in sha256s:
            self._named.pop(sha256, None)
            own |= self._put_here.pop(sha256, None) is not None
        return own

    def _finish(self, entry: SpoolEntry) -> None:
        result, predictions = self.spool.read_result(entry), self._put(entry.path, "predictions")
        self.ending = True
        self.spool.note_doing("committing")
        self._write(
            lambda tx: attempts.finish(tx, self.claim, result, predictions, now_s=self._clock.now_s()), all_saved=True
        )
        self.finished = True
        with contextlib.suppress(MachineError):  # the job is done; the whole spool goes next
            self.spool.remove(entry)

    def _note_saved(self, record: TrainingRecord) -> None:
        self.saved = Saved(
            epochs_done=record.epochs_done, steps_done=record.partial.steps_done, at_s=self._clock.now_s()
        )

    def _delete(self, blobs: Iterable[Blob]) -> None:
        """Delete what nothing needs; what the store does not delete now is tried again with the next."""
        unwanted = list(blobs)
        # Forgotten first: whoever takes this place must not count on bytes that may be gone.
        self._unwanted += unwanted
        if self._forget(blob.sha256 for blob in unwanted) or not self._is_noted:
            self._note_stored()
        if not self._is_noted:
            return
        self.spool.note_doing("deleting" if self._unwanted else None)
        for blob in list(self._unwanted):
            with contextlib.suppress(StoreError):  # an orphan costs space, never safety
                self._store.delete(blob)
                self._unwanted.remove(blob)
                self._deleted.append(blob)
                self._moved(0, 0)  # many deletions take as long as a transfer
        self.spool.note_doing(None)

    def _write(
        self, action: "Callable[[Connection], T]", *, all_saved: bool = False, saving: Saving | None = None
    ) -> T:
        """Run a transaction, and let it record what the time went into and what was deleted since the last one."""
        deleted, now_s = tuple(self._deleted), self._clock.now_s()
        account = None
        if self._timeline:
            account = self._timeline.ledgers(_told(self.spool.progress), all_saved=all_saved, saving=saving)

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
                    pace=self.pace,
                    rehearsal=_told(self.spool.rehearsal),
                    seen_at_s=now_s,
                )
            return action(tx)

        outcome = self._database.transact(both)
        self.writes += 1
        if self._timeline and account:
            self._timeline.written(account[1])
        del self._deleted[: len(deleted)]
        return outcome

    def _required(self, blob: Blob, what: str) -> Path:
        try:
            return fetch_once(self._store, blob, self._cache / "blobs", moved=self._moved)
        except (BlobMissing, DigestMismatch) as exc:
            hint = advice_on(Trouble.STORE, job=self.claim.job_name, machine="this machine")
            raise type(exc)(f"{what} cannot be had: {exc}", hint=hint) from exc


def _place(record: TrainingRecord) -> tuple[int, int]:
    return record.epochs_done, record.partial.steps_done


def _told(ask: Callable[[], T | None]) -> T | None:
    """Return what the spool says for the accounts; a disk that does not tell must not keep a write from being made."""
    with contextlib.suppress(MachineError):
        return ask()
    return None
