"""ImageNet weights that the queue keeps, so that a further machine need not ask whoever publishes them.

A person asks for that when a job is enqueued; a session that has the file puts it into the store and records it here.
How long a file is needed is for `blobs` to say; once `store gc` has taken it away, its row says nothing any more.
"""

from sqlalchemy import Connection

from qcqueue.database.dialects import insert
from qcqueue.database.schema import pretrained
from qcqueue.queue.blobs import PRETRAINED, blob_of, name_blob, title_of
from qcqueue.stores.base import Blob


def kept_weights(tx: Connection, file: str) -> Blob | None:
    """Return where the store has a file of this name, None where nobody has kept it or it was deleted."""
    row = tx.execute(PRETRAINED.where(pretrained.c.file == file)).one_or_none()
    return None if row is None else blob_of(row)


def all_kept_weights(tx: Connection) -> frozenset[Blob]:
    """Return every file with ImageNet weights that the store has."""
    return frozenset(blob_of(row) for row in tx.execute(PRETRAINED))


def keep_weights(tx: Connection, file: str, blob: Blob, *, instead_of: Blob | None, now_s: float) -> Blob:
    """Record a file that is in the store; return the copy that counts from now on.

    instead_of: what was recorded until now and is not whole. Where somebody else has recorded another copy meanwhile,
    that one counts, and the caller deletes its own.
    """
    known = kept_weights(tx, file)
    if known is not None and known != instead_of:
        return known
    # A person may have given the very same bytes to a job, and called them otherwise.
    name_blob(tx, blob, kind="weights", title=title_of(tx, blob.sha256) or file, now_s=now_s)
    row = {"sha256": blob.sha256, "kept_at_s": now_s}
    tx.execute(insert(pretrained).values(file=file, **row).on_conflict_do_update(["file"], set_=row))
    return blob
