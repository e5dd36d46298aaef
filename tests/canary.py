"""Whether the suite wrote a secret anywhere: every secret of the Drive emulator holds a canary to search for.

Only the files in which a person keeps their sign-in may hold one, by name, and the journal of uploads, by suffix: it
must know where an upload goes on. Both only where nobody else can read them.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from tests.support.drive.accounts import CANARY

KEPT_BY_A_PERSON = ("drive-token.json", "client.json", "tv.json")
JOURNAL = ".upload"
PIECE_BYTES = 1 << 20


def leaks(folder: Path) -> list[Path]:
    """Return the files in and below `folder` that hold a secret and should not."""
    return [path for path in files_below(folder) if not is_kept_well(path) and holds_canary(path)]


def files_below(folder: Path) -> Iterator[Path]:
    """Yield every file that can be read, whatever is linked to where."""
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in sorted(names)):
            if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                yield path


def is_kept_well(path: Path) -> bool:
    is_meant_to = path.name in KEPT_BY_A_PERSON or path.suffix == JOURNAL
    return is_meant_to and path.stat().st_mode & 0o077 == 0


def holds_canary(path: Path) -> bool:
    """Look through a file piece by piece; what lies across two pieces is found too."""
    canary, end = CANARY.encode(), b""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            if canary in end + piece:
                return True
            end = piece[-len(canary) :]
    return False
