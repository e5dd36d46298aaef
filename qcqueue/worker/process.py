"""The trainer as a child process of the session.

The child is started in the session's own process group, so a signal to the group reaches both, and with a pipe
as its standard input: when the session dies, the pipe closes and the child goes too. Over the pipe it is told its
folder and nothing else; all talk goes through the spool. So it can load its libraries before there is a job for it.
It has no business with Drive and is given none of its secrets.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from qcqueue.storage.drive.token import without_secrets


class Trainer(Protocol):
    """What a session needs of whoever trains in its spool folder."""

    def get_ready(self) -> None:
        """Load what every job needs, so that the next `start` takes less; one that is ready is left alone."""

    def start(self, folder: Path) -> None:
        """Begin work on the order in `folder`."""

    def exit_code(self) -> int | None:
        """Return None while it runs, else its exit status; minus the signal's number if a signal ended it.

        One that is only ready does not run.
        """
        ...

    def kill(self) -> None:
        """End it at once, running or ready; ending what has ended is fine."""


class TrainerProcess:
    """`python -m qcqueue.worker.trainer`. cache: on the disk of the spools, for what it prints before it has one."""

    def __init__(self, cache: Path) -> None:
        self._log = cache / f"trainer-{os.getpid()}.log"
        self._ready: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def get_ready(self) -> None:
        self._ready = self._ready or self._spawned()

    def start(self, folder: Path) -> None:
        process, self._ready = self._ready or self._spawned(), None
        self._log.replace(folder / "trainer.log")
        assert process.stdin is not None, "it was started with a pipe"
        with suppress(BrokenPipeError):  # it has ended while it got ready, as its exit status will tell
            process.stdin.write(json.dumps(str(folder)).encode() + b"\n")
            process.stdin.flush()
        self._process = process

    def exit_code(self) -> int | None:
        if self._process is None:
            return 0
        code = self._process.poll()
        if code is not None:
            _close(self._process)
        return code

    def kill(self) -> None:
        if self._ready:
            _end(self._ready)
            self._ready = None
            self._log.unlink(missing_ok=True)
        if self._process:
            _end(self._process)

    def _spawned(self) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "qcqueue.worker.trainer"],
                env=without_secrets(os.environ),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    """Close our end of the pipe: a notebook's kernel outlives many trainers."""
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()


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
