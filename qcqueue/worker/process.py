"""The trainer as a child process of the session.

The child is started in the session's own process group, so a signal to the group reaches both, and with a pipe
as its standard input: when the session dies, the pipe closes and the child goes too. Nothing else is said over
the pipe; all talk goes through the spool. It has no business with Drive and is given none of its secrets.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from qcqueue.storage.drive.token import without_secrets


class Trainer(Protocol):
    """What a session needs of whoever trains in its spool folder."""

    def start(self, folder: Path) -> None:
        """Begin work on the order in `folder`."""

    def exit_code(self) -> int | None:
        """Return None while it runs, else its exit status; minus the signal's number if a signal ended it."""
        ...

    def kill(self) -> None:
        """End it at once; ending what has ended is fine."""


class TrainerProcess:
    """`python -m qcqueue.worker.trainer FOLDER`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, folder: Path) -> None:
        with (folder / "trainer.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "qcqueue.worker.trainer", str(folder)],
                env=without_secrets(os.environ),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def exit_code(self) -> int | None:
        if self._process is None:
            return 0
        code = self._process.poll()
        if code is not None and self._process.stdin:
            self._process.stdin.close()  # a notebook's kernel outlives many trainers
        return code

    def kill(self) -> None:
        if self._process and self.exit_code() is None:
            self._process.kill()
            self._process.wait()
            self.exit_code()


def check_weights(model: str) -> str | None:
    """Return why the ImageNet weights of `model` cannot be had here, or None. Downloads them where it can."""
    child = subprocess.run(
        [sys.executable, "-m", "qcqueue.worker.trainer", "--weights", model],
        env=without_secrets(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return None if child.returncode == 0 else (child.stdout.strip().splitlines() or ["the check itself failed"])[-1]
