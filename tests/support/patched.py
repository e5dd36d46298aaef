"""A copy of the package with lines put in, tried in a process of its own.

What a change costs is what its patch names: where a new row or field is all that it takes, no other file is touched
here, and nothing of this process is replaced.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIMIT_S = 240


Insertion = tuple[str, str]
"""A text that a file holds once, and what is put in behind it."""


def patched(folder: Path, *changes: Mapping[str, Insertion]) -> Path:
    """Return a folder with our package, changed. changes: what is put into each file, one after the other."""
    copy = folder / "qcqueue"
    shutil.copytree(ROOT / "qcqueue", copy)  # with what Python compiled, which is good for all that stays as it is
    for name, (anchor, added) in (item for change in changes for item in change.items()):
        text = (copy / name).read_text(encoding="utf-8")
        assert text.count(anchor) == 1, f"{name} holds {text.count(anchor)} times: {anchor}"
        (copy / name).write_text(text.replace(anchor, anchor + added), encoding="utf-8")
    return folder


def said_by(folder: Path, program: str) -> Any:
    """Return the JSON that a program prints last, run with the package of a folder and the tests of ours."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
