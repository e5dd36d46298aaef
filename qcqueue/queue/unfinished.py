"""The jobs that are still to run, as a forecast of their bytes wants them."""

from collections import Counter

from sqlalchemy import Connection, select

from qcqueue.core.canonical import parse_json
from qcqueue.core.dataset import DatasetSummary
from qcqueue.core.forecast import Planned
from qcqueue.core.spec import JobSpec
from qcqueue.core.states import State
from qcqueue.database.schema import blobs, datasets, jobs
from qcqueue.queue.blobs import needed_blobs

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
            spec=JobSpec.from_json(parse_json(row.spec)),
            classes=len(DatasetSummary.from_json(parse_json(summaries[row.dataset_sha256])).classes),
            dataset_sha256=row.dataset_sha256,
            dataset_bytes=row.size_bytes,
            stored_bytes=stored[row.name],
        )
        for row in tx.execute(_UNFINISHED)
    )


_UNFINISHED = (
    select(jobs.c.name, jobs.c.spec, jobs.c.dataset_sha256, blobs.c.size_bytes)
    .join(blobs, blobs.c.sha256 == jobs.c.dataset_sha256)
    .where(jobs.c.state.in_(UNFINISHED))
    .order_by(jobs.c.position)
)
