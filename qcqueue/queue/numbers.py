"""The numbers of attempts, which only rise: also where a job was removed and comes again, or its queue was put back.

An attempt is fenced by its number, so one that was ever given out for a job of some name is never given out again.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.dialects.sqlite import insert

from qcqueue.database.schema import attempts, jobs, numbers


def numbers_known(tx: Connection) -> dict[str, int]:
    """Return the highest number that was ever given to an attempt on each job, by name, removed jobs included."""
    known = {row.job_name: row.highest for row in tx.execute(select(numbers))}
    for row in tx.execute(_GIVEN):
        known[row.name] = max(row.highest, known.get(row.name, 0))
    return known


def highest_number(tx: Connection, job_name: str) -> int:
    """Return the highest number that is known of a job besides those of its attempts; 0 where there is none."""
    return int(tx.execute(_HIGHEST, {"job": job_name}).scalar_one_or_none() or 0)


def raise_numbers(tx: Connection, known: Mapping[str, int]) -> None:
    """Let attempts on jobs of these names go on above these numbers."""
    if known:
        tx.execute(_RAISE, [{"job_name": name, "highest": highest} for name, highest in known.items()])


_GIVEN = select(jobs.c.name, func.max(attempts.c.number).label("highest")).join_from(attempts, jobs).group_by(jobs.c.id)
_HIGHEST = select(numbers.c.highest).where(numbers.c.job_name == bindparam("job"))
_PUT = insert(numbers)
_RAISE = _PUT.on_conflict_do_update(
    index_elements=[numbers.c.job_name], set_={"highest": func.max(numbers.c.highest, _PUT.excluded.highest)}
)
