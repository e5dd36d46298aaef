"""Files of a store in a folder: whole or not there, and their errors told as the store's.

Bytes go to a temporary name first, are synced, and only then get the name they are known by. What a killed process
leaves behind begins with `INCOMING` and is nobody's.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from qcqueue.errors import StoreDenied, StoreError
from qcqueue.storage.regular import NotRegularError, opened

INCOMING = "incoming-"


@contextlib.contextmanager
def unfinished(folder: Path) -> Iterator[IO[bytes]]:
    """Yield a file of its own in `folder`; unless it has been moved on, it is removed afterwards."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=INCOMING, delete=False) as file:
        try:
            yield file
        finally:
            Path(file.name).unlink(missing_ok=True)


def move_whole(writing: IO[bytes], target: Path) -> None:
    """Give the file its name once its bytes are on the disk: after a power cut it is whole or not there."""
    writing.flush()
    os.fsync(writing.fileno())
    Path(writing.name).replace(target)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def translated(place: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as exc:
        raise StoreDenied(f"{exc.filename or place} may not be written: {exc.strerror}") from exc
    except OSError as exc:
        raise StoreError(f"{exc.filename or place}: {exc.strerror}") from exc


def holds(path: Path, sha256: str, size_bytes: int) -> bool:
    """Return whether a file is there, can be read, and has the bytes of this digest; size_bytes: how many those are."""
    with contextlib.suppress(OSError, NotRegularError), opened(path, follow=False) as (reading, found_bytes):
        return found_bytes == size_bytes and hashlib.file_digest(reading, "sha256").hexdigest() == sha256
    return False
