"""What is still to be done, and what its like has taken so far: what forecasts and policies are made of. Plain values.

Apart from `job_detail`, because it is one look at all jobs; what follows from it is `planning`'s to say.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, case, func, select

from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.records import Identity
from qcqueue.core.space_forecast import Planned
from qcqueue.core.spec import JobSpec, Trainable
from qcqueue.core.states import State
from qcqueue.database.schema import IS_OFFICIAL, attempts, blobs, checkpoints, datasets, epochs, jobs, sessions
from qcqueue.queue.blobs import needed_blobs
from qcqueue.queue.jobs import begun_on
from qcqueue.queue.reading import dangling
from qcqueue.queue.stored import identity_of, spec_of, summary_of

OPEN = (State.QUEUED, State.RUNNING)
UNFINISHED = (State.QUEUED, State.RUNNING, State.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingJob:
    """A job that is queued or running, in the order of the queue.

    train_images: how many an epoch goes through. processor: where something of it was saved last, None where nothing
    was. was_moved: a person has given it its place. sessions_waited: how many sessions have come and taken other
    jobs since it was enqueued or worked on. begun_on, owner: as `values.Candidate` has them.
    """

    name: str
    spec: JobSpec
    state: State
    epochs_done: int
    train_images: int
    processor: str | None
    was_moved: bool
    sessions_waited: int
    begun_on: Identity | None = None
    owner: str | None = None

    @property
    def has_begun(self) -> bool:
        """Return whether something of it is saved, be it steps of its first epoch."""
        return self.processor is not None

    @property
    def epochs_left(self) -> int:
        """Return how many epochs are to be trained at most: early stopping may end it before."""
        return self.spec.epochs - self.epochs_done


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochsSeen:
    """The epochs of one job on one processor: how many, and their mean seconds with validation, without compiling.

    on_gpu: TensorFlow computed them with CUDA.
    """

    job_name: str
    model: str
    processor: str
    on_gpu: bool
    train_images: int
    pixels: int
    trainable: Trainable
    count: int
    mean_s: float


def jobs_ahead(tx: Connection) -> list[PendingJob]:
    """Return what is queued or running, in the order of the queue."""
    takers = sorted(tx.execute(_TAKERS).scalars())
    found = [
        PendingJob(
            name=row.name,
            spec=spec_of(row.spec),
            state=State(row.state),
            epochs_done=row.epochs_done,
            train_images=summary_of(row.summary).train if row.summary else 0,
            processor=identity_of(row.identity).processor if row.identity else row.processor,
            was_moved=row.moved,
            owner=row.owner,
            # Since a job was worked on last nobody has taken it, so whoever took one since took another.
            sessions_waited=len(takers) - bisect_right(takers, row.waits_since),
        )
        for row in tx.execute(_AHEAD).all()
    ]
    bound = begun_on(tx, [job.name for job in found if job.spec.lineage != "any"])
    return [replace(job, begun_on=bound[job.name]) if job.name in bound else job for job in found]


def epochs_seen(tx: Connection) -> list[EpochsSeen]:
    """Return what epochs have taken, by job and processor, in the order in which they were trained first."""
    found: dict[tuple[str, str], EpochsSeen] = {}
    for row in tx.execute(_EPOCHS).all():
        spec, identity = spec_of(row.spec), identity_of(row.identity)
        processor = identity.processor
        before = found.get((row.name, processor))
        count = row.number + (before.count if before else 0)
        total_s = row.seconds + (before.mean_s * before.count if before else 0.0)
        height, width = spec.image_size
        found[row.name, processor] = EpochsSeen(
            job_name=row.name,
            model=row.model,
            processor=processor,
            on_gpu=bool(identity.cuda or identity.cudnn),
            train_images=summary_of(row.summary).train if row.summary else 0,
            pixels=height * width,
            trainable=spec.trainable,
            count=count,
            mean_s=total_s / count,
        )
    return list(found.values())


def unfinished(tx: Connection) -> tuple[Planned, ...]:
    """Return every job that may still save something, in the order of the queue."""
    stored: Counter[str] = Counter()
    for it in needed_blobs(tx):
        if it.job_name is not None and it.kind in ("state", "pack"):
            stored[it.job_name] += it.blob.size_bytes
    summaries = {row.sha256: row.summary for row in tx.execute(select(datasets.c.sha256, datasets.c.summary))}
    return tuple(
        Planned(
            spec=spec_of(row.spec),
            classes=len(_summary(row, summaries).classes),
            dataset_sha256=row.dataset_sha256,
            dataset_bytes=row.size_bytes,
            stored_bytes=stored[row.name],
        )
        for row in tx.execute(_UNFINISHED)
    )


def _summary(row: Any, summaries: Mapping[str, str]) -> DatasetSummary:
    if row.dataset_sha256 not in summaries:
        raise dangling(f"the dataset of {row.name}")
    return summary_of(summaries[row.dataset_sha256])


# The dataset of a job is pinned by its digest; any name of it tells the same of its images.
_SUMMARY = select(func.min(datasets.c.summary)).where(datasets.c.sha256 == jobs.c.dataset_sha256).scalar_subquery()
_DONE = select(func.count()).where(epochs.c.job_id == jobs.c.id, IS_OFFICIAL).correlate(jobs).scalar_subquery()
_LAST_AT = (
    select(func.max(attempts.c.started_at_s)).where(attempts.c.job_id == jobs.c.id).correlate(jobs).scalar_subquery()
)
# The last checkpoint is of the last attempt that has one: numbers rise, and only the live attempt writes.
_LAST_SAVED_BY = (
    select(checkpoints.c.attempt_id)
    .where(checkpoints.c.job_id == jobs.c.id)
    .order_by(checkpoints.c.id.desc())
    .limit(1)
    .correlate(jobs)
    .scalar_subquery()
)
_LAST_ON = (
    select(sessions.c.processor)
    .join_from(sessions, attempts)
    .where(attempts.c.id == _LAST_SAVED_BY)
    .correlate(jobs)
    .scalar_subquery()
)
# What computed an epoch need not be the processor of its session: a job may want the CPU of a machine with a GPU.
# Sought among the official ones, from the last back: there is an index for that, and none for all rows of a job.
_IDENTITY = case((epochs.c.identity != "", epochs.c.identity), else_=attempts.c.identity)
_LAST_AS = (
    select(_IDENTITY)
    .join_from(epochs, attempts)
    .where(epochs.c.job_id == jobs.c.id, IS_OFFICIAL)
    .order_by(epochs.c.epoch.desc())
    .limit(1)
    .correlate(jobs)
    .scalar_subquery()
)
# When each session took a job last.
_TAKERS = select(func.max(attempts.c.started_at_s)).group_by(attempts.c.session_id)
_AHEAD = (
    select(
        *(jobs.c.name, jobs.c.spec, jobs.c.state, jobs.c.moved, jobs.c.owner),
        _SUMMARY.label("summary"),
        _DONE.label("epochs_done"),
        _LAST_AS.label("identity"),
        _LAST_ON.label("processor"),
        func.coalesce(_LAST_AT, jobs.c.enqueued_at_s).label("waits_since"),
    )
    .where(jobs.c.state.in_(OPEN))
    .order_by(jobs.c.position)
)
# Summed up first, by the index of the official ones: specs and identities are long, and would be sorted with every
# epoch.
_SUMS = (
    select(
        *(epochs.c.job_id, epochs.c.attempt_id, epochs.c.identity),
        func.min(epochs.c.id).label("first"),
        func.count().label("number"),
        func.sum(epochs.c.train_s - func.coalesce(epochs.c.first_step_s, 0.0) + epochs.c.val_s).label("seconds"),
    )
    .where(IS_OFFICIAL)
    .group_by(epochs.c.job_id, epochs.c.attempt_id, epochs.c.identity)
    .subquery()
)
_EPOCHS = (
    select(
        *(jobs.c.name, jobs.c.spec, jobs.c.model),
        *(_SUMS.c.number, _SUMS.c.seconds),
        case((_SUMS.c.identity != "", _SUMS.c.identity), else_=attempts.c.identity).label("identity"),
        _SUMMARY.label("summary"),
    )
    .join_from(_SUMS, jobs, _SUMS.c.job_id == jobs.c.id)
    .join(attempts, _SUMS.c.attempt_id == attempts.c.id)
    .order_by(_SUMS.c.first)
)
_UNFINISHED = (
    select(jobs.c.name, jobs.c.spec, jobs.c.dataset_sha256, blobs.c.size_bytes)
    .join(blobs, blobs.c.sha256 == jobs.c.dataset_sha256)
    .where(jobs.c.state.in_(UNFINISHED))
    .order_by(jobs.c.position)
)
