"""Opening files that somebody else may have put there: regular ones of bounded size, and nothing else.

What lies in a shared folder under a name of ours, or where a person points, can be a pipe that never answers, a device
without an end or a file of terabytes without a byte in it. What is to be said of one is for the caller, who knows what
it should have been. Always true: nothing but a regular file is opened, and no more of it is read than was allowed.
"""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

MEGABYTE = 1 << 20

if sys.platform == "win32":  # where no pipe has a name among files; bytes have to be asked for
    _READING, NO_FOLLOW = os.O_RDONLY | os.O_BINARY, 0
else:
    _READING, NO_FOLLOW = os.O_RDONLY | os.O_NONBLOCK, os.O_NOFOLLOW


class NotRegularError(ValueError):
    """What is there is not read; the message says what it is, to be said after its name: "is a folder"."""


@contextmanager
def opened(path: Path, *, bytes_max: int | None = None, follow: bool = True) -> Iterator[tuple[BufferedReader, int]]:
    """Yield a regular file, opened for reading, and its size in bytes. follow: a link may lead to it.

    Raises: NotRegularError: it is something else, or larger than it may be. OSError: it cannot be opened.
    """
    _check_kind(path.stat(follow_symlinks=follow).st_mode)  # asked first: to open a device can do something
    try:
        descriptor = os.open(path, _READING if follow else _READING | NO_FOLLOW)
    except OSError as exc:
        if exc.errno == errno.ELOOP and not follow:
            raise NotRegularError("is a link") from exc
        raise
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _check_kind(status.st_mode)
        if bytes_max is not None and status.st_size > bytes_max:
            raise _too_large(bytes_max)
        yield file, status.st_size


def read_regular(path: Path, *, bytes_max: int, follow: bool = True) -> bytes:
    """Return what a regular file holds. Raises: as `opened` does."""
    with opened(path, bytes_max=bytes_max, follow=follow) as (file, _):
        content = file.read(bytes_max + 1)
    if len(content) > bytes_max:  # some files of the system say that they are empty
        raise _too_large(bytes_max)
    return content


def kind_of(mode: int) -> str | None:
    """Return what is wrong with the kind of a file, to be said after its name; None for a regular one."""
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        return "is a folder"
    return "is a link" if stat.S_ISLNK(mode) else "is no file, but a pipe, a socket or a device"


def _check_kind(mode: int) -> None:
    if said := kind_of(mode):
        raise NotRegularError(said)


def _too_large(bytes_max: int) -> NotRegularError:
    if bytes_max < MEGABYTE:
        return NotRegularError(f"is larger than it can be ({bytes_max:,} bytes)")
    return NotRegularError(f"is larger than it can be ({bytes_max // MEGABYTE:,} MB)")
