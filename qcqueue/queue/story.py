"""The history table: every transition says who, what and why. Rows are only ever added."""

from sqlalchemy import Connection, insert

from qcqueue.database.schema import history


def tell(
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
    tx.execute(_LINE, line)


_LINE = insert(history)
