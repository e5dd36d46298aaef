"""Paths that a person wrote, and where this machine keeps what it knows of a queue.

What to do there is for whoever asks, and so is whether another program synchronizes it (`synced`). Always true: a path
that is returned is one a file system can have.
"""

import contextlib
import hashlib
import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import pwd

from qcqueue.errors import SettingInvalid

ANOTHER = "write another path there, such as folder:queue for a store or ~/.cache/qcqueue for the cache"


def expanded(text: str, source: str) -> Path:
    """Return a path as it was written, `~` included, if a file system can have it. Raises: SettingInvalid."""
    try:
        if not text.isprintable():
            raise SettingInvalid(f"the path {text!r} (from {source}) holds an invisible character", hint=ANOTHER)
        path = Path(text).expanduser()
        path.exists()
    except RuntimeError as exc:
        sentence = f"the path {text!r} (from {source}) begins with the home of an unknown user"
        raise SettingInvalid(sentence, hint=ANOTHER) from exc
    except OSError as exc:
        sentence = f"the path {text!r} (from {source}) cannot be used: {exc.strerror}"
        raise SettingInvalid(sentence, hint=ANOTHER) from exc
    return path


def own_account() -> tuple[str, str] | None:
    """Return the name and the home of whoever runs this process, None where the system has neither, as on Windows."""
    if sys.platform != "win32":
        with contextlib.suppress(KeyError, OSError):
            account = pwd.getpwuid(os.getuid())
            return account.pw_name, account.pw_dir
    return None


def kept_of_queue(cache: Path, name: bytes) -> Path:
    """Return where this machine keeps what it knows of a queue."""
    return cache / "queues" / hashlib.sha256(name).hexdigest()[:16]
