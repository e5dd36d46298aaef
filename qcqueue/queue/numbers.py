"""The numbers of attempts: each is given once to a job of a name, and they only rise.

They go on where a job was removed and comes again, was replaced, or where its queue was taken over from a copy, so that
a session that was asleep meanwhile finds its number in no other hands. Always true: `numbers` knows of every claim.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, func, select

from qcqueue.database.dialects import greater_of, insert
from qcqueue.database.rows import after
from qcqueue.database.schema import attempts, jobs, numbers


def give_number(tx: Connection, job_id: int, job_name: str) -> int:
    """Return the number of a new attempt on a job, and remember that it was given.

    Raises: CorruptionError: the numbers of the job are damaged.
    """
    highest = tx.execute(_HIGHEST, {"job": job_id, "name": job_name}).scalar_one()
    number = after(highest, what=f"the number of an attempt on {job_name}")
    tx.execute(_RAISE, {"job_name": job_name, "highest": number})
    return number


def numbers_known(tx: Connection) -> Mapping[str, int]:
    """Return the highest number that was given for each name of a job, also of jobs that are not there any more."""
    return {name: highest for name, highest in tx.execute(_KNOWN)}


def raise_numbers(tx: Connection, known: Mapping[str, int]) -> None:
    """Let the next number of each name be above one that was given elsewhere; none becomes lower."""
    if known:
        tx.execute(_RAISE, [{"job_name": name, "highest": highest} for name, highest in known.items()])


# Statements of every claim are built once: building one costs about as much as running it.
_GIVEN = select(numbers.c.highest).where(numbers.c.job_name == bindparam("name")).scalar_subquery()
_USED = select(func.max(attempts.c.number)).where(attempts.c.job_id == bindparam("job")).scalar_subquery()
_HIGHEST = select(greater_of(func.coalesce(_GIVEN, 0), func.coalesce(_USED, 0)))
_NEW = insert(numbers)
_RAISE = _NEW.on_conflict_do_update(
    ["job_name"], set_={"highest": greater_of(numbers.c.highest, _NEW.excluded["highest"])}
)
_EVERY = (
    select(numbers.c.job_name.label("name"), numbers.c.highest)
    .union_all(select(jobs.c.name, attempts.c.number).join_from(attempts, jobs))
    .subquery()
)
_KNOWN = select(_EVERY.c.name, func.max(_EVERY.c.highest)).group_by(_EVERY.c.name)
