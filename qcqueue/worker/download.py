"""Bringing back what an attempt needs: the dataset, the weights, and the newest state that is whole.

Everything is verified against its digest on the way. A damaged file is named and the checkpoint before it is used; a
checkpoint also counts as unusable when the model of its best epoch is, because the run could not be finished from it.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qcqueue.checkpoints.format import HEAD_NAME, SUFFIX, read_about
from qcqueue.core.outcomes import Trouble, advice_on
from qcqueue.core.spec import CODE, WEIGHTS
from qcqueue.core.step_choice import StepOrder
from qcqueue.errors import BlobMissing, CheckpointDamaged, DigestMismatch, MachineError
from qcqueue.queue.values import Checkpoint, Claim
from qcqueue.spool.files import WorkOrder
from qcqueue.spool.reader import Spool
from qcqueue.spool.whole import remove_folder
from qcqueue.stores.base import Blob, Moved, Store, silently
from qcqueue.stores.files import files_in, holds, on_this_machine
from qcqueue.stores.names import is_digest, shown
from qcqueue.text.suggest import clipped

Fetch = Callable[[Blob, Path], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The checkpoint to resume from (None: a fresh start) and the newer ones that could not be read, with why.

    bad: the digests of what the store does not have whole. Another job may share it, and count on it still.
    """

    chosen: Checkpoint | None
    damaged: tuple[tuple[Checkpoint, str], ...]
    bad: frozenset[str] = frozenset()


def restore_newest(
    store: Store, checkpoints: Sequence[Checkpoint], spool: Spool, *, moved: Moved = silently
) -> Restored:
    """Fetch the newest whole state, and the model of its best epoch, into the spool. checkpoints: newest first.

    moved is told of each file. Raises: StoreError: the store does not answer; nothing is known of the checkpoints then.
    MachineError: this machine's disk does not take them.
    """
    damaged: list[tuple[Checkpoint, str]] = []
    bad: set[str] = set()

    def fetch(blob: Blob, target: Path) -> None:
        """Fetch a blob unless an earlier try has brought it, whole."""
        try:
            if not holds(target, blob.sha256, blob.size_bytes):
                store.fetch(blob, target, moved=moved)
        except (BlobMissing, DigestMismatch):
            bad.add(blob.sha256)
            raise

    for checkpoint in checkpoints:
        try:
            _bring(checkpoint, spool, fetch)
        except (BlobMissing, DigestMismatch, CheckpointDamaged) as exc:
            damaged.append((checkpoint, str(exc)))
            with on_this_machine(spool.folder):
                remove_folder(spool.resumed_folder)
            spool.forget_bests_but(None)
        else:
            return Restored(chosen=checkpoint, damaged=tuple(damaged), bad=frozenset(bad))
    return Restored(chosen=None, damaged=tuple(damaged), bad=frozenset(bad))


def work_order(
    claim: Claim,
    store: Store,
    cache: Path,
    *,
    threads: int,
    max_epochs: int | None,
    on_cpu: bool,
    check_code: Callable[[str], str | None],
    left: tuple[float, int] = (0.0, 1),
    moved: Moved = silently,
) -> WorkOrder:
    """Bring dataset, weights and code to this machine; return what the trainer is to be told.

    left: as `Chooser.left` says.

    check_code: as in `SessionDeps`; asked once more, because what a queue says may be another job by now.
    Raises: BlobMissing, DigestMismatch: the store does not have them whole. StoreError: try again. MachineError: its
    code may not run here.
    """
    code = claim.attachment(CODE)
    if claim.spec.code_sha256 and (why := check_code(claim.spec.code_sha256)):
        raise MachineError(why)

    def required(blob: Blob, what: str) -> Path:
        try:
            return fetch_once(store, blob, cache / "blobs", moved=moved)
        except (BlobMissing, DigestMismatch) as exc:
            hint = advice_on(Trouble.STORE, job=claim.job_name, machine="this machine")
            raise type(exc)(f"{what} cannot be had: {exc}", hint=hint) from exc

    weights = claim.attachment(WEIGHTS)
    newest = claim.checkpoints[0].record if claim.checkpoints else None
    called = f"the weights file {clipped(weights.title)}" if weights and weights.title else "the weights file"
    return WorkOrder(
        spec=claim.spec,
        attempt=claim.attempt,
        dataset_path=required(claim.dataset, f"the dataset {claim.spec.dataset}"),
        weights_path=required(weights.blob, called) if weights else None,
        weights_title=weights.title if weights else "",
        code_path=required(code.blob, f"the code of {claim.spec.model}") if code else None,
        threads=threads,
        max_epochs=max_epochs,
        resumes=bool(claim.checkpoints),
        on_cpu=on_cpu,
        step_order=StepOrder(
            begun_on=newest.identity if newest else None,
            epochs_done=newest.epochs_done if newest else 0,
            shared=claim.step_choices,
            left_s=left[0],
            sessions_left=left[1],
        ),
    )


def fetch_once(store: Store, blob: Blob, folder: Path, *, moved: Moved = silently) -> Path:
    """Return the path of a blob in this machine's cache, fetching it where it is not there, or not whole any more."""
    if not is_digest(blob.sha256):  # it becomes part of a path below
        raise BlobMissing(f"{store.url} has no blob {shown(blob.sha256)}")
    with on_this_machine(folder):
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / blob.sha256
    if not holds(path, blob.sha256, blob.size_bytes):
        store.fetch(blob, path, moved=moved)
    with contextlib.suppress(OSError):
        os.utime(path)  # what was used last is swept last
    return path


def _bring(checkpoint: Checkpoint, spool: Spool, fetch: Fetch) -> None:
    with on_this_machine(spool.folder):
        _bring_all(checkpoint, spool, fetch)


def _bring_all(checkpoint: Checkpoint, spool: Spool, fetch: Fetch) -> None:
    best_epoch = checkpoint.record.best_epoch
    if best_epoch is not None and not checkpoint.best:
        raise CheckpointDamaged(f"the model of its best epoch {best_epoch} is not kept any more")
    state, folder = checkpoint.state, spool.resumed_folder
    _clear_of_others(folder, len(state.packs))
    _bring_packs(state.packs, folder, fetch)
    fetch(state.head, folder / HEAD_NAME)
    read_about(folder / HEAD_NAME)
    if best_epoch is not None:
        _bring_packs(checkpoint.best, spool.best_folder(best_epoch), fetch)


def _clear_of_others(folder: Path, packs: int) -> None:
    """Remove what a try that was cut has brought of a checkpoint with more files."""
    wanted = {HEAD_NAME, *(f"{position:03d}{SUFFIX}" for position in range(packs))}
    for path in files_in(folder, ending=SUFFIX):
        if path.name not in wanted:
            path.unlink()


def _bring_packs(packs: Iterable[Blob], folder: Path, fetch: Fetch) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for position, pack in enumerate(packs):
        fetch(pack, folder / f"{position:03d}{SUFFIX}")
