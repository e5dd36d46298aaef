"""Builds the preload of `calls.c`, describes to it what shall fail, and reads what it has counted.

It knows nothing of qcqueue. Always true: what it counts and writes down lies outside of the folders it watches.
"""

import errno
import os
import shutil
import struct
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from qcqueue.stores.registry import without_secrets

SOURCE = Path(__file__).with_name("calls.c")
CONTROL = struct.Struct("=4Q")
NEVER_FULL = -1

WRITES = ("create", "write", "mkdir", "link", "rename", "fsync", "truncate", "close")
NAMES = ("unlink", "rmdir", "utime", "chmod")
READS = ("open", "read", "stat", "list")


class Trouble(StrEnum):
    """What befalls one call: an error of the disk, or the death of the process right before it."""

    ENOSPC = "ENOSPC"
    EIO = "EIO"
    EACCES = "EACCES"
    KILL = "KILL"

    @property
    def number(self) -> int:
        """Its errno; 0 for the death of the process."""
        return 0 if self is Trouble.KILL else int(getattr(errno, self))


KINDS: Mapping[Trouble, tuple[str, ...]] = {
    Trouble.ENOSPC: WRITES,
    Trouble.EIO: (*WRITES, *NAMES, *READS),
    Trouble.EACCES: ("create", "mkdir", "link", "rename", "open", "stat", "list", *NAMES),
    # Between two calls that change nothing there is nothing to be seen of a death.
    Trouble.KILL: (*WRITES, *NAMES),
}
"""The calls that each trouble can befall on a real disk; only these are counted."""


class NoCompilerError(Exception):
    """This machine has no C compiler, so no file call can be made to fail here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A file call. number counts those that the trouble can befall, from 1; 0 for the others. error: the errno it was
    made to fail with, -1 where its process was killed, 0 where it went on."""

    number: int
    name: str
    path: Path
    error: int
    process: int


def build(folder: Path) -> Path:
    """Compile the preload into `folder`; return the library. Raises: NoCompilerError."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise NoCompilerError("no C compiler (cc, gcc or clang) is installed: no file call can be made to fail")
    library = folder / "calls.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, env=without_secrets(os.environ), capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoCompilerError(f"{compiler} cannot build the preload: {done.stderr.strip()[:300]}")
    return library


class Preload:
    """One run under the library: what shall fail, and what was counted. scratch: an empty folder of its own."""

    def __init__(self, library: Path, scratch: Path, *, roots: Sequence[Path]) -> None:
        self._library = library
        self._roots = [root.resolve() for root in roots]
        self._control = scratch / "control"
        self._log = scratch / "calls.log"

    def environment(
        self, trouble: Trouble, *, at: int = 0, kinds: Collection[str] | None = None, full_after: int = NEVER_FULL
    ) -> dict[str, str]:
        """Begin to count anew; return what a process needs in its environment.

        at: the number of the call that the trouble befalls, 0 for none. kinds: what is counted, where not all that the
        trouble can befall. full_after: how many bytes the disk takes before it is full.
        """
        self._control.write_bytes(CONTROL.pack(0, 0, 0, 0))
        self._log.unlink(missing_ok=True)
        return {
            "LD_PRELOAD": str(self._library),
            "FAULTS_ROOTS": os.pathsep.join(map(str, self._roots)),
            "FAULTS_CONTROL": str(self._control),
            "FAULTS_LOG": str(self._log),
            "FAULTS_KINDS": ",".join(KINDS[trouble] if kinds is None else kinds),
            "FAULTS_AT": str(at),
            "FAULTS_ERRNO": str(trouble.number),
            "FAULTS_FULL": str(full_after),
        }

    @property
    def calls(self) -> list[Call]:
        """Every call below the roots since `environment`, in order."""
        found = []
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        for line in text.splitlines():
            fields = line.split("\t")
            if len(fields) == 5:
                number, name, path, error, process = fields
                found.append(
                    Call(number=int(number), name=name, path=Path(path), error=int(error), process=int(process))
                )
        return found

    def make_room(self) -> None:
        """Let a disk that is full take bytes again."""
        counted, hit, written, _ = CONTROL.unpack(self._control.read_bytes())
        with self._control.open("r+b") as control:
            control.write(CONTROL.pack(counted, hit, written, 1))
