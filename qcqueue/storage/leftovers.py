"""What killed writers leave in the folder of a store: files that never got the name they would be known by.

Nobody reads them, whatever they hold. Always true: only a plain file with a temporary name is one, so nothing that was
stored can be taken for it; and whoever still writes to one that is removed only learns that it has to begin again.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from qcqueue.storage.files import INCOMING, translated

FOLDERS = ("blobs", "slots")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """age_s: since the last byte was written, by the clock of the disk."""

    path: Path
    size_bytes: int
    age_s: float


def leftovers(root: Path, *, now_s: float) -> tuple[Leftover, ...]:
    """Return what lies below the root of a store. now_s: by the clock of its disk. Raises: StoreError."""
    found: list[Leftover] = []
    for folder in (root / name for name in FOLDERS if (root / name).is_dir()):
        with translated(folder):
            for path in sorted(folder.glob(f"{INCOMING}*")):
                with contextlib.suppress(FileNotFoundError):  # its writer has finished meanwhile
                    if path.is_file() and not path.is_symlink():
                        status = path.stat()
                        age_s = max(0.0, now_s - status.st_mtime)
                        found.append(Leftover(path=path, size_bytes=status.st_size, age_s=age_s))
    return tuple(found)


def remove(leftover: Leftover) -> None:
    """Raises: StoreError: it may not be removed."""
    with translated(leftover.path):
        leftover.path.unlink(missing_ok=True)
