"""`store adopt`: going on with a store that was put back from a copy, on a machine that has seen more of it.

What is lost is counted from this machine's own copy of the queue, or from a branch that others have left in the store,
said, and only then given up. Always true: nothing is joined; what sessions of this machine had not saved under a lost
attempt is removed with it, unless they still run.
"""

import contextlib
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.app.context import QueueContext
from qcqueue.database.known import DatedVersion, PutBack
from qcqueue.errors import MachineError
from qcqueue.queue.takeover import TakenOver, take_over
from qcqueue.spool.files import spool_folder
from qcqueue.spool.reader import Spool

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsavedWork:
    """What lies on this machine's disk of an attempt that is over. is_at_work: its session does not know that yet."""

    job_name: str
    attempt: int
    folder: Path
    is_unsaved: bool
    is_at_work: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """What is given up, what goes on, and what that costs. is_done: false where it was only looked at."""

    lost: DatedVersion
    shown: DatedVersion
    taken: TakenOver
    left: tuple[UnsavedWork, ...]
    is_done: bool


def adopt(context: QueueContext, *, dry_run: bool) -> Adoption | None:
    """Take the store over as it is, or say what that would cost; None where there is nothing to take over.

    Raises: StoreError: the store does not answer. CorruptionError: it cannot be read. OlderSession.
    """
    versions = context.versions
    if versions is None:
        return None

    def take(tx: "Connection", lost: "Connection | None", put_back: PutBack) -> tuple[PutBack, TakenOver]:
        taken = take_over(
            tx,
            lost,
            who=context.who,
            told=versions.told(put_back),
            spares_new=put_back.was_taken_over or put_back.beside is not None,
            now_s=context.clock.now_s(),
        )
        return put_back, taken

    found = versions.adopt(take, dry_run=dry_run)
    if found is None:
        return None
    put_back, taken = found
    left = list[UnsavedWork]()
    with contextlib.suppress(*(() if dry_run else (MachineError, OSError))):  # it is done: nothing here may deny it
        left.extend(_left(context, taken))
    if not dry_run:
        _clear(left)
    lost, shown = versions.heads(put_back)
    return Adoption(lost=lost, shown=shown, taken=taken, left=tuple(left), is_done=not dry_run)


def _left(context: QueueContext, taken: TakenOver) -> Iterator[UnsavedWork]:
    if sys.platform == "win32":  # no session works there
        return
    from qcqueue.worker.session_locks import SESSIONS, SessionLocks

    locks = SessionLocks(context.cache / SESSIONS)
    for (session, number), job_name in sorted(taken.over.items()):
        folder = spool_folder(context.cache, session, number)
        if locks.knows(session) and folder.is_dir():
            yield UnsavedWork(
                job_name=job_name,
                attempt=number,
                folder=folder,
                is_unsaved=Spool(folder).holds_unsaved(),
                is_at_work=locks.is_alive(session) is not False,
            )


def _clear(left: Iterable[UnsavedWork]) -> None:
    """Remove what nobody can save. A session that runs finds that its attempt has ended, and clears it itself."""
    for it in left:
        if not it.is_at_work:
            shutil.rmtree(it.folder, ignore_errors=True)
