"""Checkpoints and what they are made of: written, found again by a claim, and retired.

A checkpoint names a head, the other packs of its state, and the packs of its best epoch's model. A pack may be named
by many checkpoints of many jobs, so whether one is needed is asked of all of them. What a kept checkpoint names is in
the store, or was damaged there.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, exists, insert, or_, select, union_all, update

from qcqueue.database.dialects import each, each_id
from qcqueue.database.rows import digest_of_row, vouched_rows
from qcqueue.database.schema import blobs, checkpoints, packs
from qcqueue.queue.blobs import BLOB, IS_KEPT, IS_NAMED, blob_of
from qcqueue.queue.reading import dangling
from qcqueue.queue.stored import record_of
from qcqueue.queue.values import Checkpoint, StateBlobs
from qcqueue.stores.base import Blob
from qcqueue.text.canonical_json import canonical_json

LAST_STATES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCheckpoint:
    """A checkpoint that is kept now, as a retention policy sees it; newest first in a list."""

    id: int
    state_sha256: str
    epochs_done: int
    steps_done: int


Keep = Callable[[Sequence[KeptCheckpoint]], set[int]]
"""A retention policy: from the kept checkpoints of a job, the ids of those to keep: of a state all its ids or none,
because only the newest of them is sure to have a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCheckpoint:
    """A checkpoint to be written: its row, and what it names."""

    row: Mapping[str, Any]
    state: StateBlobs
    best: tuple[Blob, ...]


def keep_last_two(kept: Sequence[KeptCheckpoint]) -> set[int]:
    """Return the ids to keep of `kept` (newest first): every id of the two newest distinct states, so that one damaged
    file never costs more than one save.

    A checkpoint names the model of its best epoch too, so with it stays everything the run can be finished from.
    """
    last = list(dict.fromkeys(row.state_sha256 for row in kept))[:LAST_STATES]
    return {row.id for row in kept if row.state_sha256 in last}


def resumable(tx: Connection, job_id: int, live: Mapping[str, Blob]) -> tuple[Checkpoint, ...]:
    """Return where a run can be taken up, newest first. live: what kept checkpoints name, by digest."""
    rows, named = _adopted(tx, job_id)
    # A state that stands twice, before and after its validation, is taken up where it is furthest.
    newest = {row.state_sha256: row for row in reversed(rows)}
    return tuple(
        Checkpoint(
            id=row.id,
            state=StateBlobs(
                head=_live(live, row.state_sha256),
                packs=tuple(_live(live, sha256) for sha256 in named.get((row.id, "state"), ())),
            ),
            best=tuple(_live(live, sha256) for sha256 in named.get((row.id, "best"), ())),
            record_json=row.record,
        )
        for row in rows
        if newest[row.state_sha256] is row
    )


def _live(live: Mapping[str, Blob], sha256: str) -> Blob:
    if sha256 not in live:
        raise dangling(f"blob {sha256[:12]}")
    return live[sha256]


def adopt(tx: Connection, job_id: int) -> None:
    """Let each checkpoint that an older qcqueue wrote name the state of its best epoch, as those of today do.

    It is not part of the migration, because an older qcqueue may be at work in the same file and write more of them.
    One whose best epoch is not kept stays as it is: the run cannot be brought to its end from there.
    """
    _adopted(tx, job_id)


def _adopted(tx: Connection, job_id: int) -> tuple[Sequence[Any], dict[tuple[int, str], list[str]]]:
    """Adopt; return the kept checkpoints, newest first, and what they name beside heads, by checkpoint and part."""
    rows: Sequence[Any] = tx.execute(_RESUMABLE, {"job_id": job_id}).all()
    named: dict[tuple[int, str], list[str]] = {}
    for checkpoint_id, part, sha256 in tx.execute(_PACKS, {"job_id": job_id}).all():
        named.setdefault((checkpoint_id, part), []).append(sha256)
    states = {row.epochs_done: row.state_sha256 for row in reversed(rows) if row.steps_done == 0}
    adopted = []
    for row in rows:
        if row.epochs_done == 0 or not row.record or (row.id, "best") in named or (row.id, "state") in named:
            continue
        best = record_of(row.record).best_epoch
        if best in states:
            named[row.id, "best"] = [states[best]]
            adopted.append(_pack(row.id, "best", 0, states[best]))
    if adopted:
        tx.execute(_INSERT_PACKS, adopted)
    return rows, named


def named_now(tx: Connection, wanted: Mapping[str, Blob]) -> tuple[set[str], set[str]]:
    """Return which of these digests a kept checkpoint names, and of which no more than this very copy was named once.

    Somebody may be deleting such a copy at this moment: it was named, and nothing names it any more.
    """
    named, doomed = set(), set()
    for row in tx.execute(_NAMED_NOW, {"sha256s": canonical_json(list(wanted))}):
        if row.is_named:
            named.add(row.sha256)
        elif row.place and row.place == wanted[row.sha256].place:
            doomed.add(row.sha256)
    return named, doomed


def write(tx: Connection, job_id: int, new: Sequence[NewCheckpoint], keep: Keep, *, first_id: int) -> tuple[Blob, ...]:
    """Write checkpoints whose blobs are all recorded, and retire what the policy gives up; return what that freed.

    first_id: the id of the first of them; the others follow.
    """
    # A state that stands twice is taken up where it is furthest, so only there its record is of use.
    furthest = {it.state.head.sha256: it for it in new}
    written = [it.row if furthest[it.state.head.sha256] is it else {**it.row, "record": ""} for it in new]
    tx.execute(_INSERT, vouched_rows(checkpoints, written, first_id=first_id))
    kept = {row.id: row for row in tx.execute(_KEPT, {"job_id": job_id}).all()}
    rows = [row for at, it in enumerate(new) for row in _packs_of(first_id + at, it)]
    if rows:
        tx.execute(_INSERT_PACKS, rows)
    wanted = keep([_kept(row) for row in kept.values()])
    return _retire(tx, [row for checkpoint_id, row in kept.items() if checkpoint_id not in wanted])


def drop_packs_of_the_unkept(tx: Connection) -> None:
    """Only kept checkpoints have rows in `packs`; an older qcqueue, which retires some, knows nothing of that."""
    tx.execute(_DROP_UNKEPT)


def unwanted(tx: Connection) -> tuple[Blob, ...]:
    """Return every head and pack that no kept checkpoint names and that is not known to be deleted."""
    return tuple(blob_of(row) for row in tx.execute(_UNWANTED))


def _kept(row: Any) -> KeptCheckpoint:
    return KeptCheckpoint(
        id=row.id, state_sha256=row.state_sha256, epochs_done=row.epochs_done, steps_done=row.steps_done
    )


def _retire(tx: Connection, rows: Sequence[Row[Any]]) -> tuple[Blob, ...]:
    if not rows:
        return ()
    ids = [row.id for row in rows]
    # The record of a retired checkpoint is of no use without its tensors; its line stays for the story.
    tx.execute(_RETIRE, [_retired(row._asdict()) for row in rows])
    freed = tuple(blob_of(row) for row in tx.execute(_FREED, {"ids": canonical_json(ids)}).all())
    tx.execute(_DROP, [{"retired": checkpoint_id} for checkpoint_id in ids])
    return freed


def _retired(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is changed of a row. A digest that its row does not match stays: nobody vouches for rot."""
    digest = row["digest"]
    if digest is not None and digest == digest_of_row(checkpoints, row):
        digest = digest_of_row(checkpoints, {**row, "record": ""})
    return {"retired": row["id"], "digest": digest}


def _packs_of(checkpoint_id: int, it: NewCheckpoint) -> Iterator[dict[str, Any]]:
    for part, named in (("state", it.state.packs), ("best", it.best)):
        for position, blob in enumerate(named):
            yield _pack(checkpoint_id, part, position, blob.sha256)


def _pack(checkpoint_id: int, part: str, position: int, sha256: str) -> dict[str, Any]:
    return {"checkpoint_id": checkpoint_id, "part": part, "position": position, "sha256": sha256}


# Statements of every claim and commit are built once: building one costs about as much as running it.
_OF_JOB = and_(checkpoints.c.job_id == bindparam("job_id"), IS_KEPT)
_PLACE_IN_RUN = (checkpoints.c.id, checkpoints.c.state_sha256, checkpoints.c.epochs_done, checkpoints.c.steps_done)
_KEPT = select(checkpoints).where(_OF_JOB).order_by(checkpoints.c.id.desc())
_RESUMABLE = select(*_PLACE_IN_RUN, checkpoints.c.record).where(_OF_JOB).order_by(checkpoints.c.id.desc())
_PACKS = (
    select(packs.c.checkpoint_id, packs.c.part, packs.c.sha256)
    .join_from(packs, checkpoints)
    .where(_OF_JOB)
    .order_by(packs.c.checkpoint_id, packs.c.part, packs.c.position)
)
_NAMED_NOW = select(blobs.c.sha256, blobs.c.place, IS_NAMED.label("is_named")).where(
    blobs.c.sha256.in_(each("sha256s"))
)
_INSERT = insert(checkpoints)
_INSERT_PACKS = insert(packs)
_CAN_BE_FREED = and_(or_(blobs.c.kind == "state", blobs.c.kind == "pack"), blobs.c.deleted_at_s.is_(None))
_GONE = select(checkpoints.c.id, checkpoints.c.state_sha256).where(checkpoints.c.id.in_(each_id("ids"))).cte("gone")
_FREED = (
    select(*BLOB)
    .where(
        blobs.c.sha256.in_(
            union_all(
                select(packs.c.sha256).where(packs.c.checkpoint_id.in_(select(_GONE.c.id))),
                select(_GONE.c.state_sha256),
            ).scalar_subquery()
        )
    )
    .where(_CAN_BE_FREED)
    .where(~exists().where(packs.c.sha256 == blobs.c.sha256, packs.c.checkpoint_id.not_in(select(_GONE.c.id))))
    .where(~exists().where(checkpoints.c.state_sha256 == blobs.c.sha256, IS_KEPT))
    .order_by(blobs.c.sha256)
)
_UNWANTED = select(*BLOB).where(_CAN_BE_FREED, ~IS_NAMED).order_by(blobs.c.sha256)
_DROP = delete(packs).where(packs.c.checkpoint_id == bindparam("retired"))
_DROP_UNKEPT = delete(packs).where(packs.c.checkpoint_id.not_in(select(checkpoints.c.id).where(IS_KEPT)))
_RETIRE = (
    update(checkpoints)
    .where(checkpoints.c.id == bindparam("retired"))
    .values(status="retired", record="", digest=bindparam("digest"))
)
