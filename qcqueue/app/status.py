"""How a queue stands: every job, what the time of all sessions went into, and when studies were foreseen to be done.

It is read in one look, so that all of it is of one moment; how it is shown is `cli`'s. Always true: a job whose session
died on this machine is shown as free, though the queue learns of that from the next session only.
"""

from dataclasses import dataclass

from qcqueue.app.context import QueueContext
from qcqueue.app.vanished import here_and_now
from qcqueue.queue.forecasts import ForecastLine, newest_forecasts
from qcqueue.queue.job_lines import JobLine, job_lines
from qcqueue.queue.sessions import Accounts, accounts_of, session_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    """One look at a queue. lines: its jobs in their order; foreseen: the newest forecast of each study."""

    lines: tuple[JobLine, ...]
    accounts: Accounts
    foreseen: tuple[ForecastLine, ...]


def status_of(context: QueueContext, *, owner: str | None = None) -> QueueStatus:
    """Look at the queue as it is now, or as this machine last saw it where the store does not answer.

    owner: whose jobs alone to look at, with their time and their studies; None for all.
    """
    with context.read() as tx:
        lines, sessions, foreseen = job_lines(tx), session_lines(tx), newest_forecasts(tx)
    if owner is None:
        accounts = accounts_of(sessions)
    else:
        lines = [line for line in lines if line.owner == owner]
        accounts = accounts_of(sessions, of_jobs={line.name for line in lines})
        foreseen = [line for line in foreseen if line.study in {line.study for line in lines}]
    return QueueStatus(lines=here_and_now(context, lines), accounts=accounts, foreseen=tuple(foreseen))
