"""What sessions have expected, kept beside what came, so that a forecast can be judged by those before it."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, exists, func, insert, select

from qcqueue.core.states import State
from qcqueue.database.rows import next_id
from qcqueue.database.schema import forecasts, jobs, results
from qcqueue.queue.sessions import SessionLine, session_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastLine:
    """What a session expected of a moment, in seconds since 1970 UTC; in four of five cases between low_s and high_s.

    study: the one that would be done then; None: the session itself would be taken away. came_at_s: when it came.
    not_before_s: until when it is known not to have come, as of a session that left before it was taken away.
    """

    session_id: str
    study: str | None
    made_at_s: float
    low_s: float
    likely_s: float
    high_s: float
    came_at_s: float | None = None
    not_before_s: float | None = None


def note_forecasts(tx: Connection, made: Iterable[ForecastLine]) -> None:
    """Write down what a session expects; whoever was not told that it was written may do so again."""
    for line in made:
        if not tx.execute(_SAME, {"session": line.session_id, "about": line.study, "made": line.made_at_s}).first():
            row = {name: getattr(line, name) for name in _COLUMNS}
            tx.execute(insert(forecasts), {"id": next_id(tx, forecasts), **row})


def forecast_lines(tx: Connection, lives: Iterable[SessionLine] | None = None) -> list[ForecastLine]:
    """Return every forecast with what came of it, the oldest first. lives: all sessions, where they are known."""
    done_at_s = {row.study: row.done_at_s for row in tx.execute(_DONE_AT)}
    ended = {line.id: line for line in (session_lines(tx) if lives is None else lives) if line.is_over}
    found = []
    for row in tx.execute(select(forecasts).order_by(forecasts.c.id)):
        session = ended.get(row.session_id)
        came_at_s, left_at_s = done_at_s.get(row.study), None
        if row.study is None and session:
            came_at_s, left_at_s = (None, session.ended_at_s) if session.ended_at_s else (session.seen_at_s, None)
        known = {name: row._mapping[name] for name in _COLUMNS}
        found.append(ForecastLine(**known, came_at_s=came_at_s, not_before_s=left_at_s))
    return found


def newest_forecasts(tx: Connection) -> list[ForecastLine]:
    """Return the newest forecast of each study that is not done, for `status`, which must answer at once."""
    rows = tx.execute(_NEWEST)
    return [ForecastLine(**{name: row._mapping[name] for name in _COLUMNS}) for row in rows]


_COLUMNS = ("session_id", "study", "made_at_s", "low_s", "likely_s", "high_s")
_SAME = select(forecasts.c.id).where(
    forecasts.c.session_id == bindparam("session"),
    forecasts.c.study.is_not_distinct_from(bindparam("about")),
    forecasts.c.made_at_s == bindparam("made"),
)
# When the last job of a study was done; a study with a job that is not done has no such moment.
_DONE_AT = (
    select(jobs.c.study, func.max(results.c.committed_at_s).label("done_at_s"))
    .outerjoin_from(jobs, results)
    .where(jobs.c.state != State.CANCELLED)
    .group_by(jobs.c.study)
    .having(func.count() == func.count(results.c.job_id))
)
_IDS = select(func.max(forecasts.c.id)).where(forecasts.c.study.is_not(None)).group_by(forecasts.c.study)
_IS_OPEN = exists().where(jobs.c.study == forecasts.c.study, jobs.c.state.in_((State.QUEUED, State.RUNNING)))
_NEWEST = select(forecasts).where(forecasts.c.id.in_(_IDS), _IS_OPEN).order_by(forecasts.c.likely_s)
