"""Proof that a session of this machine is gone: the kernel drops its file lock when its process dies.

Each session locks one file in the machine's cache for as long as it lives. Whoever can take the lock has proof
that the process is dead, however it died, so its job can be claimed at once instead of after the lease. A
process that is only asleep keeps its lock. Without a lock file there is no proof, and the lease decides.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

NOT_YET = ".new"


class Presence:
    """The lock files of the sessions of one machine, in one folder of its cache."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}

    def announce(self, session_id: str) -> None:
        """Hold the lock of this session until `leave` or the death of the process."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # Locked under another name first: a file of ours that is not locked yet would look like a dead session's.
        unlocked = self._folder / f"{session_id}{NOT_YET}"
        descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        unlocked.rename(self._folder / session_id)
        self._held[session_id] = descriptor

    def leave(self, session_id: str) -> None:
        """Give up the lock and its file."""
        (self._folder / session_id).unlink(missing_ok=True)
        if session_id in self._held:
            os.close(self._held.pop(session_id))

    def is_gone(self, session_id: str) -> bool:
        """Return whether this machine can prove that the session's process is dead."""
        try:
            descriptor = os.open(self._folder / session_id, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def gone(self) -> Iterator[str]:
        """Yield the sessions of this machine that are provably dead and have not been tidied away."""
        if self._folder.is_dir():
            names = sorted(path.name for path in self._folder.iterdir())
            yield from (name for name in names if not name.endswith(NOT_YET) and self.is_gone(name))
