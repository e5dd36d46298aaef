"""Sessions of this machine that look alive in the queue and are dead: shown so at once, before anybody has buried them.

The lock that `work` tests is tested here too, and nothing is taken over or written: the queue learns of it from the
next session. Always true: what another machine's session does is told by its lease alone, as ever.
"""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from qcqueue.app.context import QueueContext
from qcqueue.core.states import State
from qcqueue.queue.job_lines import JobLine


def vanished(context: QueueContext, session_ids: Iterable[str]) -> frozenset[str]:
    """Return those of these sessions whose process on this machine is provably gone."""
    return frozenset(session_id for session_id in session_ids if lives_here(context.cache, session_id) is False)


def lives_here(cache: Path, session_id: str) -> bool | None:
    """Return whether a session of this machine lives, None where no lock here tells, as on Windows, which has none."""
    if sys.platform == "win32":
        return None
    from qcqueue.worker.session_locks import SESSIONS, SessionLocks

    return SessionLocks(cache / SESSIONS).is_alive(session_id)


def as_it_is(lines: Iterable[JobLine], gone: Iterable[str]) -> tuple[JobLine, ...]:
    """Return these lines with the jobs of sessions that are gone as what they are, free for the next session."""
    dead = frozenset(gone)
    return tuple(
        replace(line, state=State.QUEUED, session=None, left_by=line.session)
        if line.state is State.RUNNING and line.session in dead
        else line
        for line in lines
    )


def here_and_now(context: QueueContext, lines: Iterable[JobLine]) -> tuple[JobLine, ...]:
    """Return these lines as this machine can see that they are."""
    known = tuple(lines)
    return as_it_is(known, vanished(context, {line.session for line in known if line.session}))
