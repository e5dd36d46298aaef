"""The released version 0.5.1, to be run beside today's: its wheel lies among the golden files."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.cli.queues import House
from tests.database.golden import GOLDEN
from tests.end_to_end.machines import Worker, command, working

WHEEL = GOLDEN / "qcqueue-0.5.1-py3-none-any.whl"
RELEASED_FORMAT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The released version. Its commands run in a house, by their own code alone."""

    code: Path

    def types(self, house: House, line: str, *, code: int = 0) -> str:
        done = command(house, *line.split(), environment=self._environment(house), fresh=True)
        assert done.returncode == code, done.stderr
        return done.stdout

    def working(self, house: House) -> AbstractContextManager[Worker]:
        return working(house, name="before", environment=self._environment(house), fresh=True)

    def _environment(self, house: House) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QCQUEUE_")}
        return kept | {"QCQUEUE_CACHE": str(house.cache), "PYTHONPATH": str(self.code)}
