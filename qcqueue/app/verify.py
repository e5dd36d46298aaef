"""Checking everything a queue counts on, byte by byte, and saying what is damaged and what that costs.

It reads the store itself, never what this machine keeps beside it, and repairs nothing. Always true: what is said to be
damaged was still needed after it had been found so.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.app.upkeep import Needs, ask_needs
from qcqueue.app.workplace import Workplace, rehearse
from qcqueue.core.spelling import printable
from qcqueue.core.states import State
from qcqueue.core.words import listed, size
from qcqueue.database.audit import audit_versions, flaws_of
from qcqueue.errors import BlobMissing, CorruptionError
from qcqueue.queue.blobs import live_packs
from qcqueue.queue.checkpoints import resumable
from qcqueue.queue.damage import damage_of
from qcqueue.queue.datasets import list_datasets
from qcqueue.queue.jobs import find_job
from qcqueue.queue.overview import job_lines
from qcqueue.queue.pretrained import all_kept_weights
from qcqueue.queue.values import Checkpoint, DatasetLine
from qcqueue.storage.base import Blob, Moved, Store, silently

if TYPE_CHECKING:
    from sqlalchemy import Connection

QUEUE = "the queue itself cannot be read; bring the folder back from a backup"
HISTORY = "only an older day of the queue; nothing needs it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that is damaged. what: its name for a person. costs: what is lost with it. hint: how to mend it."""

    what: str
    kind: str
    why: str
    costs: str
    sha256: str = ""
    jobs: tuple[str, ...] = ()
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was looked at. is_quick: whether bytes were only counted."""

    blobs: int
    size_bytes: int
    versions: int
    is_quick: bool
    faults: tuple[Fault, ...]


def verify(workplace: Workplace, *, quick: bool = False, progress: Moved = silently) -> Verified:
    """Check every version and every blob that is needed; quick: of blobs only that they are there, and their size.

    progress is told of the bytes of blobs. Raises: StoreError: the store does not answer. CorruptionError: the queue
    of this machine cannot be read at all. UnknownFormat.
    """
    versions, faults = _database(workplace)
    if not any(fault.costs == QUEUE for fault in faults):
        faults += _rows(workplace)
    if any(fault.costs == QUEUE for fault in faults):
        return Verified(blobs=0, size_bytes=0, versions=versions, is_quick=quick, faults=tuple(faults))
    blobs = tuple(dict.fromkeys(it.blob for it in ask_needs(workplace).blobs))
    damaged = _damaged(workplace, blobs, quick=quick, progress=progress)
    if damaged:
        # A session at work retires and deletes: what is not needed any more by now was not damaged.
        faults += _told(workplace, ask_needs(workplace), damaged)
    return Verified(
        blobs=len(blobs),
        size_bytes=sum(blob.size_bytes for blob in blobs),
        versions=versions,
        is_quick=quick,
        faults=tuple(faults),
    )


def _database(workplace: Workplace) -> tuple[int, list[Fault]]:
    if workplace.slots is None:
        with workplace.read() as tx:
            return 1, [_database_fault(says, costs=QUEUE) for says in flaws_of(tx)]
    audit = audit_versions(workplace.slots, workplace.ids)
    faults = [_database_fault(flaw.says, costs=QUEUE if flaw.is_head else HISTORY) for flaw in audit.flaws]
    return audit.versions, faults


def _rows(workplace: Workplace) -> list[Fault]:
    with workplace.read() as tx:
        damaged = damage_of(tx)
    return [_database_fault(str(damaged), costs=QUEUE)] if damaged else []


def _database_fault(says: str, *, costs: str) -> Fault:
    return Fault(what="the database", kind="database", why=says, costs=costs)


def _damaged(workplace: Workplace, blobs: Sequence[Blob], *, quick: bool, progress: Moved) -> dict[Blob, str]:
    """Return what is wrong with each blob that is not as it should be."""
    store, damaged = workplace.store_itself, dict[Blob, str]()
    done, size_bytes = 0, sum(blob.size_bytes for blob in blobs)
    workplace.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=workplace.cache, prefix="verify-") as folder:
        for blob in blobs:
            why = _miscounted(store, blob) if quick else _misread(store, blob, Path(folder) / "blob")
            if why:
                damaged[blob] = why
            done += blob.size_bytes
            progress(done, size_bytes)
    return damaged


def _miscounted(store: Store, blob: Blob) -> str | None:
    found = store.size(blob)
    if found is None:
        return "the store does not have it"
    return None if found == blob.size_bytes else f"it has {size(found)} and should have {size(blob.size_bytes)}"


def _misread(store: Store, blob: Blob, target: Path) -> str | None:
    try:
        store.fetch(blob, target)
    except BlobMissing:
        return "the store does not have it"
    except CorruptionError as exc:
        return str(exc)
    target.unlink(missing_ok=True)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What tells the cost of a damage. checkpoints: of each job, newest first."""

    checkpoints: Mapping[str, Sequence[Checkpoint]]
    done: frozenset[str]
    datasets: Sequence[DatasetLine]
    pretrained: frozenset[Blob]


def _told(workplace: Workplace, needs: Needs, damaged: Mapping[Blob, str]) -> Iterator[Fault]:
    """Yield each damaged blob that is needed, with what it costs."""
    users: dict[Blob, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for it in needs.blobs:
        if it.blob in damaged:
            users[it.blob][it.kind] += [] if it.job_name is None else [it.job_name]
    names = tuple(dict.fromkeys(name for kinds in users.values() for jobs in kinds.values() for name in jobs))
    # A checkpoint of an older qcqueue is completed while it is looked at, which is taken back.
    facts = rehearse(workplace.database, lambda tx: _facts(tx, names))
    for blob, why in damaged.items():
        for kind, jobs in users[blob].items():
            costs, hint = _cost(blob, kind, jobs, facts, damaged.keys())
            yield Fault(
                what=f"{'state' if kind == 'pack' else kind} {blob.sha256[:12]}",
                kind=kind,
                why=why,
                costs=costs,
                sha256=blob.sha256,
                jobs=tuple(jobs),
                hint=hint,
            )


def _facts(tx: "Connection", names: Iterable[str]) -> _Facts:
    packs = live_packs(tx)
    return _Facts(
        checkpoints={name: resumable(tx, find_job(tx, name).id, packs) for name in names},
        done=frozenset(line.name for line in job_lines(tx) if line.state is State.DONE),
        datasets=list_datasets(tx),
        pretrained=all_kept_weights(tx),
    )


def _cost(
    blob: Blob, kind: str, jobs: Sequence[str], facts: _Facts, damaged: AbstractSet[Blob]
) -> tuple[str, str | None]:
    """Return what is lost with a blob, and how to mend that."""
    whose = listed([printable(name) for name in jobs])
    match kind:
        case "dataset":
            names = [it.name for it in facts.datasets if it.blob == blob]
            again = f"qcqueue data add PATH --name {names[0]}" if names else None
            return f"the dataset {listed(names)}: no new session can train on it until it is added again", again
        case "weights" if blob in facts.pretrained:
            return f"kept ImageNet weights, those of {whose}: the next session that needs them downloads them", None
        case "weights":
            again = "qcqueue enqueue with the same study file again, where the weights file is"
            return f"the weights file of {whose}: no new session can begin with it until it is stored again", again
        case "predictions":
            return f"the predictions of {whose}; the figures stay", None
        case _:
            costs = [_cost_of_save(name, blob, facts, damaged) for name in jobs]
            return "; ".join(costs), None


def _cost_of_save(name: str, blob: Blob, facts: _Facts, damaged: AbstractSet[Blob]) -> str:
    job, saves = printable(name), facts.checkpoints[name]
    broken = [not damaged.isdisjoint((*save.state.blobs, *save.best)) for save in saves]
    if name in facts.done:
        is_result = bool(saves) and blob in saves[0].best
        return f"the trained weights of {job}; its figures stay" if is_result else f"a save of {job}, which is done"
    sound = [save for save, is_broken in zip(saves, broken, strict=True) if not is_broken]
    if not sound:
        return f"every save of {job}; it would begin again"
    if sound[0] is saves[0]:
        return f"an older save of {job}; the newest is whole, so nothing is lost"
    return f"the newest save of {job}; it would go on from epoch {sound[0].record.epochs_done}"
