"""What dead sessions left behind: work in their spools, heartbeats and locks here, blobs of nobody in the store.

A session inherits every dead one by its lock, saves in its name what its trainer had handed over, and clears the rest
away once its attempt is buried. Always true: what another queue may still want is left alone, and what cannot be read
costs what was unsaved and never the next session.
"""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

from qcqueue.errors import NOTHING_CAN_BE_SAVED, CorruptionError, LeaseLost, StoreError
from qcqueue.queue.blobs import live_owners, needed_blobs
from qcqueue.queue.claim import claim_held_by
from qcqueue.queue.values import Claim, LiveAttempt
from qcqueue.spool.files import SPOOLS, session_of, spool_folder
from qcqueue.spool.reader import Spool
from qcqueue.stores.files import on_this_machine
from qcqueue.text.humanize import count, size
from qcqueue.worker.committer import Committer
from qcqueue.worker.heartbeat import Heartbeat
from qcqueue.worker.orphans import orphans
from qcqueue.worker.queue_scan import ScanResult
from qcqueue.worker.session_deps import SessionDeps

# What a dead session left is cleared after so many leases: some minutes on a local disk, an hour on Drive.
GRACE_LEASES = 6


class Salvage:
    """The spools of one machine, as one session may deal with them. committer_of makes the `Committer` of a claim."""

    def __init__(self, deps: SessionDeps, heartbeat: Heartbeat, *, committer_of: Callable[[Claim], Committer]) -> None:
        self._deps = deps
        self._heartbeat = heartbeat
        self._committer_of = committer_of
        self._foreign: set[str] = set()  # sessions of other queues
        self.is_tidy = False
        """Whether the store was looked through for what dead attempts left there."""

    @property
    def has_unsaved(self) -> bool:
        """Whether a spool of this queue holds work that is not committed: it would go with the machine."""
        mine = (folder for folder in self._spools() if session_of(folder) not in self._foreign)
        return any(Spool(folder).holds_unsaved() for folder in mine)

    def spool(self, session_id: str, attempt: int) -> Spool:
        return Spool(spool_folder(self._deps.cache, session_id, attempt))

    def save(self, seen: ScanResult) -> None:
        """Save what dead sessions of this machine had been handed and could not save any more.

        Raises: StoreError: the store does not take it now; it stays where it is.
        """
        for left in seen.left_here:
            if self.spool(left.session_id, left.number).holds_unsaved():
                self._save_attempt(left)

    def clear(self, seen: ScanResult) -> None:
        """Remove what the dead left; their attempts are buried by now."""
        for session_id in sorted(seen.dead):
            spools = self._spools_of(session_id)
            if spools and session_id not in seen.heartbeats:  # it worked on another queue, which will want them
                self._foreign.add(session_id)
                self._deps.locks.disown(session_id)
                continue
            for folder in spools:
                shutil.rmtree(folder, ignore_errors=True)
            self._deps.locks.leave(session_id)
        for folder in self._spools():  # those that nobody announces any more are nobody's
            if not self._deps.locks.knows(session_of(folder)):
                shutil.rmtree(folder, ignore_errors=True)
        dead = frozenset(seen.heartbeats.values())
        for heartbeat in sorted({*seen.silent, *dead}):
            with contextlib.suppress(StoreError):  # a heartbeat nobody needs is litter, and a job may be held by now
                if heartbeat in dead or self._is_still_silent(heartbeat):
                    self._deps.store.forget_heartbeat(heartbeat)

    def _is_still_silent(self, heartbeat: str) -> bool:
        """Return whether nobody has let it beat meanwhile: whoever woke up holds a job perhaps, and lives by it."""
        age_s = self._deps.store.heartbeat_age_s(heartbeat)
        return age_s is not None and age_s > self._deps.lease.ttl_s

    def clear_store(self, beat: Callable[[], None]) -> None:
        """Delete what attempts that have ended stored and never committed; beat is called after each.

        Raises: StoreError: some may be left.
        """
        self.is_tidy = True
        deps = self._deps
        listed = list(deps.store.list_blobs())
        # Asked after the listing, and at the head: whoever stored what was listed had claimed its job by then.
        needed, live = deps.database.transact(lambda tx: (needed_blobs(tx), live_owners(tx)))
        lost = orphans(listed, {it.blob.place for it in needed}, live, grace_s=GRACE_LEASES * deps.lease.ttl_s)
        for blob in lost:
            deps.store.delete(blob)
            beat()
        if lost:
            total = size(sum(blob.size_bytes for blob in lost))
            deps.narrate(f"deleted {count(len(lost), 'file')}, {total}, that dead sessions left in the store")

    def _save_attempt(self, left: LiveAttempt) -> None:
        narrate, what = self._deps.narrate, f"attempt {left.number} on {left.job_name} left on this machine"
        with self._deps.database.read() as tx:
            held = claim_held_by(tx, left.session_id)
        if held is None:
            return
        narrate(f"saving what {what}")
        try:
            with self._heartbeat.also(left.heartbeat):  # its session cannot any more, and saving it can take long
                self._committer_of(held).collect_all()
        except NOTHING_CAN_BE_SAVED:
            raise
        except LeaseLost:  # somebody has taken the job over, and with it what was to be saved
            narrate(f"somebody else has taken {left.job_name} over meanwhile")
        except CorruptionError as exc:
            narrate(f"what {what} cannot be read, and is trained again: {exc}")

    def _spools_of(self, session_id: str) -> list[Path]:
        return [folder for folder in self._spools() if session_of(folder) == session_id]

    def _spools(self) -> list[Path]:
        """Return every spool of this machine. Raises: MachineError."""
        with on_this_machine(self._folder), contextlib.suppress(FileNotFoundError):
            return sorted(self._folder.iterdir())
        return []

    @property
    def _folder(self) -> Path:
        return self._deps.cache / SPOOLS
