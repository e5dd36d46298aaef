"""The datasets a queue knows: a name stands for the same bytes for ever."""

import difflib
from dataclasses import dataclass

from sqlalchemy import Connection, Row, delete, insert, select

from qcqueue.core.dataset import DatasetSummary
from qcqueue.database.schema import blobs, datasets, jobs
from qcqueue.errors import NameTaken, UnknownName, UserError
from qcqueue.queue.blobs import find_blob, name_blob
from qcqueue.queue.history import record_event
from qcqueue.queue.stored import spec_of, summary_of
from qcqueue.queue.values import DatasetLine
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import canonical_json
from qcqueue.text.humanize import count


def add_dataset(tx: Connection, name: str, blob: Blob, summary: DatasetSummary, *, who: str, now_s: float) -> bool:
    """Give a stored dataset its name; return False where it has it already: it is found where it was stored last then,
    because who adds it again may mean to mend what the store has damaged.

    Raises: NameTaken: the name stands for other images, on which jobs may have been trained.
    """
    found = tx.execute(select(datasets.c.sha256).where(datasets.c.name == name)).scalar_one_or_none()
    if found == blob.sha256:
        if find_blob(tx, found) != blob:
            name_blob(tx, blob, kind="dataset", now_s=now_s)
        return False
    if found is not None:
        raise NameTaken(
            f"dataset {name!r} exists with other images or another split",
            hint=f"the same command with --name {name}-2; or, if no job needs it, first: qcqueue data remove {name}",
        )
    name_blob(tx, blob, kind="dataset", now_s=now_s)
    tx.execute(
        insert(datasets).values(
            name=name, sha256=blob.sha256, summary=canonical_json(summary.to_json()), added_at_s=now_s
        )
    )
    record_event(tx, who=who, what="dataset added", now_s=now_s, why=f"{name}: {summary.images} images")
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """A dataset that has lost its name. unneeded: nothing else in the queue counts on its bytes."""

    line: DatasetLine
    unneeded: bool


def forget_dataset(tx: Connection, name: str, *, who: str, now_s: float) -> Removed:
    """Take the name from a dataset. The caller deletes its bytes where nothing needs them.

    Raises: UnknownName. UserError: a job needs it, done or not: its report shows the images.
    """
    line = find_dataset(tx, name)
    specs = [
        (row.name, spec_of(row.spec))
        for row in tx.execute(
            select(jobs.c.name, jobs.c.spec).where(jobs.c.dataset_sha256 == line.blob.sha256).order_by(jobs.c.position)
        )
    ]
    if needing := [job for job, spec in specs if spec.dataset == name]:
        whose = needing[0] if len(needing) == 1 else f"{count(len(needing), 'job')}, {needing[0]} first"
        raise UserError(
            f"the dataset {name!r} is needed by {whose}: a job keeps its images, done or cancelled too",
            hint="qcqueue status",
        )
    tx.execute(delete(datasets).where(datasets.c.name == name))
    others = tx.execute(select(datasets.c.name).where(datasets.c.sha256 == line.blob.sha256)).first()
    record_event(tx, who=who, what="dataset removed", now_s=now_s, why=f"{name}: {line.summary.images} images")
    return Removed(line=line, unneeded=not specs and others is None)


def list_datasets(tx: Connection) -> list[DatasetLine]:
    """Return every dataset, oldest first."""
    return [_line(row) for row in tx.execute(_SELECT.order_by(datasets.c.added_at_s, datasets.c.name))]


def find_dataset(tx: Connection, name: str) -> DatasetLine:
    """Return the dataset of this name. Raises: UnknownName: with the nearest one."""
    row = tx.execute(_SELECT.where(datasets.c.name == name)).one_or_none()
    if row is None:
        names = list(tx.execute(select(datasets.c.name)).scalars())
        close = difflib.get_close_matches(name, names, n=1)
        raise UnknownName(
            f"there is no dataset {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""),
            hint="qcqueue data list",
        )
    return _line(row)


_SELECT = select(datasets, blobs.c.size_bytes, blobs.c.place).join(blobs, blobs.c.sha256 == datasets.c.sha256)


def _line(row: Row[tuple[object, ...]]) -> DatasetLine:
    return DatasetLine(
        name=row.name,
        blob=Blob(sha256=row.sha256, size_bytes=row.size_bytes, place=row.place),
        summary=summary_of(row.summary),
        added_at_s=row.added_at_s,
    )
