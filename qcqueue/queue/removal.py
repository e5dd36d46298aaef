"""Taking jobs out of the queue for good: their rows go, and the bytes that only they needed are given back.

What stays is one line that says who did it, the time of their sessions, which a quota has counted, and the highest
number that was given to an attempt of each name. Always true: a running job is never removed, and a job is gone as a
whole in one transaction; whoever dies before the bytes are deleted leaves them to the clean-up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, select

from qcqueue.core.states import State
from qcqueue.database.schema import attempts, checkpoints, epochs, forecasts, history, jobs, last_words, packs, results
from qcqueue.errors import IllegalTransition
from qcqueue.queue.blobs import needed_blobs
from qcqueue.queue.history import record_event
from qcqueue.queue.jobs import find_jobs
from qcqueue.queue.numbers import raise_numbers
from qcqueue.stores.base import Blob
from qcqueue.text.humanize import count


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Jobs that are gone, in the order of the queue. epochs: how many of theirs were saved; blobs: what they needed,
    others perhaps too."""

    names: tuple[str, ...] = ()
    epochs: int = 0
    blobs: tuple[Blob, ...] = ()


def remove_jobs(tx: Connection, typed: str, *, who: str, now_s: float) -> Removal:
    """Remove a job, or all jobs of a study ("six-models/").

    Raises: UnknownName. IllegalTransition: one of them is running; nothing is changed.
    """
    return remove_found(tx, find_jobs(tx, typed), who=who, now_s=now_s)


def remove_found(tx: Connection, found: Sequence[Row[Any]], *, who: str, now_s: float) -> Removal:
    """Remove jobs by their rows, as `remove_jobs` does."""
    if not found:
        return Removal()
    if running := [job.name for job in found if job.state == State.RUNNING]:
        raise IllegalTransition(
            f"{running[0]} is running and cannot be removed", hint=f"qcqueue cancel {running[0]}, then the same again"
        )
    names, ids = tuple(job.name for job in found), [job.id for job in found]
    needed = dict.fromkeys(it.blob for it in needed_blobs(tx) if it.job_name in names)
    saved = {job.name: saved_epochs(tx, job.id) for job in found}
    for job in found:
        why = f"{job.name}: {count(saved[job.name], 'saved epoch')}, it was {job.state}"
        record_event(tx, who=who, what="removed", now_s=now_s, why=why)
    given = select(jobs.c.name, func.max(attempts.c.number)).join_from(attempts, jobs).where(jobs.c.id.in_(ids))
    raise_numbers(tx, {name: highest for name, highest in tx.execute(given.group_by(jobs.c.name))})
    _delete_rows(tx, ids, studies={job.study for job in found})
    return Removal(names=names, epochs=sum(saved.values()), blobs=tuple(needed))


def unneeded(tx: Connection, blobs: Iterable[Blob]) -> tuple[Blob, ...]:
    """Return those of the blobs that nothing needs now."""
    needed = {it.blob for it in needed_blobs(tx)}
    return tuple(blob for blob in blobs if blob not in needed)


def saved_epochs(tx: Connection, job_id: int) -> int:
    """Return how many epochs of a job are saved."""
    found = select(func.count()).select_from(epochs).where(epochs.c.job_id == job_id, epochs.c.official)
    return int(tx.execute(found).scalar_one())


def _delete_rows(tx: Connection, ids: Sequence[int], *, studies: set[str]) -> None:
    of_attempts = select(attempts.c.id).where(attempts.c.job_id.in_(ids))
    of_checkpoints = select(checkpoints.c.id).where(checkpoints.c.job_id.in_(ids))
    tx.execute(delete(last_words).where(last_words.c.attempt_id.in_(of_attempts)))
    tx.execute(delete(packs).where(packs.c.checkpoint_id.in_(of_checkpoints)))
    for table in (checkpoints, epochs, results, history, attempts):
        tx.execute(delete(table).where(table.c.job_id.in_(ids)))
    tx.execute(delete(jobs).where(jobs.c.id.in_(ids)))
    has_jobs = exists().where(jobs.c.study == forecasts.c.study)
    tx.execute(delete(forecasts).where(forecasts.c.study.in_(studies), ~has_jobs))
