"""What the queue knows of troubles that came before: evidence on whose a fault is, read inside the same transaction.

What follows from it is `core.failure_policy`'s to decide. Always true: a person's retry or release, and an epoch that
was saved since, start the counting anew; and order is that of transactions, so no machine's clock is asked.
"""

from sqlalchemy import Connection, Select, and_, exists, func, select

from qcqueue.core.failure_policy import Fault
from qcqueue.core.outcomes import Outcome, Trouble
from qcqueue.core.states import Event
from qcqueue.database.schema import attempts, epochs, history, jobs, sessions
from qcqueue.queue.values import Claim


def fault_of(tx: Connection, held: Claim) -> Fault:
    """Return where an attempt is at work."""
    machine = tx.execute(select(sessions.c.machine).where(sessions.c.id == held.session_id)).scalar_one()
    return Fault(session_id=held.session_id, machine=machine)


def earlier_faults(tx: Connection, held: Claim, trouble: Trouble) -> list[Fault]:
    """Return where earlier attempts on the job ended by the same trouble, as far as they still count."""
    rows = tx.execute(_earlier(held, trouble)).all()
    return [Fault(session_id=row.session_id, machine=row.machine) for row in rows]


def machine_has_failed_another(tx: Connection, held: Claim, machine: str) -> bool:
    """Return whether a job other than this has failed on a machine for a fault that nobody could explain, with no epoch
    of any job saved there by an attempt that began later."""
    on_it = select(func.max(attempts.c.id)).join_from(attempts, sessions).join(jobs, jobs.c.id == attempts.c.job_id)
    last = tx.execute(
        on_it.where(
            sessions.c.machine == machine,
            attempts.c.outcome == Outcome.FAILED,
            attempts.c.trouble == Trouble.UNEXPLAINED,
            jobs.c.name != held.job_name,
        )
    ).scalar()
    if last is None:
        return False
    trained_since = exists().where(
        epochs.c.attempt_id == attempts.c.id,
        attempts.c.id > last,
        attempts.c.session_id == sessions.c.id,
        sessions.c.machine == machine,
    )
    return not tx.execute(select(trained_since)).scalar()


def _earlier(held: Claim, trouble: Trouble) -> Select[tuple[str, str]]:
    job_id = select(jobs.c.id).where(jobs.c.name == held.job_name).scalar_subquery()
    last_with_an_epoch = (
        select(func.coalesce(func.max(attempts.c.id), 0))
        .where(attempts.c.job_id == job_id, exists().where(epochs.c.attempt_id == attempts.c.id))
        .scalar_subquery()
    )
    last_decision = (
        select(func.coalesce(func.max(history.c.id), 0))
        .where(history.c.job_id == job_id, history.c.what.in_([Event.RETRIED, Event.RELEASED]))
        .scalar_subquery()
    )
    was_claimed_since = exists().where(
        history.c.job_id == job_id,
        history.c.attempt == attempts.c.number,
        history.c.what == Event.CLAIMED,
        history.c.id > last_decision,
    )
    return (
        select(attempts.c.session_id, sessions.c.machine)
        .join_from(attempts, sessions)
        .where(
            and_(
                attempts.c.job_id == job_id,
                attempts.c.number < held.attempt,
                attempts.c.trouble == trouble,
                attempts.c.id >= last_with_an_epoch,
                was_claimed_since,
            )
        )
        .order_by(attempts.c.id)
    )
