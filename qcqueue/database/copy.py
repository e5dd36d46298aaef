"""This machine's copy of the newest version it has seen: a plain SQLite file that any tool can open.

`queue.sqlite` is the image, `queue.json` says which version it is and when the store last confirmed that. The two are
replaced one after the other under a lock, and the second holds the digest of the first, so a pair that does not
belong together is as good as none. Losing the copy costs time and nothing else; no error of its disk gets out.
"""

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from qcqueue.core.canonical import canonical_json, parse_json
from qcqueue.database.version import IMAGE_BYTES_MAX, Contents, Version, version_of
from qcqueue.errors import CorruptionError
from qcqueue.storage.files import INCOMING, unfinished
from qcqueue.storage.regular import read_regular

log = logging.getLogger(__name__)

IMAGE = "queue.sqlite"
LABEL = "queue.json"
LOCK = "queue.lock"
LABEL_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A version with what it holds, and when this machine last heard from the store that it is the newest."""

    version: Version
    contents: Contents
    confirmed_at_s: float


class LocalCopy:
    """The copy in one folder of this machine's cache. Processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._whole: Version | None = None  # the version whose image this process has written here whole

    def load(self, *, url: str) -> Snapshot | None:
        """Return what is kept, or None where nothing whole is."""
        try:
            if not self._folder.is_dir():
                return None
            with self._locked():
                label = parse_json(read_regular(self._folder / LABEL, bytes_max=LABEL_BYTES_MAX, follow=False))
                image = read_regular(self._folder / IMAGE, bytes_max=IMAGE_BYTES_MAX, follow=False)
            if label["image_sha256"] != hashlib.sha256(image).hexdigest():
                return None
            return Snapshot(
                version=version_of(str(label["slot"]), label["facts"], url=url),
                contents=Contents(
                    trail=tuple(map(str, label["trail"])), marks=tuple(map(str, label.get("marks", ()))), image=image
                ),
                confirmed_at_s=float(label["confirmed_at_s"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, CorruptionError):
            return None

    def version(self, *, url: str) -> Version | None:
        """Return which version is kept, by its label alone; None where there is none."""
        try:
            label = parse_json((self._folder / LABEL).read_bytes())
            return version_of(str(label["slot"]), label["facts"], url=url)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, CorruptionError):
            return None

    def keep(self, snapshot: Snapshot) -> None:
        """Replace the copy, unless it was made from this version: what a machine knows never becomes less."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._locked():
                self._forget_unfinished()
                if self._comes_after(snapshot.version):
                    return
                if self._whole != snapshot.version or not self._is_labelled(snapshot.version):
                    self._replace(IMAGE, snapshot.contents.image)
                    self._whole = snapshot.version
                self._replace(LABEL, _label(snapshot))
        except OSError as exc:
            log.warning("local copy not written: %s", exc, extra={"action": "copy_not_written"})

    def _comes_after(self, version: Version) -> bool:
        """Return whether the copy that lies here, another process's, was made from this version."""
        try:
            label = parse_json((self._folder / LABEL).read_bytes())
            marks = list(label.get("marks", ()))
            trail = label["trail"][-len(marks) :] if marks else []
            return (version.slot, version.mark) in zip(trail, marks, strict=True)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False

    def _is_labelled(self, version: Version) -> bool:
        """Return whether the image that lies here is of this version, and not another process's."""
        try:
            label = parse_json(read_regular(self._folder / LABEL, bytes_max=LABEL_BYTES_MAX, follow=False))
            return bool(label["facts"] == version.facts)
        except (OSError, ValueError, KeyError, TypeError):
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
            file.flush()
            Path(file.name).replace(self._folder / name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _label(snapshot: Snapshot) -> bytes:
    said = {
        "slot": snapshot.version.slot,
        "facts": snapshot.version.facts,
        "trail": list(snapshot.contents.trail),
        "marks": list(snapshot.contents.marks),
        "image_sha256": hashlib.sha256(snapshot.contents.image).hexdigest(),
        "confirmed_at_s": snapshot.confirmed_at_s,
    }
    return canonical_json(said).encode()
