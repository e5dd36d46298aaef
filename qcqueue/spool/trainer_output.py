"""What a trainer said, read from the log of its spool: its end, fit to be kept in the queue and shown to a person.

How it is cleaned is `core.printed`'s affair. Always true: however much was printed, only the end of it is read, and a
log that cannot be read is one in which nothing stands.
"""

import contextlib
import os
from pathlib import Path

from qcqueue.core.printed import Private, discreet, kept_end, readable, secrets_in
from qcqueue.stores.paths import own_account

# Of a log this much is looked at: a bar that redraws itself can fill a line with it.
READ_BYTES = 1 << 20

# Where only the end of a log is read, it begins within a line: what is a part of a secret there looks like none.
_BEGINNING_BYTES = 4 << 10

LONGEST_SENTENCE = 2000


def private_here() -> Private:
    """Return what this process must not tell of its machine and of whoever started it."""
    homes, user = {os.environ.get("HOME", ""), os.environ.get("USERPROFILE", "")}, os.environ.get("USER", "")
    if account := own_account():
        homes.add(account[1])
        user = account[0] or user
    homes |= {os.path.realpath(home) for home in homes if home}
    return Private(homes=tuple(sorted(filter(None, homes))), user=user, secrets=secrets_in(os.environ))


def words_in(log: Path, *, detail: str = "") -> str:
    """Return the end of what a trainer printed, "" where that is nothing. detail: its traceback, if it left one.

    The traceback is printed too, unless the disk was full by then.
    """
    printed = _end_of(log)
    if detail.strip() and detail.strip().encode() not in printed:
        printed += b"\n" + detail.encode(errors="replace")
    return kept_end(printed, private_here())


def last_line_in(log: Path) -> str:
    """Return the last line of a log, for a person."""
    lines = kept_end(_end_of(log), private_here()).split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")


def in_a_sentence(said: str) -> str:
    """Return what an error says as text to keep: of any length it may be, and quote whatever is on this machine."""
    text = discreet(readable(said), private_here())
    return text if len(text) <= LONGEST_SENTENCE else f"{text[: LONGEST_SENTENCE - 4]} ..."


def _end_of(log: Path) -> bytes:
    with contextlib.suppress(OSError), log.open("rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        if size_bytes <= READ_BYTES:
            return file.read(READ_BYTES)
        file.seek(size_bytes - READ_BYTES)
        end = file.read(READ_BYTES)
        return end[end.find(b"\n", 0, _BEGINNING_BYTES) + 1 or _BEGINNING_BYTES :]
    return b""
