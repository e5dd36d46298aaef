"""Paths that a person wrote, and where this machine keeps what it knows of a queue.

What to do there is for whoever asks. Always true: a path that is returned is one a file system can have, and neither a
store nor a cache lies in a folder that somebody synchronizes behind our back.
"""

import hashlib
from pathlib import Path

from qcqueue.errors import SettingInvalid

# A synced folder answers before the bytes are safe, and two machines can both believe they wrote last.
SYNCED_FOLDERS = ("Google Drive", "GoogleDrive", "My Drive", "MyDrive", "Dropbox", "OneDrive", "iCloud Drive")


def expanded(text: str, source: str) -> Path:
    """Return a path as it was written, `~` included, if a file system can have it. Raises: SettingInvalid."""
    try:
        if not text.isprintable():
            raise SettingInvalid(f"the path {text!r} (from {source}) holds an invisible character")
        path = Path(text).expanduser()
        path.exists()
    except RuntimeError as exc:
        raise SettingInvalid(f"the path {text!r} (from {source}) begins with the home of an unknown user") from exc
    except OSError as exc:
        raise SettingInvalid(f"the path {text!r} (from {source}) cannot be used: {exc.strerror}") from exc
    return path


def refuse_synced(path: Path) -> None:
    """Raises: SettingInvalid: the path lies where writes are undone or doubled behind our back."""
    synced = next((part for part in path.parts if part in SYNCED_FOLDERS), None)
    if synced or path.parts[:3] == ("/", "content", "drive"):
        raise SettingInvalid(
            f"{path} lies in {synced or 'a mounted Drive'}, which is synced behind qcqueue's back and loses writes",
            hint="qcqueue init --store folder:queue, in a folder that is only on this machine",
        )


def kept_of_queue(cache: Path, name: bytes) -> Path:
    """Return where this machine keeps what it knows of a queue. Raises: SettingInvalid: the cache is synced."""
    refuse_synced(cache.absolute())
    return cache / "queues" / hashlib.sha256(name).hexdigest()[:16]
