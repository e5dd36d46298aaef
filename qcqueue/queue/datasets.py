"""The datasets a queue knows: a name stands for the same bytes for ever."""

import difflib

from sqlalchemy import Connection, Row, insert, select

from qcqueue.core.canonical import canonical_json, parse_json
from qcqueue.core.dataset import DatasetSummary
from qcqueue.database.schema import blobs, datasets
from qcqueue.errors import NameTaken, UnknownName
from qcqueue.queue.blobs import find_blob, name_blob
from qcqueue.queue.story import tell
from qcqueue.queue.values import DatasetLine
from qcqueue.storage.base import Blob


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
            f"dataset {name!r} exists with other images or another split", hint=f"qcqueue data add PATH --name {name}-2"
        )
    name_blob(tx, blob, kind="dataset", now_s=now_s)
    tx.execute(
        insert(datasets).values(
            name=name, sha256=blob.sha256, summary=canonical_json(summary.to_json()), added_at_s=now_s
        )
    )
    tell(tx, who=who, what="dataset added", now_s=now_s, why=f"{name}: {summary.images} images")
    return True


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
        summary=DatasetSummary.from_json(parse_json(row.summary)),
        added_at_s=row.added_at_s,
    )
