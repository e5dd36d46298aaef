"""Which code may run on this machine: what its person has approved, by digest.

Foreign code can do whatever its user can, and a queue may be anybody's work, so nothing in a queue approves anything.
Always true: a digest is approved here only by a command that was typed here, and each has one small file, which whoever
may not write in this folder cannot make.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qcqueue.clock import WallTime
from qcqueue.errors import UnknownName
from qcqueue.stores.files import give_name, make_folder, on_this_machine, unfinished
from qcqueue.stores.names import is_digest
from qcqueue.stores.regular import NotRegularError, read_regular
from qcqueue.text.canonical_json import canonical_json, parse_json
from qcqueue.text.suggest import printable

TRUSTED = "trusted"
"""The folder in a machine's cache with a file for each digest that was approved."""

_NOTE_BYTES = 1 << 16
_NAMES_KEPT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """Code that may run here. files: its names, as far as they were known; at_s: when it was approved, since 1970."""

    sha256: str
    files: tuple[str, ...]
    at_s: float


class Trust:
    """What this machine's person has approved; folder: in the machine's cache."""

    def __init__(self, cache: Path, clock: WallTime) -> None:
        self._folder = cache / TRUSTED
        self._clock = clock

    def approve(self, sha256: str, files: Sequence[str] = ()) -> None:
        """Let code run here from now on. Raises: MachineError: that cannot be written down."""
        assert is_digest(sha256), "whoever reads a digest checks it"
        note = {"files": list(files[:_NAMES_KEPT]), "at_s": self._clock.now_s()}
        with on_this_machine(self._folder):
            make_folder(self._folder)
            self._folder.chmod(0o700)
            with unfinished(self._folder) as writing:
                writing.write(canonical_json(note).encode())
                give_name(writing, self._folder / sha256)

    def has(self, sha256: str) -> bool:
        """Return whether this code may run here. Raises: MachineError."""
        with on_this_machine(self._folder):
            return is_digest(sha256) and (self._folder / sha256).is_file()

    def approved(self) -> tuple[Approved, ...]:
        """Return all that may run here, the newest first. Raises: MachineError."""
        with on_this_machine(self._folder):
            paths = [path for path in self._folder.iterdir() if is_digest(path.name)] if self._folder.is_dir() else []
        return tuple(sorted(map(_read, paths), key=lambda it: (-it.at_s, it.sha256)))

    def remove(self, beginning: str) -> Approved:
        """Let code run here no more, named by its digest or the beginning of it. Raises: UnknownName. MachineError."""
        meant = [it for it in self.approved() if beginning and it.sha256.startswith(beginning)]
        if len(meant) != 1:
            found = "no code" if not meant else f"{len(meant)} pieces of code"
            raise UnknownName(f"{found} of digest {printable(beginning)} may run here", hint="qcqueue trust list")
        with on_this_machine(self._folder):
            (self._folder / meant[0].sha256).unlink(missing_ok=True)
        return meant[0]


def _read(path: Path) -> Approved:
    """Return what a note says; of one that was torn, that it is there."""
    with on_this_machine(path):
        try:
            said = parse_json(read_regular(path, bytes_max=_NOTE_BYTES))
        except (NotRegularError, json.JSONDecodeError, ValueError):
            said = {}
    names, at_s = (said.get("files"), said.get("at_s")) if isinstance(said, dict) else (None, None)
    return Approved(
        sha256=path.name,
        files=tuple(map(str, names)) if isinstance(names, list) else (),
        at_s=float(at_s) if isinstance(at_s, int | float) else 0.0,
    )
