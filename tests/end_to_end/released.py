"""The released version 0.5.1, to be run beside today's: its wheel lies among the golden files."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cli.queues import House
from tests.database.golden import GOLDEN
from tests.end_to_end.machines import LIMIT_S, Worker

WHEEL = GOLDEN / "qcqueue-0.5.1-py3-none-any.whl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The released version. Its commands run in a house, by their own code alone."""

    code: Path

    def types(self, house: House, line: str, *, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "qcqueue", *line.split()],
            cwd=house.folder,
            env=self._environment(house),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    @contextmanager
    def working(self, house: House) -> Iterator[Worker]:
        log = house.folder / "before.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "qcqueue", "work"],
                cwd=house.folder,
                env=self._environment(house),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield Worker(process=process, log=log)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(LIMIT_S)

    def _environment(self, house: House) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QCQUEUE_")}
        return kept | {"QCQUEUE_CACHE": str(house.cache), "PYTHONPATH": str(self.code)}
