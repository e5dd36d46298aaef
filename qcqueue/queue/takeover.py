"""Going on with a queue that was put back from a copy: what is lost with it, and what must not happen again.

One transaction on what the store shows, with a look at what it has lost. Nothing is joined: what was lost stays lost.
Always true: every attempt that may still believe that it is live has ended, and its number is given to nobody else.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sqlalchemy import Connection, select

from qcqueue.core.states import State
from qcqueue.database.schema import attempts, datasets, jobs
from qcqueue.queue.claim import claim, live_attempts
from qcqueue.queue.history import record_event
from qcqueue.queue.job_lines import JobLine, job_lines
from qcqueue.queue.numbers import numbers_known, raise_numbers

WHY = "the store was put back from a copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class LostJob:
    """What a job has lost. is_gone: all of it; epochs: how many more it had; result: whether it was done."""

    name: str
    is_gone: bool
    epochs: int
    result: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """What taking a queue over has come to. datasets: the names of those lost. ended: jobs and numbers of attempts.

    over: the sessions and numbers of all attempts of which the lost queue knew, with the names of their jobs: none of
    them can save anything any more.
    """

    jobs: tuple[LostJob, ...]
    datasets: tuple[str, ...]
    ended: tuple[tuple[str, int], ...]
    over: Mapping[tuple[str, int], str]


def take_over(
    tx: Connection, lost: Connection | None, *, who: str, told: str, spares_new: bool, now_s: float
) -> TakenOver:
    """End what may be live and lift numbers above those that were given out. lost: the queue as it was before.

    lost is None where nothing of it can be read. told: which heads they were, for the story. spares_new: leave attempts
    alone of which the lost queue knows nothing: they began after somebody else had taken the store over already, or
    beside it.
    """
    known = _attempts_in(lost) if lost else frozenset()
    live = [(it.job_name, it.number, it.session_id) for it in live_attempts(tx)]
    ended = tuple(
        (name, number) for name, number, session in live if not spares_new or (name, number, session) in known
    )
    raise_numbers(tx, numbers_known(lost) if lost else {})
    record_event(tx, who=who, what="taken over", now_s=now_s, why=told)
    # To bury attempts and take no job.
    claim(tx, who, gone=dict.fromkeys(ended, WHY), choose=lambda jobs: None, now_s=now_s)
    return TakenOver(
        jobs=tuple(_lost_jobs(job_lines(lost), {line.name: line for line in job_lines(tx)})) if lost else (),
        datasets=tuple(sorted(_datasets_in(lost) - _datasets_in(tx))) if lost else (),
        ended=ended,
        over={(session, number): name for name, number, session in known},
    )


def _lost_jobs(before: list[JobLine], now: dict[str, JobLine]) -> list[LostJob]:
    found: list[LostJob] = []
    for line in before:
        here = now.get(line.name)
        epochs = max(0, line.epochs_done - (here.epochs_done if here else 0))
        result = line.state is State.DONE and (here is None or here.state is not State.DONE)
        if here is None or epochs or result:
            found.append(LostJob(name=line.name, is_gone=here is None, epochs=epochs, result=result))
    return found


def _attempts_in(tx: Connection) -> AbstractSet[tuple[str, int, str]]:
    rows = tx.execute(select(jobs.c.name, attempts.c.number, attempts.c.session_id).join_from(attempts, jobs))
    return {(row.name, row.number, row.session_id) for row in rows}


def _datasets_in(tx: Connection) -> AbstractSet[str]:
    return {str(name) for name in tx.scalars(select(datasets.c.name))}
