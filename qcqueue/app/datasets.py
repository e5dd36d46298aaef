"""`data`: make or import a dataset, store it as one blob, give it its name."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.app.context import QueueContext
from qcqueue.app.gc import delete_unneeded
from qcqueue.core.dataset import DatasetSummary
from qcqueue.errors import BlobMissing, DigestMismatch, UserError
from qcqueue.queue.datasets import add_dataset, find_dataset, forget_dataset, list_datasets
from qcqueue.queue.values import DatasetLine
from qcqueue.stores.base import Blob, BlobKind
from qcqueue.stores.files import on_this_machine, scratch

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qcqueue.datasets.format import Dataset
    from qcqueue.datasets.importing import ImportOptions

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

Progress = Callable[[int, int], None]
"""Told (images done, images in all)."""


def check_name(name: str) -> None:
    """Refuse a dataset name before any work is done. Raises: UserError."""
    if not NAME.fullmatch(name):
        raise UserError(
            f"the dataset name {name!r} is not lower-case letters, digits and hyphens, 64 at most",
            hint="--name qc-images",
        )


def add_sample(
    context: QueueContext, name: str, *, images: int, seed: int, progress: Progress, dry_run: bool = False
) -> tuple[DatasetLine, bool]:
    """Build the practice set and store it; return it and whether it is new."""
    from qcqueue.datasets.sample import build_sample

    check_name(name)
    return keep(context, name, build_sample(images=images, seed=seed, progress=progress), dry_run=dry_run)


def add_patterns(
    context: QueueContext, name: str, *, images: int, seed: int, dry_run: bool = False
) -> tuple[DatasetLine, bool]:
    """Make noise in three colours and store it; return it and whether it is new."""
    from qcqueue.datasets.patterns import build_patterns

    check_name(name)
    return keep(context, name, build_patterns(images=images, seed=seed), dry_run=dry_run)


def add_images(
    context: QueueContext,
    name: str,
    path: Path,
    options: "ImportOptions",
    *,
    progress: Progress,
    dry_run: bool = False,
) -> tuple[DatasetLine, bool]:
    """Import a folder or zip of images; return the dataset and whether it is new. Raises: DatasetInvalid."""
    from qcqueue.datasets.importing import import_images

    check_name(name)
    dataset = import_images(path, options, progress=progress)
    # Where a person's images lay, and how they were packed, makes them no other images.
    bare = replace(dataset, summary=dataset.summary.bare)
    return keep(context, name, bare, summary=dataset.summary, dry_run=dry_run)


def remove_dataset(context: QueueContext, name: str, *, dry_run: bool = False) -> DatasetLine:
    """Take a dataset that no job needs out of the queue, and its bytes out of the store; return what it was.

    Raises: UnknownName. UserError: a job needs it. SettingInvalid: the store has the files of another queue.
    """
    context.check_files()
    removed = context.transact(
        lambda tx: forget_dataset(tx, name, who=context.who, now_s=context.clock.now_s()), dry_run=dry_run
    )
    if removed.unneeded and not dry_run:
        delete_unneeded(context, [removed.line.blob])
    return removed.line


def _is_whole(context: QueueContext, blob: Blob, scratch: Path) -> bool:
    """Return whether the store itself, and not only a copy of this machine, has all bytes of a blob."""
    try:
        context.store_itself.fetch(blob, scratch)
    except (BlobMissing, DigestMismatch):
        return False
    return True


def keep(
    context: QueueContext,
    name: str,
    dataset: "Dataset",
    *,
    summary: DatasetSummary | None = None,
    dry_run: bool,
) -> tuple[DatasetLine, bool]:
    """Store a dataset and name it. The blob is in the store before the name is committed.

    summary: what the queue is to say of it, where that is more than the blob says. One that is known is stored again
    only where the store has damaged it: who adds it again may mean to mend it.
    """
    with context.read() as tx:
        lines = list_datasets(tx)
    content, blob = _content(dataset, next((line for line in lines if line.name == name), None))
    stored = next((line.blob for line in lines if line.blob.sha256 == blob.sha256), None)
    blob, now_s = stored or blob, context.clock.now_s()

    def name_it(tx: "Connection") -> tuple[DatasetLine, bool]:
        is_new = add_dataset(tx, name, blob, summary or dataset.summary, who=context.who, now_s=now_s)
        return find_dataset(tx, name), is_new

    rehearsed = context.transact(name_it, dry_run=True)  # a refusal comes before anything is stored
    if dry_run:
        return rehearsed
    with scratch() as folder:
        path = folder / "dataset"
        if not (stored and _is_whole(context, stored, path)):
            context.ask_to_write()
            with on_this_machine(path):
                path.write_bytes(content)
            blob = context.store.put(path, title=name, kind=BlobKind.DATASET)
    return context.transact(name_it)


def _content(dataset: "Dataset", known: DatasetLine | None) -> tuple[bytes, Blob]:
    """Return the bytes of a dataset, and their name.

    Up to 0.5.1 what was said of the images stood among them; a known dataset is first built as it was then, so that
    the same images are the same dataset still.
    """
    from qcqueue.datasets.format import to_bytes

    if known:
        content = to_bytes(replace(dataset, summary=_said_as_before(dataset.summary, known.summary)))
        if hashlib.sha256(content).hexdigest() == known.blob.sha256:
            return content, known.blob
    content = to_bytes(dataset)
    return content, Blob(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def _said_as_before(summary: DatasetSummary, before: DatasetSummary) -> DatasetSummary:
    said = ("source", "note", "attribution", "deep_white")
    return replace(summary, **{name: getattr(before, name) for name in said})
