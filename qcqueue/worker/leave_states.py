"""What a state of a session is, and the two in which it leaves: said goodbye to, or withdrawn from its queue.

Leaving keeps what is not saved where it lies, for the next session of the machine. Always true: a goodbye that nobody
hears costs nothing, for nothing is held any more.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from qcqueue.core.goodput import Part, session_said
from qcqueue.core.obstacles import Obstacle
from qcqueue.core.outcomes import SessionEnd
from qcqueue.errors import (
    NOTHING_CAN_BE_SAVED,
    MachineError,
    NewerQueue,
    QcqueueError,
    QueueMoved,
    StoreError,
    StorePutBack,
)
from qcqueue.queue.claim import end_session
from qcqueue.queue.obstacles import note_obstacles
from qcqueue.worker.progress_text import left_behind, left_unsaved

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qcqueue.worker.session import Session

SOON_S = 0.1


class SessionState(Protocol):
    """What a session is about. Values: one that was left behind says nothing of the next of its kind."""

    def step(self, session: "Session") -> "NextState":
        """Do one bounded piece of work. What it raises leaves the session in this state."""
        ...


@dataclass(frozen=True, slots=True)
class NextState:
    """What a session is about from now on, None where it is over, and in how many seconds its next step is due."""

    state: SessionState | None
    wait_s: float = 0.0


IT_IS_OVER = NextState(None)


@dataclass(frozen=True, slots=True)
class Leave:
    """Say goodbye, apart from the work of the step before: its errors are not those of a job.

    found: what was in the way of jobs at a look that ended with none of them; it is remembered with the goodbye.
    """

    ending: SessionEnd
    found: Mapping[str, Obstacle] = field(default_factory=dict)

    def step(self, session: "Session") -> NextState:
        deps, seconds, now_s = session.deps, session.ledger.ledgers(None)[0], session.deps.clock.now_s()

        def goodbye(tx: "Connection") -> None:
            note_obstacles(tx, session.id, self.found, now_s=now_s)
            end_session(tx, session.id, how=self.ending, seconds=seconds, now_s=now_s)

        if session.ledger.has_worked:
            deps.narrate(session_said(session.ledger.whole()))
        # Nothing is held any more, so a goodbye that is not heard, or not understood, costs nothing.
        with contextlib.suppress(StoreError, MachineError, *NOTHING_CAN_BE_SAVED):
            deps.database.transact(goodbye)
            deps.store.forget_heartbeat(session.heartbeat.names[0])
        deps.locks.leave(session.id)
        session.ending = self.ending
        return IT_IS_OVER


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Wait until the trainer has handed over what it trained, then leave that where it lies.

    Nothing can be saved in this queue from here, until somebody upgrades or says what is to hold.
    """

    why: NewerQueue | StorePutBack | QueueMoved

    def step(self, session: "Session") -> NextState:
        deps, job, now_s = session.deps, session.job, session.deps.clock.monotonic_s()
        if job and job.spool.folder.is_dir() and deps.trainer.exit_code() is None:
            with contextlib.suppress(StoreError, MachineError):  # until then the job should not seem to be free
                session.heartbeat.beat_if_due(now_s)
            session.ask_trainer_to_leave(job, now_s)
            return NextState(self, SOON_S)
        leave_as_dead(session, withdrawn(self.why))
        if isinstance(self.why, NewerQueue):
            unsaved = "what was not saved waits on this machine" if session.has_unsaved else "everything is saved"
            deps.narrate(
                f"the queue was raised to format {self.why.found} by a newer qcqueue; {unsaved}: "
                f"{self.why.hint}, then qcqueue work"
            )
        elif isinstance(self.why, QueueMoved):
            kept = "what was not saved waits on this machine" if session.has_unsaved else "everything is saved"
            deps.narrate(f"{self.why}; {kept}: {self.why.hint}")
        else:
            kept = "what was not saved stays" if session.has_unsaved else "nothing unsaved is left"
            deps.narrate(
                f"{self.why}; {kept} on this machine. To go on with the older copy, and give up what is newer: "
                f"{self.why.hint}"
            )
        return IT_IS_OVER


def withdrawn(why: NewerQueue | StorePutBack | QueueMoved) -> SessionEnd:
    """Return how a session leaves that can save nothing more in its queue."""
    match why:
        case NewerQueue():
            return SessionEnd.NEWER_QUEUE
        case StorePutBack():
            return SessionEnd.PUT_BACK
        case QueueMoved():
            return SessionEnd.MOVED


def leave(session: "Session", ending: SessionEnd, *, found: Mapping[str, Obstacle] = {}) -> NextState:
    """Have a session that holds no job leave with the next step. found: as in `Leave`."""
    session.deps.trainer.kill()
    has_idled = ending is SessionEnd.CANNOT_START and not session.ledger.has_worked
    session.ledger.go_on_with(Part.IDLE if has_idled or ending is SessionEnd.NOTHING_TO_DO else Part.RELEASE)
    return NextState(Leave(ending, found))


def leave_unsaved(session: "Session", why: QcqueueError) -> NextState:
    """Leave what nobody takes where it lies, and say what it is."""
    job, was_asked = session.held_job, session.stop_reason is SessionEnd.ASKED
    session.gave_up_on = why
    with contextlib.suppress(MachineError):  # a disk that does not even tell what it holds
        written = job.spool.newest_record()
        if job.spool.holds_unsaved():
            session.left_behind = left_unsaved(job.name, job.committer.saved, written)
            session.deps.narrate(left_behind(session.left_behind, is_lost=session.is_lent and not was_asked))
    return leave_as_dead(session, SessionEnd.UNSAVED if was_asked else SessionEnd.NOTHING_SAVED)


def leave_as_dead(session: "Session", ending: SessionEnd) -> NextState:
    """Leave as the death of this process would: the spool stays, for whoever inherits it on this machine."""
    session.deps.trainer.kill()
    session.job = None
    session.deps.locks.let_go()
    session.ending = ending
    return IT_IS_OVER
