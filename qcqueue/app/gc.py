"""Looking after a store: what its bytes are for, what of them nothing needs, and giving that back.

As restic does it: a plan, shown, then carried out. The store's listing says what there is and how old, the database at
its head what is needed; what is needed is never deleted, whatever a listing says. Always true: the listing is older
than the answer of the database, and before anything is deleted the database is asked again.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from qcqueue.app.context import QueueContext
from qcqueue.errors import StoreError
from qcqueue.queue.blobs import NeededBlob, live_owners, mark_deleted, needed_blobs
from qcqueue.stores.base import Blob, Listed
from qcqueue.stores.files import Leftover, leftovers, remove
from qcqueue.stores.folder import DATABASE_FILE
from qcqueue.text.humanize import DAY_S
from qcqueue.worker.orphans import is_an_attempts, is_orphan

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Whoever stored it for nobody in particular has long given it a name or failed to.
GRACE_S = 7 * DAY_S
LEFTOVER_GRACE_S = DAY_S

# Deleted between two questions to the database. What an ended attempt left is nobody's for ever.
BATCH = 50


class BlobStatus(StrEnum):
    """What a listed blob is to the queue."""

    NEEDED = "needed"
    IN_FLIGHT = "in flight"
    YOUNG = "too young to judge"
    ENDED = "its attempt has ended, and nothing that is kept names it"
    NOBODYS = "nobody has named it for a week"


DELETED = (BlobStatus.ENDED, BlobStatus.NOBODYS)

# The kinds of the database, as they are counted: a head is one file of a state as any other.
KINDS = {
    "state": "states",
    "head": "states",
    "pack": "states",
    "dataset": "datasets",
    "weights": "weights",
    "predictions": "predictions",
}
OTHERS = ("database", str(BlobStatus.IN_FLIGHT), str(BlobStatus.YOUNG), "clean-up")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Some files of a store and their bytes. name: of a kind of files, or of a job."""

    name: str
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the bytes of a store are for. Files that several jobs share are counted for each of them in `jobs`, and once
    in `kinds`. free_bytes: None where the store does not tell."""

    kinds: tuple[Share, ...]
    jobs: tuple[Share, ...]
    free_bytes: int | None

    @property
    def size_bytes(self) -> int:
        return sum(share.size_bytes for share in self.kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanUp:
    """What nothing needs, with why, and what stays. states: what each done job keeps beside its weights."""

    blobs: tuple[tuple[Listed, BlobStatus], ...]
    leftovers: tuple[Leftover, ...]
    states: tuple[Share, ...]
    stays: tuple[Share, ...]

    @property
    def files(self) -> int:
        return len(self.blobs) + len(self.leftovers) + sum(it.files for it in self.states)

    @property
    def size_bytes(self) -> int:
        others = sum(it.size_bytes for it in self.leftovers) + sum(it.size_bytes for it in self.states)
        return sum(it.blob.size_bytes for it, _ in self.blobs) + others


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What the database counts on, as it said at its head."""

    blobs: tuple[NeededBlob, ...]
    places: frozenset[str]
    digests: frozenset[str]
    unplaced: frozenset[str]
    """Digests of those that an older qcqueue stored, which knew one place a digest."""
    live_owners: frozenset[str]

    def hold(self, blob: Blob) -> bool:
        return blob.place in self.places if blob.place else blob.sha256 in self.unplaced


def usage(context: QueueContext) -> Usage:
    """Count what is in the store. Raises: StoreError."""
    listed, needs = _look(context)
    found: dict[str, list[int]] = defaultdict(list)
    of_jobs: dict[str, list[int]] = defaultdict(list)
    kinds = {it.blob: it.kind for it in reversed(needs.blobs)}
    for blob, kind in kinds.items():
        found[KINDS.get(kind, kind)].append(blob.size_bytes)
    for it in dict.fromkeys((it.blob, it.job_name) for it in needs.blobs if it.job_name is not None):
        of_jobs[str(it[1])].append(it[0].size_bytes)
    for listing in listed:
        standing = standing_of(listing, needs)
        if standing is not BlobStatus.NEEDED:
            found["clean-up" if standing in DELETED else str(standing)].append(listing.blob.size_bytes)
    found["clean-up"] += [it.size_bytes for it in _leftovers(context)]
    found["database"] += _database_sizes(context)
    return Usage(
        kinds=tuple(
            _share(name, found[name]) for name in dict.fromkeys([*KINDS.values(), *OTHERS, *found]) if found.get(name)
        ),
        jobs=tuple(_share(name, sizes) for name, sizes in of_jobs.items()),
        free_bytes=context.free_bytes(),
    )


def plan_clean_up(context: QueueContext) -> CleanUp:
    """Say what of the store nothing needs. Raises: StoreError."""
    from qcqueue.app.done_states import plan_states

    listed, needs = _look(context)
    stays: dict[BlobStatus, list[int]] = defaultdict(list)
    doomed: list[tuple[Listed, BlobStatus]] = []
    for it in listed:
        standing = standing_of(it, needs)
        if standing in DELETED:
            doomed.append((it, standing))
        else:
            stays[standing].append(it.blob.size_bytes)
    return CleanUp(
        blobs=tuple(doomed),
        leftovers=_leftovers(context),
        states=plan_states(context),
        stays=tuple(_share(str(one), stays[one]) for one in BlobStatus if one not in DELETED),
    )


def clean_up(context: QueueContext, plan: CleanUp, *, done: Callable[[int], None] = lambda files: None) -> Share:
    """Delete what a plan names and nothing has come to need since; return what that was.

    done is told how many files are gone. Raises: StoreError: what is deleted by then stays deleted; plan again.
    OlderSession: nothing is deleted.
    """
    from qcqueue.app.done_states import let_go_of_states

    if plan.files:
        context.ask_to_write()
    sizes: list[int] = []
    deleted: list[Blob] = []
    store = context.store
    try:
        for batch in _batches(plan):
            needs = ask_needs(context, deleted)
            deleted.clear()
            for it in batch:
                if standing_of(it, needs) in DELETED:
                    store.delete(it.blob)
                    deleted.append(it.blob)
                    sizes.append(it.blob.size_bytes)
            done(len(sizes))
        for job in plan.states:
            sizes += [blob.size_bytes for blob in let_go_of_states(context, job.name)]
            done(len(sizes))
        for leftover in plan.leftovers:
            remove(leftover)
            sizes.append(leftover.size_bytes)
        done(len(sizes))
    finally:
        if deleted:  # it only spares the next session from deleting them again
            with contextlib.suppress(StoreError):
                ask_needs(context, deleted)
    return _share("deleted", sizes)


def delete_unneeded(context: QueueContext, blobs: Sequence[Blob]) -> None:
    """Delete what somebody has just let go of, unless others have come to need it since. Raises: StoreError."""
    if not blobs:
        return
    needs = ask_needs(context)
    gone = [blob for blob in blobs if not needs.hold(blob)]
    for blob in gone:
        context.store.delete(blob)
    ask_needs(context, gone)


def standing_of(it: Listed, needs: Needs) -> BlobStatus:
    """Judge a blob by what the database has said after it was listed."""
    if needs.hold(it.blob):
        return BlobStatus.NEEDED
    if it.owner in needs.live_owners:
        return BlobStatus.IN_FLIGHT
    if is_orphan(it, needs.places, needs.live_owners):
        return BlobStatus.ENDED
    if is_an_attempts(it) or it.age_s < GRACE_S:
        return BlobStatus.YOUNG
    if needs.live_owners and it.blob.sha256 in {*needs.digests, ""}:
        # A dataset that was added again is found where it was stored last; an attempt that was claimed before may still
        # be fetching the old copy.
        return BlobStatus.IN_FLIGHT
    return BlobStatus.NOBODYS


def _look(context: QueueContext) -> tuple[tuple[Listed, ...], Needs]:
    """Return what the store lists, each place once, and what the database needs: in this order."""
    context.check_files()
    try:
        found = {(it.blob.place, it.blob.sha256): it for it in context.store.list_blobs()}
    except StoreError:
        ask_needs(context)  # a queue that is not there says more than a folder that is not
        raise
    return tuple(found.values()), ask_needs(context)


def ask_needs(context: QueueContext, deleted: Iterable[Blob] = ()) -> Needs:
    """Ask the database what it counts on, at its head and never a copy, and record there what is deleted by now.

    Raises: StoreError.
    """
    gone, now_s = tuple(deleted), context.clock.now_s()

    def ask(tx: "Connection") -> tuple[tuple[NeededBlob, ...], frozenset[str]]:
        mark_deleted(tx, gone, now_s=now_s)
        return needed_blobs(tx), live_owners(tx)

    blobs, live = context.transact(ask)
    return Needs(
        blobs=blobs,
        places=frozenset(it.blob.place for it in blobs if it.blob.place),
        digests=frozenset(it.blob.sha256 for it in blobs),
        unplaced=frozenset(it.blob.sha256 for it in blobs if not it.blob.place),
        live_owners=live,
    )


def _batches(plan: CleanUp) -> Iterator[Sequence[Listed]]:
    """Yield what is deleted between two questions: of what is nobody's one by one, as a person may be naming it now."""
    ended = [it for it, standing in plan.blobs if standing is BlobStatus.ENDED]
    yield from (ended[first : first + BATCH] for first in range(0, len(ended), BATCH))
    yield from ((it,) for it, standing in plan.blobs if standing is BlobStatus.NOBODYS)


def _leftovers(context: QueueContext) -> tuple[Leftover, ...]:
    if context.folder is None:
        return ()
    from qcqueue.stores.shared import DiskClock

    found = leftovers(context.folder, now_s=DiskClock(context.folder).now_s())
    return tuple(it for it in found if it.age_s >= LEFTOVER_GRACE_S)


def _database_sizes(context: QueueContext) -> list[int]:
    """Return the sizes of the database's files, where that costs nothing."""
    if context.folder is None:
        return []
    slots, file = context.folder / "slots", context.folder / DATABASE_FILE
    found = slots.iterdir() if context.slots else [file]
    sizes: list[int] = []
    for path in found:
        with contextlib.suppress(OSError):
            sizes.append(path.stat().st_size)
    return sizes


def _share(name: str, sizes: Sequence[int]) -> Share:
    return Share(name=name, files=len(sizes), size_bytes=sum(sizes))
