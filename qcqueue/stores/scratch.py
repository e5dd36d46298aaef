"""Temporary files and folders that prove whose they are: a kernel lock is held on each for as long as somebody writes.

Whoever can take the lock of one has proof that its writer is dead, however it died, and removes it. Always true: only
what has a temporary name of ours is looked at, what is linked elsewhere is not followed, and what gives no proof, as
what an older qcqueue has left or what lies where the file system knows no locks, is let be for a day; so is all on
Windows, which opens no folder, and where a lock on a file would keep its writer out.
"""

import contextlib
import errno
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

# Ends every name that stands for a lock; names without it are an older qcqueue's.
LOCKED = ".tmp"
ENDING = LOCKED if sys.platform != "win32" else ""
"""What names end in that are made here: in WSL too somebody may look for a lock."""

OLD_S = 24 * 3600.0

# How tempfile draws the part of a name that is its own.
_DRAWN = r"[a-z0-9_]{8}"
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EBADF})


@contextlib.contextmanager
def scratch_folder(parent: Path, prefix: str, *, also_older: bool = True) -> Iterator[Path]:
    """Yield an empty folder of its own in `parent`; it is removed afterwards, with those that killed processes left.

    prefix: begins its name. also_older: those of an older qcqueue too, whose names a person might have given.
    Raises: OSError: `parent` cannot be written.
    """
    folder, descriptor = _held_folder(parent, prefix)
    try:
        sweep(parent, prefix, now_s=folder.stat().st_mtime, also_older=also_older)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            with contextlib.suppress(OSError):  # whatever it answers, the lock is gone
                os.close(descriptor)


def sweep(parent: Path, prefix: str, *, now_s: float, also_older: bool = True) -> int:
    """Remove the temporary files and folders in `parent` that are provably nobody's; return how many those were.

    now_s: by the clock of the disk. also_older: what an older qcqueue has left, too. What cannot be removed is left for
    another time.
    """
    ending = rf"(?:{re.escape(LOCKED)}){'?' if also_older else ''}"
    ours, count = re.compile(rf"{re.escape(prefix)}{_DRAWN}{ending}"), 0
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(parent)):  # noqa: PTH208 (most of them are not looked at)
            if ours.fullmatch(name):
                count += remove_if_nobodys(parent / name, now_s=now_s)
    return count


def remove_if_nobodys(path: Path, *, now_s: float, locked: bool | None = None) -> bool:
    """Remove a file or folder of ours unless somebody may still write to it; return whether it was removed.

    locked: whether its writer holds a lock on it; None where its name tells.
    """
    is_locked = path.name.endswith(LOCKED) if locked is None else locked
    with contextlib.suppress(OSError):
        status = path.lstat()
        if path.is_symlink() or (sys.platform != "win32" and status.st_uid != os.getuid()):
            return False
        with opened_to_lock(path) as descriptor:
            proof = hold(descriptor) if is_locked else None
            if proof is None:
                proof = now_s - status.st_mtime > OLD_S
            if proof and (descriptor is None or _is_at(descriptor, path)):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
                return True
    return False


def is_nobodys(path: Path) -> bool:
    """Return whether nobody holds the lock of a file or folder, as far as its file system knows locks."""
    with contextlib.suppress(OSError), opened_to_lock(path) as descriptor:
        return hold(descriptor) is not False
    return False


@contextlib.contextmanager
def opened_to_lock(path: Path) -> Iterator[int | None]:
    """Yield a file or folder, opened for `hold`; None on Windows. Raises: OSError: it cannot be opened."""
    if sys.platform == "win32":
        yield None
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def hold(descriptor: int | None) -> bool | None:
    """Take the lock of an open file or folder until it is closed; return whether it was free, None without locks."""
    if sys.platform != "win32" and descriptor is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as exc:
            if exc.errno not in _NO_LOCKS:
                raise
        else:
            return True
    return None


def is_held_at(descriptor: int, path: Path) -> bool:
    """Take the lock of what was just made at `path`; return whether it is there still, and not swept this instant."""
    is_free = hold(descriptor)
    return is_free is None or (is_free and _is_at(descriptor, path))


def _held_folder(parent: Path, prefix: str) -> tuple[Path, int | None]:
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix, suffix=ENDING))
        if sys.platform == "win32":
            return folder, None
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            if is_held_at(descriptor, folder):
                return folder, descriptor
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    return False
