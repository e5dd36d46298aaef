"""What trainers said last: kept with the end of an attempt that did not go well, for the newest few of each job.

`worker` reads and cleans it; here it is only written, pruned and read. Always true: a job has the words of at most
`KEPT_ATTEMPTS` attempts, and each row vouches for what it holds.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from qcqueue.database.dialects import insert
from qcqueue.database.rows import digest_of_row, storable
from qcqueue.database.schema import attempts, jobs, last_words

KEPT_ATTEMPTS = 3

# How much of it whoever asks why is shown.
END_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWords:
    """The end of what the trainer of one attempt said; lines of plain text."""

    attempt: int
    words: str

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self.words.split("\n"))

    @property
    def end(self) -> tuple[str, ...]:
        """The last lines in which anything stands."""
        return tuple(line for line in self.lines if line.strip())[-END_LINES:]


def keep_last_words(tx: Connection, attempt_id: int, words: str) -> None:
    """Keep what the trainer of an attempt said, and let go of what earlier ones of its job did; "" is nothing."""
    if not words:
        return
    row = {"attempt_id": attempt_id, "words": storable(words)}
    row["digest"] = digest_of_row(last_words, row)
    tx.execute(insert(last_words).values(row).on_conflict_do_update(index_elements=["attempt_id"], set_=row))
    job_id = select(attempts.c.job_id).where(attempts.c.id == attempt_id).scalar_subquery()
    too_old = (
        select(attempts.c.id)
        .join_from(attempts, last_words)
        .where(attempts.c.job_id == job_id)
        .order_by(attempts.c.number.desc())
        .offset(KEPT_ATTEMPTS)
    )
    tx.execute(delete(last_words).where(last_words.c.attempt_id.in_(too_old)))


def last_words_of(tx: Connection, job_name: str) -> tuple[LastWords, ...]:
    """Return what is kept of a job's trainers, the oldest first."""
    rows = tx.execute(
        select(attempts.c.number, last_words.c.words)
        .join_from(last_words, attempts)
        .join(jobs)
        .where(jobs.c.name == job_name)
        .order_by(attempts.c.number)
    )
    return tuple(LastWords(attempt=row.number, words=row.words) for row in rows)
