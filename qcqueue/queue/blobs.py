"""The blobs a commit names: only whole and verified ones, and the bytes of the unnamed are given back later."""

from collections.abc import Collection, Iterable
from dataclasses import asdict

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.dialects.sqlite import insert

from qcqueue.database.schema import blobs
from qcqueue.storage.base import Blob

_INSERT = insert(blobs)
_NAME = _INSERT.on_conflict_do_update(
    ["sha256"],
    set_={name: _INSERT.excluded[name] for name in ("kind", "size_bytes", "stored_at_s", "deleted_at_s", "place")},
)
_FIND = (
    select(blobs.c.sha256, blobs.c.size_bytes, blobs.c.place)
    .where(blobs.c.sha256.in_(bindparam("sha256s", expanding=True)))
    .order_by(blobs.c.sha256)
)
_DELETED = update(blobs).where(blobs.c.sha256 == bindparam("gone")).values(deleted_at_s=bindparam("now_s"))


def name_blob(tx: Connection, blob: Blob, *, kind: str, now_s: float) -> None:
    """Record a blob that is in the store; a blob that was deleted and stored again is alive again."""
    name_blobs(tx, [blob], kind=kind, now_s=now_s)


def name_blobs(tx: Connection, stored: Iterable[Blob], *, kind: str, now_s: float) -> None:
    """Record several blobs as `name_blob` does; one may stand more than once among them."""
    rows = [
        {**asdict(blob), "kind": kind, "stored_at_s": now_s, "deleted_at_s": None} for blob in dict.fromkeys(stored)
    ]
    if rows:
        tx.execute(_NAME, rows)


def find_blobs(tx: Connection, sha256s: Collection[str]) -> tuple[Blob, ...]:
    """Return the blobs of these digests, in the order of the digests."""
    if not sha256s:
        return ()
    rows = tx.execute(_FIND, {"sha256s": list(sha256s)})
    return tuple(Blob(sha256=row.sha256, size_bytes=row.size_bytes, place=row.place) for row in rows)


def find_blob(tx: Connection, sha256: str) -> Blob:
    """Return the blob of a digest that the database names."""
    (found,) = find_blobs(tx, [sha256])
    return found


def mark_deleted(tx: Connection, sha256s: Iterable[str], *, now_s: float) -> None:
    """Record that the bytes of these blobs are gone from the store."""
    gone = [{"gone": sha256, "now_s": now_s} for sha256 in sha256s]
    if gone:
        tx.execute(_DELETED, gone)


def stored_blobs(tx: Connection) -> dict[str, int]:
    """Return the size in bytes of every blob the database counts on, by digest."""
    rows = tx.execute(select(blobs.c.sha256, blobs.c.size_bytes).where(blobs.c.deleted_at_s.is_(None)))
    return {row.sha256: row.size_bytes for row in rows}
