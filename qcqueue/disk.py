"""How a disk says that it does not do its work: numbers of errors, and words of libraries that tell no number.

The one list for whoever has to know a full, broken or closed disk from a mistake of the caller. It decides nothing
else: whose disk it is, and what becomes of a job, is for others.
"""

import errno
import re

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
NOT_ALLOWED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
BROKEN = frozenset({errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV})

# What a disk answers that does not do its work. Whatever else a call answers, such as that there is no such file, is
# the fault of whoever called, as is a name that is too long.
OF_A_DISK = NO_ROOM | NOT_ALLOWED | BROKEN | {errno.ETIMEDOUT}

# Libraries that are not written in Python tell a system's error in words alone.
_SAID = (
    *("no space left on device", "disk quota exceeded", "input/output error", "read-only file system"),
    *("storagefull", "stale file handle", "too many open files"),
)


def errno_of(exc: OSError) -> int | None:
    """Return the number of an error, also where a library in Rust has put it into its sentence only."""
    found = re.search(r"\(os error (\d+)\)", str(exc))
    return exc.errno or (int(found[1]) if found else None)


def is_in_words_of_a_disk(text: str) -> bool:
    """Return whether an error that has no number speaks of a disk that is full or fails."""
    folded = text.lower()
    return any(words in folded for words in _SAID)
