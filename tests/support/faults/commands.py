"""Runs commands one after the other in processes of their own, each forked from one that has imported everything.

Always true: a command ends, at the latest by an alarm after `LIMIT_S`, and is judged by what it said until then.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 90
ROOT = Path(__file__).parents[3]
"""Where the tests of a checkout are imported from, as they are not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended: its exit status, minus the number of the signal that ended it, and all that it said."""

    code: int
    said: str

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Commands:
    """One process that forks. library: the preload it runs under; scratch: a folder for what commands say."""

    def __init__(self, library: Path, scratch: Path) -> None:
        self._library = library
        self._said = scratch / "said.log"
        self._server: subprocess.Popen[str] | None = None

    def run(self, arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Ran:
        """Run `qcqueue` with these arguments to its end."""
        server = self._started()
        assert server.stdin is not None, "it was started with pipes"
        assert server.stdout is not None, "it was started with pipes"
        asked = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": dict(environment),
            "said": str(self._said),
            "library": str(self._library),
            "limit_s": LIMIT_S,
        }
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        return Ran(code=int(server.stdout.readline()), said=self._said.read_text(encoding="utf-8", errors="replace"))

    def close(self) -> None:
        if self._server:
            self._server.communicate()
            self._server = None

    def _started(self) -> "subprocess.Popen[str]":
        if self._server is None:
            bare = {name: value for name, value in os.environ.items() if not name.startswith("QCQUEUE_")}
            self._server = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.support.faults.program", "--serve"],
                env=bare | {"LD_PRELOAD": str(self._library), "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self._server
