"""Checking everything a queue counts on, byte by byte, and saying what is damaged and what that costs.

It reads the store itself, never what this machine keeps beside it, and repairs nothing. Always true: what is said to be
damaged was still needed after it had been found so.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.app.context import QueueContext, rehearse
from qcqueue.app.gc import Needs, ask_needs
from qcqueue.core.states import State
from qcqueue.database.audit import Flaw, audit_database, audit_versions
from qcqueue.database.known import ADOPT
from qcqueue.database.row_audit import RowAudit, RowFlaw
from qcqueue.database.sqlite import RESCUE
from qcqueue.errors import BlobMissing, CorruptionError
from qcqueue.queue.blobs import live_packs
from qcqueue.queue.checkpoints import resumable
from qcqueue.queue.damage import damage_of
from qcqueue.queue.datasets import list_datasets
from qcqueue.queue.job_lines import job_lines
from qcqueue.queue.jobs import find_job
from qcqueue.queue.pretrained import all_kept_weights
from qcqueue.queue.values import Checkpoint, DatasetLine
from qcqueue.stores.base import Blob, Moved, Store, silently
from qcqueue.stores.files import scratch
from qcqueue.text.humanize import count, listed, size
from qcqueue.text.suggest import printable

if TYPE_CHECKING:
    from sqlalchemy import Connection

QUEUE = "the queue itself cannot be read"
ILLEGIBLE = "whatever reads it fails"
LOST = "what was saved since; no command shows or changes the queue from here until one of the two is chosen"
FINAL = (QUEUE, LOST, ILLEGIBLE)
"""What nothing else is looked at for."""
HISTORY = "only an older day of the queue; nothing needs it"
FORK = "perhaps what another machine has saved there; it is not in the queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
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
    """What was looked at. is_quick: whether bytes were only counted.

    rows: those that were compared with their digests; rows_not_covered: those of before format 6, which have none.
    """

    blobs: int
    size_bytes: int
    versions: int
    is_quick: bool
    faults: tuple[Damage, ...]
    rows: int
    rows_not_covered: int


def verify(context: QueueContext, *, quick: bool = False, progress: Moved = silently) -> Verified:
    """Check every version, every row and every blob that is needed.

    quick: of blobs only that they are there, and their size. progress is told of the bytes of blobs. Raises:
    StoreError: the store does not answer. CorruptionError: the queue of this machine cannot be read at all.
    UnknownFormat. SettingInvalid: the store has the files of another queue.
    """
    versions, faults, rows = _database(context)
    faults += _row_faults(rows, _rescue(context))
    if not any(fault.costs in FINAL for fault in faults):
        faults += _illegible(context)
    counted = {"versions": versions, "rows": rows.covered, "rows_not_covered": rows.not_covered}
    if any(fault.costs in FINAL for fault in faults):
        return Verified(blobs=0, size_bytes=0, is_quick=quick, faults=tuple(faults), **counted)
    context.check_files()
    blobs = tuple(dict.fromkeys(it.blob for it in ask_needs(context).blobs))
    damaged = _damaged(context, blobs, quick=quick, progress=progress)
    if damaged:
        # A session at work retires and deletes: what is not needed any more by now was not damaged.
        faults += _told(context, ask_needs(context), damaged)
    return Verified(
        blobs=len(blobs),
        size_bytes=sum(blob.size_bytes for blob in blobs),
        is_quick=quick,
        faults=tuple(faults),
        **counted,
    )


def _database(context: QueueContext) -> tuple[int, list[Damage], RowAudit]:
    if context.slots is None:
        with context.read() as tx:
            flaws, rows = audit_database(tx)
        return 1, [_database_fault(says, costs=QUEUE, hint=_rescue(context)) for says in flaws], rows
    audit = audit_versions(context.slots, context.ids)
    faults = [_version_fault(flaw) for flaw in audit.flaws]
    can_be_read = not any(flaw.is_head for flaw in audit.flaws)
    if can_be_read and context.versions and (put_back := context.versions.put_back()):
        faults.append(_database_fault(context.versions.told(put_back), costs=LOST, hint=ADOPT))
    return audit.versions, faults, audit.rows


def _rescue(context: QueueContext) -> str:
    return f"put the database {context.server.database} back from a backup" if context.server else RESCUE


def _row_faults(rows: RowAudit, rescue: str) -> Iterator[Damage]:
    for flaw in rows.flaws:
        what, costs = _of_row(flaw)
        yield Damage(
            what=what,
            kind="row",
            why=flaw.says,
            costs=costs if flaw.is_legible else ILLEGIBLE,
            jobs=() if flaw.job is None else (flaw.job,),
            hint=None if flaw.is_legible else rescue,
        )
    if rows.more:
        why = "they are not what was written, like those before"
        yield Damage(what=f"{count(rows.more, 'more row')}", kind="row", why=why, costs="as with those before")


def _of_row(flaw: RowFlaw) -> tuple[str, str]:
    """Return what a row is for a person, and what is lost with it."""
    job = "a job" if flaw.job is None else printable(flaw.job)
    attempt = "an attempt" if flaw.attempt is None else f"attempt {flaw.attempt}"
    epoch = "an epoch" if flaw.epoch is None else f"epoch {flaw.epoch}"
    match flaw.table:
        case "epochs":
            return f"{epoch} of {job}, {attempt}", "its figures cannot be trusted"
        case "checkpoints":
            where = "a save" if flaw.epoch is None else f"the save after epoch {flaw.epoch}"
            return (
                f"{where} of {job}, {attempt}",
                "a run that goes on from it may go wrong; its files are checked apart",
            )
        case "attempts":
            return f"{attempt} on {job}", "how it ended, and what its time went into, cannot be trusted"
        case "results":
            return f"the result of {job}", "its final figures cannot be trusted"
        case "history":
            whose = "the queue" if flaw.job is None else job
            return f"a line in the history of {whose}", "what it says cannot be trusted"
        case "last_words":
            return f"what the trainer of {attempt} said", "what it says cannot be trusted"
        case _:
            return f"a row of the table {flaw.table}", ILLEGIBLE


def _illegible(context: QueueContext) -> list[Damage]:
    """Return what no command could make values of, though each row is a row."""
    with context.read() as tx:
        damaged = damage_of(tx)
    return [_database_fault(str(damaged), costs=ILLEGIBLE, hint=_rescue(context))] if damaged else []


def _version_fault(flaw: Flaw) -> Damage:
    if flaw.is_head:
        return _database_fault(flaw.says, costs=QUEUE, hint=RESCUE)
    return _database_fault(flaw.says, costs=FORK, hint=ADOPT) if flaw.is_fork else _database_fault(flaw.says)


def _database_fault(says: str, *, costs: str = HISTORY, hint: str | None = None) -> Damage:
    return Damage(what="the database", kind="database", why=says, costs=costs, hint=hint)


def _damaged(context: QueueContext, blobs: Sequence[Blob], *, quick: bool, progress: Moved) -> dict[Blob, str]:
    """Return what is wrong with each blob that is not as it should be."""
    store, damaged = context.store_itself, dict[Blob, str]()
    done, size_bytes = 0, sum(blob.size_bytes for blob in blobs)
    context.cache.mkdir(parents=True, exist_ok=True)
    with scratch(context.cache, prefix="verify-") as folder:
        for blob in blobs:
            why = _miscounted(store, blob) if quick else _misread(store, blob, folder / "blob")
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


def _told(context: QueueContext, needs: Needs, damaged: Mapping[Blob, str]) -> Iterator[Damage]:
    """Yield each damaged blob that is needed, with what it costs."""
    users: dict[Blob, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for it in needs.blobs:
        if it.blob in damaged:
            users[it.blob][it.kind] += [] if it.job_name is None else [it.job_name]
    names = tuple(dict.fromkeys(name for kinds in users.values() for jobs in kinds.values() for name in jobs))
    # A checkpoint of an older qcqueue is completed while it is looked at, which is taken back.
    facts = rehearse(context.database, lambda tx: _facts(tx, names))
    for blob, why in damaged.items():
        for kind, jobs in users[blob].items():
            costs, hint = _cost(blob, kind, jobs, facts, damaged.keys())
            yield Damage(
                what=f"{'state' if kind in ('pack', 'head') else kind} {blob.sha256[:12]}",
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
