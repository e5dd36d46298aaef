"""Finding the trained weights of a job among what is kept of it, and bringing them out of the store, checked.

Which epoch is wanted is decided by the newest checkpoint alone; where its model is no longer kept, nothing older takes
its place. Every pack is checked against its digest on the way, and the weights of a finished job against the digest in
its result. Nothing in the queue or the store is changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.app.context import QueueContext, rehearse
from qcqueue.checkpoints.format import SUFFIX, read_about, read_model
from qcqueue.core.records import Tensors
from qcqueue.engines.metrics import weights_sha256
from qcqueue.errors import BlobMissing, CheckpointDamaged, CorruptionError, DigestMismatch, UserError
from qcqueue.exports.weights import Weights
from qcqueue.queue.blobs import live_packs
from qcqueue.queue.checkpoints import resumable
from qcqueue.queue.datasets import list_datasets
from qcqueue.queue.job_detail import job_detail
from qcqueue.queue.job_lines import job_lines
from qcqueue.queue.jobs import find_job
from qcqueue.queue.values import Checkpoint, JobDetail
from qcqueue.stores.base import Blob, Moved, silently
from qcqueue.stores.files import scratch
from qcqueue.text.suggest import printable

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Which(StrEnum):
    """Which of the epochs whose weights are kept."""

    BEST = "best"
    LAST = "last"

    @property
    def other(self) -> "Which":
        return Which.LAST if self is Which.BEST else Which.BEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the queue knows of the weights that are wanted. head names the variables; files hold them.

    instead: the other weights, where they are kept and of another epoch. is_alone: no other study has a job so named.
    deep_white: of its dataset.
    """

    detail: JobDetail
    which: Which
    epoch: int
    head: Blob
    files: tuple[Blob, ...]
    classes: tuple[str, ...]
    instead: Which | None
    is_alone: bool
    deep_white: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    """Where the model of one epoch is kept."""

    epoch: int
    head: Blob
    files: tuple[Blob, ...]


def weights_of(context: QueueContext, typed: str, which: Which, *, moved: Moved = silently) -> tuple[Asked, Weights]:
    """Find the weights of a job, and bring them.

    Raises: UnknownName. UserError: none are kept. CorruptionError: the store has damaged them. BlobMissing, StoreError.
    """
    asked = _found(context, typed, which)
    while True:
        try:
            return asked, _brought(context, asked, moved)
        except BlobMissing:
            newer = _found(context, typed, which)
            if (newer.head, newer.files) == (asked.head, asked.files):
                raise
            asked = newer  # a session at work has saved more since, and given up what was found


def _found(context: QueueContext, typed: str, which: Which) -> Asked:
    # A checkpoint of an older qcqueue is completed while it is looked at, which is taken back.
    return rehearse(context.database, lambda tx: _asked(tx, typed, which))


def _brought(context: QueueContext, asked: Asked, moved: Moved) -> Weights:
    tensors, paths = _read(context, asked, moved)
    spec, result = asked.detail.spec, asked.detail.result
    weights = Weights(
        spec=spec,
        which=asked.which,
        epoch=asked.epoch,
        classes=asked.classes,
        tensors=tensors,
        paths=paths,
        sha256=weights_sha256(tensors),
        deep_white=asked.deep_white,
    )
    if result is not None:
        appraised = result.best if asked.which is Which.BEST else result.last
        if (appraised.epoch, appraised.weights_sha256) != (weights.epoch, weights.sha256):
            raise DigestMismatch(
                f"the {asked.which} weights of {printable(spec.full_name)} in the store are not those of its result",
                hint="qcqueue store verify",
            )
    return weights


def _asked(tx: "Connection", typed: str, which: Which) -> Asked:
    detail = job_detail(tx, typed)
    saves = resumable(tx, find_job(tx, detail.line.name).id, live_packs(tx))
    found, other = _chosen(detail, saves, which)
    summary = {line.blob.sha256: line.summary for line in list_datasets(tx)}[detail.dataset_sha256]
    return Asked(
        detail=detail,
        which=which,
        epoch=found.epoch,
        head=found.head,
        files=found.files,
        classes=summary.classes,
        instead=which.other if other and other.epoch != found.epoch else None,
        is_alone=[_short(line.name) for line in job_lines(tx)].count(_short(detail.line.name)) == 1,
        deep_white=summary.deep_white,
    )


def _short(full_name: str) -> str:
    return full_name.partition("/")[2]


def _chosen(detail: JobDetail, saves: Sequence[Checkpoint], which: Which) -> tuple[_Model, _Model | None]:
    """Return the model that is wanted, and the other one if it is kept. saves: newest first."""
    name = printable(detail.line.name)
    best_epoch = saves[0].record.best_epoch if saves else None
    if best_epoch is None:
        raise UserError(
            f"{name} is {detail.line.state} and has no finished epoch that is saved, so it has no weights yet",
            hint=f"qcqueue why {name}",
        )
    epochs = {Which.BEST: best_epoch, Which.LAST: saves[0].record.epochs_done}
    found, other = _kept(saves, epochs[which]), _kept(saves, epochs[which.other])
    if found:
        return found, other
    if which is Which.BEST:
        raise UserError(
            f"the weights of the best epoch of {name}, which is epoch {best_epoch}, are not kept any more",
            hint=f"--weights last, which are of epoch {other.epoch}" if other else f"qcqueue log {name}",
        )
    raise UserError(
        f"what is kept of {name} beside its best epoch lies in the middle of an epoch, so its last epoch is not whole",
        hint="--weights best, or again after the next epoch" if other else "again after the next epoch",
    )


def _kept(saves: Sequence[Checkpoint], epoch: int) -> _Model | None:
    """Return the model of one epoch of the run that the newest save is of, wherever it is kept."""
    history = saves[0].record.history[:epoch]
    for save in saves:
        record, state = save.record, save.state
        if record.history[:epoch] != history:
            continue  # it is of a run that was given up: an epoch of the same number was another one there
        if record.best_epoch == epoch and save.best:
            return _Model(epoch=epoch, head=state.head, files=save.best)
        if record.epochs_done == epoch and not record.partial.steps_done:
            return _Model(epoch=epoch, head=state.head, files=state.blobs)
    return None


def _read(context: QueueContext, asked: Asked, moved: Moved) -> tuple[Tensors, Mapping[str, str]]:
    """Return the variables of the model, and what Keras calls them."""
    files = dict.fromkeys((asked.head, *asked.files))
    size_bytes = sum(blob.size_bytes for blob in files)
    context.check_files()
    with scratch(context.cache, prefix="fetch-") as folder:
        done_bytes, paths = 0, dict[Blob, Path]()
        for blob in files:
            paths[blob] = folder / f"{blob.sha256}{SUFFIX}"
            with _named(asked, blob):
                context.store.fetch(blob, paths[blob])
            done_bytes += blob.size_bytes
            moved(done_bytes, size_bytes)
        with _named(asked, asked.head):
            names = read_about(paths[asked.head])["paths"]
        with _named(asked, asked.files[0]):
            tensors = read_model(paths[blob] for blob in asked.files)
    return tensors, names


@contextmanager
def _named(asked: Asked, blob: Blob) -> Iterator[None]:
    """Say whose weights are lost with what the store does not have whole."""
    whose = f"the {asked.which} weights of {printable(asked.detail.line.name)}"
    hint = f"qcqueue store verify, or --weights {asked.instead}" if asked.instead else "qcqueue store verify"
    try:
        yield
    except BlobMissing as exc:
        raise BlobMissing(f"{whose} cannot be had: {exc}", hint=hint) from exc
    except CorruptionError as exc:
        raise CheckpointDamaged(f"{whose} are damaged in pack {blob.sha256[:12]}: {exc}", hint=hint) from exc
