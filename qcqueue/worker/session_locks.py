"""Proof that a session of this machine is gone: the kernel drops its file lock when its process dies.

Each session locks one file in the machine's cache for as long as it lives. Whoever can take the lock has proof
that the process is dead, however it died, so its job can be claimed at once instead of after the lease; and as long
as they hold it they alone may deal with what it left. A process that is only asleep keeps its lock, and one that only
looks holds it for an instant, shared, which keeps nobody from inheriting. Without a lock file there is no proof, and
the lease decides. The file holds the boot id of the machine, because what a process wrote and did not sync outlives its
own death, and not that of the machine.
"""

import contextlib
import fcntl
import os
import subprocess
from pathlib import Path

from qcqueue.errors import MachineError
from qcqueue.stores.files import on_this_machine
from qcqueue.stores.names import is_word

SESSIONS = "sessions"
"""The folder in a machine's cache that holds the lock files of its sessions."""

NOT_YET = ".new"

# What names a boot. The time of it would not do on macOS: that moves whenever its clock is set.
_OF_LINUX = Path("/proc/sys/kernel/random/boot_id")
_OF_MACOS = ("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")
_WAIT_S = 10

# How often a lock is asked for that others hold only to look. Each does for some microseconds, but one of them may be
# put aside by the system meanwhile, so together the tries last longer (some 0.1 s) than a busy machine's time slice.
_TRIES = 10_000


class SessionLocks:
    """The lock files of the sessions of one machine, in one folder of its cache."""

    def __init__(self, folder: Path, *, boot_id: str | None = None) -> None:
        self._folder = folder
        self._boot_id = boot_id
        self._held: dict[str, int] = {}
        self._inherited: set[str] = set()

    def announce(self, session_id: str) -> None:
        """Hold the lock of this session until `leave` or the death of the process."""
        with on_this_machine(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            # Locked under another name first: a file of ours that is not locked yet would look like a dead session's.
            unlocked = self._folder / f"{session_id}{NOT_YET}"
            descriptor = None
            while descriptor is None:  # whoever tidies up can take it in the instant before it is locked
                os.close(os.open(unlocked, os.O_RDWR | os.O_CREAT, 0o600))
                descriptor = self._take(unlocked)
            try:
                os.write(descriptor, self._boot())
                unlocked.rename(self._folder / session_id)
            except OSError:
                with contextlib.suppress(OSError):
                    unlocked.unlink()
                os.close(descriptor)
                raise
            self._held[session_id] = descriptor

    def inherit(self) -> frozenset[str]:
        """Take over the sessions of this machine that are provably dead; return all that are held until `leave`.

        Nobody else can inherit them meanwhile, unless this process dies too.
        """
        with on_this_machine(self._folder):
            names = sorted(path.name for path in self._folder.iterdir()) if self._folder.is_dir() else []
            for name in names:
                if name not in self._held:
                    self._inherit(name)
        return frozenset(self._inherited)

    def knows(self, session_id: str) -> bool:
        """Return whether a session of this machine has announced itself, and has neither left nor been dealt with."""
        with on_this_machine(self._folder):
            return is_word(session_id) and (self._folder / session_id).exists()  # the id may be of anybody's database

    def is_alive(self, session_id: str) -> bool | None:
        """Return whether a session of this machine lives, None where no lock here tells; nothing is taken over."""
        with contextlib.suppress(OSError, MachineError):  # what may not be opened tells nothing
            if self.knows(session_id):
                descriptor = self._take(self._folder / session_id, fcntl.LOCK_SH)  # several may ask at once
                if descriptor is None:
                    return self.knows(session_id) or None  # it lives, unless it has left this instant
                os.close(descriptor)
                return False
        return None

    def died_since_boot(self, session_id: str) -> bool:
        """Return whether an inherited session lived since this machine was started last."""
        descriptor = self._held.get(session_id)
        with on_this_machine(self._folder):
            return descriptor is not None and os.pread(descriptor, 100, 0) == self._boot()

    def leave(self, session_id: str) -> None:
        """Give up a lock and its file: this session's, or that of a dead one which has been dealt with."""
        with contextlib.suppress(OSError):  # it stays as that of a dead session, and the next one deals with it
            (self._folder / session_id).unlink(missing_ok=True)
        self._close(session_id)

    def let_go(self) -> None:
        """Give up every lock as the death of the process would: the files stay, as proof that the sessions are gone."""
        for session_id in list(self._held):
            self._close(session_id)

    def disown(self, session_id: str) -> None:
        """Give a dead session back unchanged: what it left is for somebody else."""
        self._close(session_id)

    def _boot(self) -> bytes:
        """Return the boot id, which whoever only looks never asks for: macOS is asked by a process."""
        self._boot_id = self._boot_id or boot_id()
        return self._boot_id.encode()

    def _close(self, session_id: str) -> None:
        self._inherited.discard(session_id)
        if session_id in self._held:
            with contextlib.suppress(OSError):  # whatever it answers, the lock is gone
                os.close(self._held.pop(session_id))

    def _inherit(self, name: str) -> None:
        descriptor = self._take_from_lookers(self._folder / name)
        if descriptor is not None and name.endswith(NOT_YET):  # it died before it was anybody
            (self._folder / name).unlink(missing_ok=True)
            os.close(descriptor)
        elif descriptor is not None:
            self._held[name] = descriptor
            self._inherited.add(name)

    def _take_from_lookers(self, path: Path) -> int | None:
        """Return what `_take` does, once those have looked who hold the lock of a dead process to see that it is."""
        for _ in range(_TRIES):
            descriptor = self._take(path)
            if descriptor is not None:
                return descriptor
            looking = self._take(path, fcntl.LOCK_SH)
            if looking is None:  # somebody holds it for good, or it has gone
                return None
            os.close(looking)
            os.sched_yield()
        return None

    @staticmethod
    def _take(path: Path, kind: int = fcntl.LOCK_EX) -> int | None:
        """Return a descriptor that holds the lock, or None where a living process does or the file has gone."""
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                if path.stat().st_ino == os.fstat(descriptor).st_ino:
                    return descriptor
            except (BlockingIOError, FileNotFoundError):  # it lives, or whoever inherited it has tidied it away
                pass
            os.close(descriptor)
        return None


def boot_id() -> str:
    """Return what names the time since the kernel started; the same for ever where the system does not say."""
    with contextlib.suppress(OSError):
        return _OF_LINUX.read_text().strip()
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(
            _OF_MACOS, env={}, stdin=subprocess.DEVNULL, capture_output=True, timeout=_WAIT_S, check=True
        )
        return said.stdout.decode("ascii", "replace").strip() or "unknown"
    return "unknown"
