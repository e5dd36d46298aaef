"""Sessions whose saves are real files of a store, a few bytes each: stored as sessions store them, and committed."""

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from qcqueue.app.context import QueueContext
from qcqueue.core.records import EpochMetrics, TrainingRecord
from qcqueue.queue import attempts
from qcqueue.queue.blobs import live_packs
from qcqueue.queue.checkpoints import keep_last_two
from qcqueue.queue.values import Claim, StateBlobs
from qcqueue.stores.base import Blob
from tests.cli.queues import TIMING, interrupt, take
from tests.engines.worlds import a_record


def stored(place: QueueContext, text: str, *, owner: str = "") -> Blob:
    """Store some bytes that the text decides."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source"
        path.write_text(text)
        return place.store.put(path, title=text, owner=owner)


def committed(place: QueueContext, held: Claim, item: attempts.CommitItem) -> attempts.Committed:
    """Commit a save whose files are all in the store, as a session does."""
    done = place.transact(
        lambda tx: attempts.commit_progress(
            tx,
            held,
            [item],
            number=attempts.check_live(tx, held).commits + 1,
            stored={blob.sha256 for blob in item.blobs},
            keep=keep_last_two,
            now_s=place.clock.now_s(),
        )
    )
    assert not done.missing
    return done


@dataclass(slots=True)
class Worker:
    """One session at work on one job. saves: what its kept checkpoints are made of, newest first."""

    place: QueueContext
    held: Claim
    record: TrainingRecord = field(default_factory=a_record)
    saves: list[tuple[Blob, ...]] = field(default_factory=list)
    losses: dict[int, float] = field(default_factory=dict)
    models: dict[int, Blob] = field(default_factory=dict)

    @classmethod
    def on(cls, place: QueueContext, job: str) -> "Worker":
        return cls(place, take(place, job))

    @property
    def owner(self) -> str:
        return f"{self.held.session_id}-{self.held.attempt}"

    @property
    def needed(self) -> set[Blob]:
        """What the last two saves and the best epoch are made of, kept in mind apart from the database."""
        return {blob for save in self.saves[:2] for blob in save}

    def put(self, text: str) -> Blob:
        """Store something and tell nobody, as a session does before it commits, or is killed."""
        return stored(self.place, text, owner=self.owner)

    def save(self, *, loss: float = 1.0, shares: str | None = None, forgets: bool = False) -> tuple[Blob, ...]:
        """Store and commit an epoch; shares: the text of a pack that other jobs have too.

        forgets: it is killed before it deletes what that retired.
        """
        epoch, name = self.record.epochs_done + 1, self.held.job_name
        self.losses[epoch] = loss
        self.record = self.record.with_epoch(_metrics(epoch, loss), patience=0)
        packs = [self.put(f"{name} pack {epoch}")]
        named = named_in(self.place)
        if shares is not None:
            shared = self.put(shares)
            packs.append(named.get(shared.sha256, shared))
        head = self.put(f"{name} head {epoch} of {self.owner}")
        self.models[epoch] = packs[0]
        best = self.models[self.record.best_epoch or epoch]
        item = attempts.CommitItem(
            state=StateBlobs(head=head, packs=tuple(packs)), best=(best,), record=self.record, timing=TIMING
        )
        done = committed(self.place, self.held, item)
        self.saves.insert(0, item.blobs)
        for blob in () if forgets else done.retired:
            self.place.store.delete(blob)
        return item.blobs

    def dies(self) -> None:
        """Somebody else buries it."""
        interrupt(self.place, self.held)

    def returns(self) -> None:
        """Another session takes its job over."""
        self.held = take(self.place, self.held.job_name)


def named_in(place: QueueContext) -> dict[str, Blob]:
    with place.read() as tx:
        return live_packs(tx)


def has(place: QueueContext, blob: Blob) -> bool:
    return place.store.size(blob) == blob.size_bytes


def file_of(place: QueueContext, blob: Blob) -> Path:
    assert place.folder is not None
    return place.folder / "blobs" / f"{blob.sha256}.{blob.place}"


def age(place: QueueContext, by_s: float) -> None:
    """Let time pass for everything a folder holds."""
    assert place.folder is not None
    for path in (place.folder / "blobs").iterdir():
        status = path.stat()
        os.utime(path, (status.st_atime - by_s, status.st_mtime - by_s))


def _metrics(epoch: int, loss: float) -> EpochMetrics:
    return EpochMetrics(epoch=epoch, loss=loss, accuracy=0.5, val_loss=loss, val_accuracy=0.5, learning_rate=1e-4)
