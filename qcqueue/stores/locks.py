"""Locks that processes of one machine hold on a name, on every system: they go with their process, however it dies.

What is kept from being done twice is for whoever asks. Always true: whoever holds one waited for everybody who held it
before, an older qcqueue included, which takes the same lock of the kernel.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# How often a lock is asked for that somebody else holds, most of them for some milliseconds.
_POLL_S = 0.01


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of this name, whose file is made if need be, once nobody else does.

    Raises: OSError: it cannot be made, or the file system knows no locks.
    """
    from filelock import FileLock  # here, because most commands take none

    path.parent.stat()  # whose error is told: filelock would make the folder
    while True:
        try:
            held = FileLock(path, mode=0o600).acquire(poll_interval=_POLL_S)
        except NotImplementedError as exc:
            raise OSError(errno.ENOSYS, "its file system knows no locks", os.fspath(path)) from exc
        with held:
            if path.exists():  # else whoever held it has removed its file: then it is no lock any more
                yield
                return
