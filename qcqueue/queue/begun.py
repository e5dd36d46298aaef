"""What a run has begun on, which binds a job whose spec says lineage = "same" or "refuse".

Nobody but such jobs pays for the question: the answer stands in the record of a checkpoint, with a whole history.
"""

from collections.abc import Collection

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from qcqueue.core.records import Identity
from qcqueue.database.schema import checkpoints, jobs
from qcqueue.queue.blobs import IS_KEPT
from qcqueue.queue.stored import record_of


def begun_on(tx: Connection, names: Collection[str]) -> dict[str, Identity]:
    """Return, for each of these jobs that has a kept checkpoint, the identity its run goes on from: of the newest."""
    if not names:
        return {}
    rows = tx.execute(_NEWEST_RECORDS, {"names": list(names)})
    return {row.name: record_of(row.record).identity for row in rows}


_NAMES: BindParameter[str] = bindparam("names", expanding=True)
_NEWEST = (
    select(func.max(checkpoints.c.id))
    .where(checkpoints.c.job_id == jobs.c.id, IS_KEPT)
    .correlate(jobs)
    .scalar_subquery()
)
_NEWEST_RECORDS = (
    select(jobs.c.name, checkpoints.c.record)
    .join_from(jobs, checkpoints, checkpoints.c.id == _NEWEST)
    .where(jobs.c.name.in_(_NAMES))
)
