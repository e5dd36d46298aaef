"""The blobs of a queue that is copied into another home: which are to be brought, and which lie there already."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from qcqueue.database.schema import blobs
from qcqueue.queue.blobs import BLOB, blob_of, needed_blobs
from qcqueue.stores.base import Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobToCopy:
    """A blob of which the database does not say that it was deleted. is_needed: the queue counts on it."""

    blob: Blob
    kind: str
    title: str
    is_needed: bool


def blobs_to_copy(tx: Connection) -> tuple[BlobToCopy, ...]:
    """Return what has to lie in another home for the queue to be whole there, by digest."""
    needed = {it.blob.sha256 for it in needed_blobs(tx)}
    return tuple(
        BlobToCopy(blob=blob_of(row), kind=row.kind, title=row.title, is_needed=row.sha256 in needed)
        for row in tx.execute(_ALL)
        if row.deleted_at_s is None or row.sha256 in needed
    )


def blobs_there(tx: Connection) -> Mapping[str, Blob]:
    """Return what a home says that it has, by digest."""
    return {row.sha256: blob_of(row) for row in tx.execute(_ALL) if row.deleted_at_s is None}


def say_deleted(tx: Connection, sha256s: Collection[str], *, now_s: float) -> None:
    """Record that blobs, which nothing needs, were not to be had where the queue came from."""
    if sha256s:
        tx.execute(_DELETED, [{"gone": sha256, "now_s": now_s} for sha256 in sha256s])


_ALL = select(*BLOB, blobs.c.kind, blobs.c.title, blobs.c.deleted_at_s).order_by(blobs.c.sha256)
_DELETED = (
    update(blobs)
    .where(blobs.c.sha256 == bindparam("gone"), blobs.c.deleted_at_s.is_(None))
    .values(deleted_at_s=bindparam("now_s"))
)
