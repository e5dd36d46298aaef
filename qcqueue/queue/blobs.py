"""The blobs a commit names: only whole and verified ones, and the bytes of the unnamed are given back later.

A digest tells what the bytes are, a place which copy of them: what is deleted is always one copy, never a digest.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    union,
    union_all,
    update,
)

from qcqueue.catalog.models import MODELS, imagenet_file
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import State
from qcqueue.database.dialects import each, insert
from qcqueue.database.schema import attempts, blobs, checkpoints, datasets, jobs, packs, pretrained, results
from qcqueue.queue.reading import dangling
from qcqueue.queue.stored import spec_of
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import canonical_json


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededBlob:
    """A blob the database counts on, and for which job; None: for no single one, as a dataset. Of a blob that several
    jobs need there is one for each."""

    blob: Blob
    kind: str
    job_name: str | None


def name_blob(tx: Connection, blob: Blob, *, kind: str, title: str = "", now_s: float) -> None:
    """Record a blob that is in the store; a blob that was deleted and stored again is alive again.

    title: what its owner calls the file, "" to leave that as it is.
    """
    name_blobs(tx, [(blob, kind)], title=title, now_s=now_s)


def name_blobs(tx: Connection, stored: Iterable[tuple[Blob, str]], *, title: str = "", now_s: float) -> None:
    """Record several blobs, each with its kind, as `name_blob` does; one may stand more than once among them."""
    rows = [
        {
            "sha256": blob.sha256,
            "kind": kind,
            "size_bytes": blob.size_bytes,
            "stored_at_s": now_s,
            "deleted_at_s": None,
            "place": blob.place,
            "title": title,
        }
        for blob, kind in dict.fromkeys(stored)
    ]
    if rows:
        tx.execute(_NAME, rows)


def call_heads(tx: Connection, sha256s: Collection[str]) -> None:
    """Let recorded blobs be heads from now on, also one that was a pack: the row of a head stays, as its line does."""
    if sha256s:
        tx.execute(_CALL_HEADS, [{"head": sha256} for sha256 in sha256s])


def find_blobs(tx: Connection, sha256s: Collection[str]) -> tuple[Blob, ...]:
    """Return the blobs of these digests, in the order of the digests."""
    if not sha256s:
        return ()
    return tuple(blob_of(row) for row in tx.execute(_FIND, {"sha256s": canonical_json(list(sha256s))}))


def find_blob(tx: Connection, sha256: str) -> Blob:
    """Return the blob of a digest that the database names."""
    found = find_blobs(tx, [sha256])
    if not found:
        raise dangling(f"blob {sha256[:12]}")
    return found[0]


def mark_deleted(tx: Connection, deleted: Iterable[Blob], *, now_s: float) -> None:
    """Record that these copies are gone from the store.

    Another copy of the same bytes, which somebody stored and committed meanwhile, is left alone; so is a copy that a
    kept checkpoint names.
    """
    gone = [{"gone": blob.sha256, "its_place": blob.place, "now_s": now_s} for blob in deleted]
    if gone and tx.execute(_DELETED, gone).rowcount != len(gone):
        tx.execute(_FORGET, gone)


def live_packs(tx: Connection) -> dict[str, Blob]:
    """Return every head and pack that a kept checkpoint of any job names now, by digest."""
    return {row.sha256: blob_of(row) for row in tx.execute(_LIVE).all()}


def needed_blobs(tx: Connection) -> tuple[NeededBlob, ...]:
    """Return every blob the database counts on: what kept checkpoints, results and specs name, and every dataset.

    ImageNet weights that the queue keeps are counted on by each job that begins with them and is neither done nor
    cancelled.
    """
    found = [NeededBlob(blob=blob_of(row), kind=row.kind, job_name=row.name) for row in tx.execute(_NEEDED)]
    rows = [(row.name, row.state, spec_of(row.spec)) for row in tx.execute(_SPECS)]
    given = [(name, role, sha256) for name, _, spec in rows for role, sha256 in spec.attachments.items()]
    attached = {blob.sha256: blob for blob in find_blobs(tx, {sha256 for _, _, sha256 in given})}
    found += [
        NeededBlob(blob=attached[sha256], kind=role, job_name=name)
        for name, role, sha256 in given
        if sha256 in attached
    ]
    kept = {row.file: blob_of(row) for row in tx.execute(PRETRAINED)}
    found += [
        NeededBlob(blob=kept[file], kind="weights", job_name=name)
        for name, state, spec in rows
        if state not in (State.DONE, State.CANCELLED) and (file := _imagenet_file_of(spec)) in kept
    ]
    return tuple(found)


def _imagenet_file_of(spec: JobSpec) -> str | None:
    if spec.weights != "imagenet" or spec.model not in MODELS:
        return None
    return imagenet_file(spec.model, spec.image_size).name


def title_of(tx: Connection, sha256: str) -> str:
    """Return what its owner called the file of a blob, "" where that is not known."""
    return str(tx.execute(_TITLE, {"sha256": sha256}).scalar_one_or_none() or "")


def kept_bytes_of(tx: Connection, job_name: str) -> int:
    """Return the size of all that the kept checkpoints of a job name, each file counted once, however many share it."""
    kept = union(
        select(checkpoints.c.state_sha256).join_from(checkpoints, jobs).where(jobs.c.name == job_name, IS_KEPT),
        select(packs.c.sha256).join_from(packs, checkpoints).join(jobs).where(jobs.c.name == job_name),
    )
    total_bytes = select(func.coalesce(func.sum(blobs.c.size_bytes), 0)).where(blobs.c.sha256.in_(kept))
    return int(tx.execute(total_bytes).scalar_one())


def live_owners(tx: Connection) -> frozenset[str]:
    """Return the owners, as the store knows them, of attempts that have not ended: they may be about to commit."""
    rows = tx.execute(select(attempts.c.session_id, attempts.c.number).where(attempts.c.outcome.is_(None)))
    return frozenset(f"{row.session_id}-{row.number}" for row in rows)


def blob_of(row: Any) -> Blob:
    """Return the blob of a row with the columns `BLOB`."""
    return Blob(sha256=row.sha256, size_bytes=row.size_bytes, place=row.place)


BLOB = (blobs.c.sha256, blobs.c.size_bytes, blobs.c.place)

# As the index of kept ones says it: SQLite does not apply that to a value that it is given later.
IS_KEPT = checkpoints.c.status == literal_column("'kept'")

IS_NAMED = or_(
    exists().where(packs.c.sha256 == blobs.c.sha256),
    exists().where(checkpoints.c.state_sha256 == blobs.c.sha256, IS_KEPT),
)
"""Whether a kept checkpoint names the blob as its head or as a pack: only kept ones have rows in `packs`."""

# Statements of every commit are built once: building one costs about as much as running it.
_INSERT = insert(blobs)
_NEW_KIND = _INSERT.excluded["kind"]
_NAME = _INSERT.on_conflict_do_update(
    ["sha256"],
    set_={
        # Bytes of several uses are what is kept longest: a dataset or weights, then a head, then a pack.
        "kind": case(
            (_NEW_KIND == "pack", blobs.c.kind),
            (and_(_NEW_KIND == "state", blobs.c.kind != "pack"), blobs.c.kind),
            else_=_NEW_KIND,
        ),
        "title": case((_INSERT.excluded["title"] == "", blobs.c.title), else_=_INSERT.excluded["title"]),
        **{name: _INSERT.excluded[name] for name in ("size_bytes", "stored_at_s", "deleted_at_s", "place")},
    },
)
_FIND = select(*BLOB).where(blobs.c.sha256.in_(each("sha256s"))).order_by(blobs.c.sha256)
_LIVE = select(*BLOB).where(
    blobs.c.sha256.in_(
        union_all(select(checkpoints.c.state_sha256).where(IS_KEPT), select(packs.c.sha256)).scalar_subquery()
    )
)
_IS_GONE = and_(blobs.c.sha256 == bindparam("gone"), blobs.c.place == bindparam("its_place"), ~IS_NAMED)
_DELETED = update(blobs).where(_IS_GONE, blobs.c.kind != "pack").values(deleted_at_s=bindparam("now_s"))
_FORGET = delete(blobs).where(_IS_GONE, blobs.c.kind == "pack")
_CALL_HEADS = (
    update(blobs)
    .where(blobs.c.sha256 == bindparam("head"), blobs.c.kind == "pack")
    .values(kind=literal_column("'state'"))
)
_NEEDED = union(
    select(*BLOB, blobs.c.kind, jobs.c.name)
    .join(checkpoints, checkpoints.c.state_sha256 == blobs.c.sha256)
    .join(jobs, jobs.c.id == checkpoints.c.job_id)
    .where(IS_KEPT),
    select(*BLOB, blobs.c.kind, jobs.c.name)
    .join(packs, packs.c.sha256 == blobs.c.sha256)
    .join(checkpoints, checkpoints.c.id == packs.c.checkpoint_id)
    .join(jobs, jobs.c.id == checkpoints.c.job_id),
    select(*BLOB, blobs.c.kind, jobs.c.name)
    .join(results, results.c.predictions_sha256 == blobs.c.sha256)
    .join(jobs, jobs.c.id == results.c.job_id),
    select(*BLOB, blobs.c.kind, null().label("name")).join(datasets, datasets.c.sha256 == blobs.c.sha256),
).order_by("kind", "name", "sha256")
_SPECS = select(jobs.c.name, jobs.c.state, jobs.c.spec).order_by(jobs.c.position)
PRETRAINED = select(*BLOB, pretrained.c.file).join_from(pretrained, blobs).where(blobs.c.deleted_at_s.is_(None))
_TITLE = select(blobs.c.title).where(blobs.c.sha256 == bindparam("sha256"))
