"""The jobs that are still to run, as a forecast of their bytes wants them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.forecast import Planned
from qcqueue.core.states import State
from qcqueue.database.schema import blobs, datasets, jobs
from qcqueue.queue.blobs import needed_blobs
from qcqueue.queue.reading import dangling
from qcqueue.queue.stored import spec_of, summary_of

UNFINISHED = (State.QUEUED, State.RUNNING, State.HELD)


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


_UNFINISHED = (
    select(jobs.c.name, jobs.c.spec, jobs.c.dataset_sha256, blobs.c.size_bytes)
    .join(blobs, blobs.c.sha256 == jobs.c.dataset_sha256)
    .where(jobs.c.state.in_(UNFINISHED))
    .order_by(jobs.c.position)
)
