"""Bringing back what an attempt needs: the dataset, the weights, and the newest state that is whole.

Everything is verified against its digest on the way. A damaged state is named and the one before it is used; a
state also counts as unusable when the state of its best epoch is, because the run could not be finished from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qcqueue.checkpoints.format import read_about
from qcqueue.errors import BlobMissing, CheckpointDamaged, DigestMismatch
from qcqueue.queue.values import Checkpoint
from qcqueue.storage.base import Blob, Moved, Store, silently
from qcqueue.storage.files import holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The checkpoint to resume from (None: a fresh start) and the newer ones that could not be read, with why."""

    chosen: Checkpoint | None
    damaged: tuple[tuple[Checkpoint, str], ...]


def restore_newest(
    store: Store, checkpoints: Sequence[Checkpoint], *, state: Path, best: Path, moved: Moved = silently
) -> Restored:
    """Fetch the newest whole state (and the best epoch's) to the two paths. checkpoints: newest first.

    Raises: StoreError: the store does not answer; nothing is known about the checkpoints then.
    """
    damaged: list[tuple[Checkpoint, str]] = []
    for checkpoint in checkpoints:
        try:
            _fetch(store, checkpoint, state=state, best=best, moved=moved)
        except (BlobMissing, DigestMismatch, CheckpointDamaged) as exc:
            damaged.append((checkpoint, str(exc)))
            for path in (state, best):
                path.unlink(missing_ok=True)
        else:
            return Restored(chosen=checkpoint, damaged=tuple(damaged))
    return Restored(chosen=None, damaged=tuple(damaged))


def fetch_once(store: Store, blob: Blob, folder: Path, *, moved: Moved = silently) -> Path:
    """Return the path of a blob in this machine's cache, fetching it where it is not there, or not whole any more."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / blob.sha256
    if not holds(path, blob.sha256):
        store.fetch(blob, path, moved=moved)
    return path


def _fetch(store: Store, checkpoint: Checkpoint, *, state: Path, best: Path, moved: Moved) -> None:
    store.fetch(checkpoint.state, state, moved=moved)
    read_about(state)
    if checkpoint.record.best_epoch is None:
        return
    if checkpoint.best is None:
        raise CheckpointDamaged(f"the state of its best epoch {checkpoint.record.best_epoch} is not kept any more")
    store.fetch(checkpoint.best, best, moved=moved)
