"""This machine's copy of the newest version it has seen: a plain SQLite file that any tool can open.

`queue.sqlite` is the image, `queue.json` says which version it is and when the store last confirmed that. The two are
replaced one after the other under a lock, and the second holds the digest of the first: of a pair that does not belong
together only the version counts. Losing the copy costs time, and what it tells of a store that was put back; what
cannot be written is left, and only what cannot be read is an error.
"""

import hashlib
import logging
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from qcqueue.database.version import IMAGE_BYTES_MAX, Contents, Version, version_of
from qcqueue.errors import CorruptionError, DiskFailed
from qcqueue.stores.files import INCOMING, give_name, on_this_machine, unfinished
from qcqueue.stores.locks import locked
from qcqueue.stores.regular import NotRegularError, read_regular
from qcqueue.text.canonical_json import canonical_json, parse_json

log = logging.getLogger(__name__)

IMAGE = "queue.sqlite"
LABEL = "queue.json"
LOCK = "queue.lock"
BYTES_MAX = {LABEL: 1 << 20, IMAGE: IMAGE_BYTES_MAX}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVersion:
    """A version with what it holds, and when this machine last heard from the store that it is the newest.

    Its image is empty where only the version is known, as where a process was killed between the two files of a copy.
    """

    version: Version
    contents: Contents
    confirmed_at_s: float


class LocalCopy:
    """The copy in one folder of this machine's cache. Processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._whole: Version | None = None  # the version whose image this process has written here whole

    def load(self, *, url: str) -> KnownVersion | None:
        """Return what is kept, without its image where that is another version's; None where nothing is.

        Raises: DiskFailed: it is there and cannot be read, which is not the same: it may tell that the store was put
        back from a copy.
        """
        with on_this_machine(self._folder):
            try:
                said, image = self._read()
            except (FileNotFoundError, NotADirectoryError):
                return None
        try:
            label = parse_json(said)
            if label["image_sha256"] != hashlib.sha256(image).hexdigest():
                image = b""
            return KnownVersion(
                version=version_of(str(label["slot"]), label["facts"], url=url),
                contents=Contents(
                    trail=tuple(map(str, label["trail"])), marks=tuple(map(str, label.get("marks", ()))), image=image
                ),
                confirmed_at_s=float(label["confirmed_at_s"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, CorruptionError):  # torn by a power cut
            return None

    def version(self, *, url: str) -> Version | None:
        """Return which version is kept, by its label alone; None where there is none."""
        try:
            label = parse_json(self._bytes_of(LABEL))
            return version_of(str(label["slot"]), label["facts"], url=url)
        except (OSError, DiskFailed, ValueError, KeyError, TypeError, AttributeError, CorruptionError):
            return None

    def keep(self, snapshot: KnownVersion) -> None:
        """Replace the copy, unless it was made from this version: what a machine knows never becomes less."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with locked(self._folder / LOCK):
                self._forget_unfinished()
                if self._comes_after(snapshot.version):
                    return
                if self._whole != snapshot.version or not self._is_labelled(snapshot.version):
                    self._replace(IMAGE, snapshot.contents.image)
                    self._whole = snapshot.version
                self._replace(LABEL, _label(snapshot))
        except OSError as exc:
            log.warning("local copy not written: %s", exc, extra={"action": "copy_not_written"})

    def _read(self) -> tuple[bytes, bytes]:
        with ExitStack() as stack:
            with suppress(OSError):  # where it cannot be locked nothing can be written: the two are read as they lie
                stack.enter_context(locked(self._folder / LOCK))
            label, image = self._bytes_of(LABEL), b""
            with suppress(FileNotFoundError):
                image = self._bytes_of(IMAGE)
            return label, image

    def _bytes_of(self, name: str) -> bytes:
        """Raises: OSError. DiskFailed: somebody has put something else there."""
        path = self._folder / name
        try:
            return read_regular(path, bytes_max=BYTES_MAX[name], follow=False)
        except NotRegularError as exc:
            raise DiskFailed(
                f"{path} {exc}, and no copy of the queue", hint="move it away; then the same again"
            ) from exc

    def _comes_after(self, version: Version) -> bool:
        """Return whether the copy that lies here, another process's, was made from this version."""
        try:
            label = parse_json(self._bytes_of(LABEL))
            marks = list(label.get("marks", ()))
            trail = label["trail"][-len(marks) :] if marks else []
            return (version.slot, version.mark) in zip(trail, marks, strict=True)
        except (OSError, DiskFailed, ValueError, KeyError, TypeError, AttributeError):
            return False

    def _is_labelled(self, version: Version) -> bool:
        """Return whether the image that lies here is of this version, and not another process's."""
        try:
            label = parse_json(self._bytes_of(LABEL))
            return bool(label["facts"] == version.facts)
        except (OSError, DiskFailed, ValueError, KeyError, TypeError):
            return False

    def _forget_unfinished(self) -> None:
        """Remove what killed processes were about to put here: whoever holds the lock is the only one who writes."""
        for path in self._folder.iterdir():
            is_an_older_ones = path.name.rpartition(".")[0] in (IMAGE, LABEL)
            if is_an_older_ones or path.name.startswith(INCOMING):
                with suppress(OSError):  # nobody reads it
                    path.unlink(missing_ok=True)

    def _replace(self, name: str, data: bytes) -> None:
        # Not synced: after a power cut the digest tells a torn copy, and the store has the original.
        with unfinished(self._folder) as file:
            file.write(data)
            give_name(file, self._folder / name)


def _label(snapshot: KnownVersion) -> bytes:
    said = {
        "slot": snapshot.version.slot,
        "facts": snapshot.version.facts,
        "trail": list(snapshot.contents.trail),
        "marks": list(snapshot.contents.marks),
        "image_sha256": hashlib.sha256(snapshot.contents.image).hexdigest(),
        "confirmed_at_s": snapshot.confirmed_at_s,
    }
    return canonical_json(said).encode()
