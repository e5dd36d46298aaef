"""Whether the suite wrote a secret anywhere: every secret of the Drive emulator holds a canary to search for.

Only the files in which a person keeps their sign-in may hold one, by name, and the journal of uploads, by suffix: it
must know where an upload goes on. Both only where nobody else can read them.
"""

import os
import subprocess
from pathlib import Path

from tests.support.drive.accounts import CANARY

KEPT_BY_A_PERSON = ("drive-token.json", "client.json", "tv.json")
DOWNLOADED = "client_secret"
JOURNAL = ".upload"
EMULATOR_OF_0_5_1 = ("qcqueue", "testing", "drive", "accounts.py")
"""A released version that is installed to be tried brings its own emulator, which says what a canary looks like."""

SEARCH = ("grep", "--recursive", "--devices=skip", "--no-messages", "--files-with-matches", "--null", "--fixed-strings")
"""Tens of thousands of files are looked through in seconds, and a link is not followed."""


def leaks(folder: Path) -> list[Path]:
    """Return the files in and below `folder` that hold a secret and should not."""
    found = subprocess.run([*SEARCH, CANARY, str(folder)], env=dict(os.environ), capture_output=True, check=False)
    paths = [Path(os.fsdecode(name)) for name in found.stdout.split(b"\0") if name]
    return sorted(path for path in paths if not is_kept_well(path))


def is_kept_well(path: Path) -> bool:
    if path.parts[-4:] == EMULATOR_OF_0_5_1:
        return True
    is_meant_to = path.name in KEPT_BY_A_PERSON or path.name.startswith(DOWNLOADED) or path.suffix == JOURNAL
    return is_meant_to and path.stat().st_mode & 0o077 == 0
