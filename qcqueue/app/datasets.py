"""`data`: make or import a dataset, store it as one blob, give it its name."""

import hashlib
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.app.workplace import Workplace
from qcqueue.errors import BlobMissing, DigestMismatch, UserError
from qcqueue.queue.datasets import add_dataset, find_dataset, list_datasets
from qcqueue.queue.values import DatasetLine
from qcqueue.storage.base import Blob, Shelf

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
    workplace: Workplace, name: str, *, images: int, seed: int, progress: Progress, dry_run: bool = False
) -> tuple[DatasetLine, bool]:
    """Build the practice set and store it; return it and whether it is new."""
    from qcqueue.datasets.sample import build_sample

    check_name(name)
    return keep(workplace, name, build_sample(images=images, seed=seed, progress=progress), dry_run=dry_run)


def add_images(
    workplace: Workplace,
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
    return keep(workplace, name, import_images(path, options, progress=progress), dry_run=dry_run)


def _is_whole(workplace: Workplace, blob: Blob, scratch: Path) -> bool:
    """Return whether the store itself, and not only a copy of this machine, has all bytes of a blob."""
    try:
        workplace.store_itself.fetch(blob, scratch)
    except (BlobMissing, DigestMismatch):
        return False
    return True


def keep(workplace: Workplace, name: str, dataset: "Dataset", *, dry_run: bool) -> tuple[DatasetLine, bool]:
    """Store a dataset and name it. The blob is in the store before the name is committed.

    One that is known is stored again only where the store has damaged it: who adds it again may mean to mend it.
    """
    from qcqueue.datasets.format import to_bytes

    content = to_bytes(dataset)
    blob = Blob(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
    now_s = workplace.clock.now_s()

    def name_it(tx: "Connection") -> tuple[DatasetLine, bool]:
        is_new = add_dataset(tx, name, blob, dataset.summary, who=workplace.who, now_s=now_s)
        return find_dataset(tx, name), is_new

    with workplace.read() as tx:
        known = {line.name: line for line in list_datasets(tx)}.get(name)
    if known and known.blob.sha256 == blob.sha256:  # to name it again where it lies changes nothing
        blob = known.blob
    rehearsed = workplace.transact(name_it, dry_run=True)  # a refusal comes before anything is stored
    if dry_run:
        return rehearsed
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dataset"
        if known and _is_whole(workplace, known.blob, path):
            return known, False
        workplace.ask_to_write()
        path.write_bytes(content)
        blob = workplace.store.put(path, title=name, shelf=Shelf.DATASETS)
    return workplace.transact(name_it)
