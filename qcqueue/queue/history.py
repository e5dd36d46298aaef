"""The history table: every transition says who, what and why. Rows are only ever added, and vouch for themselves."""

from sqlalchemy import Connection, insert

from qcqueue.database.rows import next_id, vouched
from qcqueue.database.schema import history


def record_event(
    tx: Connection,
    *,
    who: str,
    what: str,
    now_s: float,
    job_id: int | None = None,
    attempt: int | None = None,
    why: str,
) -> None:
    """Add one line to the story of a job, or of the queue where `job_id` is None."""
    line = {"at_s": now_s, "who": who, "what": what, "job_id": job_id, "attempt": attempt, "why": why}
    tx.execute(_LINE, vouched(history, {"id": next_id(tx, history), **line}))


_LINE = insert(history)
