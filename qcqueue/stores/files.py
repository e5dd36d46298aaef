"""Files that are whole or not there, and the errors of their disk told as the store's, or as this machine's.

Bytes go to a temporary name first, are synced, and only then get the name they are known by. What a killed process
leaves behind begins with `INCOMING`, is not locked any more, and is nobody's. Always true: what clears up after a file
that has got its name raises nothing, so that nothing can deny what was done.
"""

import contextlib
import errno
import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from qcqueue.disk import NO_ROOM, NOT_ALLOWED, OF_A_DISK, errno_of
from qcqueue.errors import DiskFailed, DiskFull, MachineError, StoreDenied, StoreError, StoreFull, StoreMissing
from qcqueue.stores.regular import NotRegularError, opened
from qcqueue.stores.scratch import ENDING, is_held_at, scratch_folder

INCOMING = "incoming-"
FOLDERS = ("blobs", "slots")
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)


@contextlib.contextmanager
def to_be_stored(source: Path) -> Iterator[IO[bytes]]:
    """Yield a file of this machine to be read. Raises: StoreError: it is not there. MachineError: it cannot be read."""
    try:
        with on_this_machine(source):
            reading = source.open("rb")
    except MachineError as exc:
        if isinstance(exc.__cause__, FileNotFoundError):  # no disk's fault
            raise StoreError(f"{source} is not there to be stored") from exc
        raise
    with reading:
        yield reading


def files_in(folder: Path, *, ending: str) -> list[Path]:
    """Return what has a name with this ending in a folder, by name; nothing where there is no folder.

    `Path.glob` finds nothing in a folder that cannot be read either, and that is another answer. Raises: OSError.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208 (pathlib's own makes a path of every name)
    except FileNotFoundError:
        return []
    return sorted(folder / name for name in names if name.endswith(ending))


@contextlib.contextmanager
def unfinished(folder: Path) -> Iterator[IO[bytes]]:
    """Yield a file of its own in `folder`; unless it has been moved on, it is removed afterwards.

    Whoever gives it a name has flushed and synced it, so what fails afterwards is no error of theirs.
    """
    file = _held_file(folder)
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()
        with contextlib.suppress(OSError):
            Path(file.name).unlink(missing_ok=True)


@contextlib.contextmanager
def scratch(within: Path | None = None, *, prefix: str = "qcqueue-") -> Iterator[Path]:
    """Yield an empty folder of one's own on this machine, which is made if need be; what is in it goes afterwards.

    That it does not go is no error: what was done in it is done. Raises: MachineError: it cannot be made.
    """
    place = within or Path(tempfile.gettempdir())
    with contextlib.ExitStack() as stack:
        with on_this_machine(place):
            place.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(scratch_folder(place, prefix))
        yield folder


def _held_file(folder: Path) -> IO[bytes]:
    while True:
        file = tempfile.NamedTemporaryFile(dir=folder, prefix=INCOMING, suffix=ENDING, delete=False)  # noqa: SIM115
        if is_held_at(file.fileno(), Path(file.name)):
            return file
        file.close()


def move_whole(writing: IO[bytes], target: Path) -> None:
    """Give the file its name once its bytes are on the disk: after a power cut it is whole or not there."""
    writing.flush()
    os.fsync(writing.fileno())
    give_name(writing, target)


def give_name(writing: IO[bytes], target: Path) -> None:
    """Give an open file its name: under its lock, or closed on Windows, where what is open keeps the name it has."""
    writing.flush()
    if sys.platform == "win32":
        writing.close()
    Path(writing.name).replace(target)


def syncs_folders() -> bool:
    """Return whether the names in a folder can be told to reach the disk. Windows opens no folder for that."""
    return sys.platform != "win32"


def sync(path: Path) -> None:
    """Let the bytes of a file reach the disk, or the names in a folder where that can be had."""
    if not syncs_folders() and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if syncs_folders() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are not there, so that a power cut does not take them away again.

    A folder that is there is synced too: whoever made it may have been cut off before.
    """
    above = folder.parent
    if not above.exists():
        make_folder(above)
    folder.mkdir(exist_ok=True)
    sync(folder)
    try:
        sync(above)
    except OSError as exc:  # one that may not be opened, or be written; what it holds was there before
        if exc.errno not in (*NOT_ALLOWED, errno.EINVAL):
            raise


@contextlib.contextmanager
def translated(place: Path) -> Iterator[None]:
    """Tell an error of the disk that a store lies on as the store's. place: named where the error names no file."""
    try:
        yield
    except OSError as exc:
        raise of_the_store(place, exc) from exc


def missing(folder: Path) -> StoreMissing:
    """Say that a folder of a store has gone: it was moved, or the disk it is on is not mounted."""
    return StoreMissing(
        f"the folder {folder} of the store is not there any more",
        hint="put it back where it was, or mount the disk it is on; then the same again",
    )


def is_folder(path: Path) -> bool:
    """Return whether a folder is there, or may be: a disk that does not answer says nothing of that."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError as exc:
        return exc.errno not in _NOT_THERE


def of_the_store(place: Path, exc: OSError) -> StoreError:
    where = exc.filename or place
    if exc.errno in NO_ROOM:
        return StoreFull(
            f"there is no room left for {where}: {exc.strerror}", hint="make room there, then the same again"
        )
    if exc.errno in NOT_ALLOWED:
        return StoreDenied(f"{where} may not be written: {exc.strerror}", hint="allow it, then the same again")
    if exc.errno in _NOT_THERE:
        for folder in (place.parent, Path(os.fsdecode(where)).parent, place):
            if not is_folder(folder):
                return missing(folder)
    return StoreError(f"{where}: {exc.strerror or exc}")


@contextlib.contextmanager
def on_this_machine(place: Path) -> Iterator[None]:
    """Tell an error of the disk of this machine, that its cache lies on, as this machine's. place: as in `translated`.

    Raises: DiskFull, DiskFailed.
    """
    try:
        yield
    except OSError as exc:
        raise of_this_machine(place, exc) from exc


def is_of_a_disk(exc: OSError, path: Path) -> bool:
    """Return whether a library that opened a file met a disk that fails: safetensors says then that it is not there."""
    with contextlib.suppress(OSError):
        return errno_of(exc) in OF_A_DISK or (isinstance(exc, FileNotFoundError) and path.exists())
    return True


def of_this_machine(place: Path, exc: OSError) -> MachineError:
    where, number = exc.filename or place, errno_of(exc)
    if number in NO_ROOM:
        return DiskFull(
            f"there is no room left on this machine for {where}: {exc.strerror or exc}",
            hint="make room there, or set QCQUEUE_CACHE to a folder on another disk; then the same again",
        )
    if number in NOT_ALLOWED:
        return DiskFailed(
            f"{where} may not be used on this machine: {exc.strerror or exc}",
            hint="allow it, or set QCQUEUE_CACHE to another folder; then the same again",
        )
    # Of a file that is there safetensors says that it is not: it has lost what the disk said.
    is_there = isinstance(exc, FileNotFoundError) and place.is_file()
    why = "it cannot be opened" if is_there else exc.strerror or exc
    return DiskFailed(
        f"the disk of this machine failed at {where}: {why}",
        hint="set QCQUEUE_CACHE to a folder on another disk if it fails again; then the same again",
    )


def holds(path: Path, sha256: str, size_bytes: int | None = None) -> bool:
    """Return whether a file is there, can be read, and has the bytes of this digest; size_bytes: how many, if known."""
    with contextlib.suppress(OSError, NotRegularError), opened(path, follow=False) as (reading, found_bytes):
        return size_bytes in (None, found_bytes) and hashlib.file_digest(reading, "sha256").hexdigest() == sha256
    return False


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
            for path in sorted(path for path in folder.iterdir() if path.name.startswith(INCOMING)):
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
