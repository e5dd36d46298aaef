"""A presence that can die: what the kernel does to the locks of a process that is killed."""

import os

from qcqueue.worker.session_locks import SessionLocks


class MortalPresence(SessionLocks):
    """The real lock files, held by one simulated process."""

    def die(self) -> None:
        """Close the descriptors as the kernel would; the lock files stay, as proof that someone was here."""
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()
