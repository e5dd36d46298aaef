"""A person on a laptop who keeps a queue in a bucket: what they have set in their environment, and what they type."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from qcqueue.cli.main import run
from tests.support.servers.buckets import BucketServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Laptop:
    """folder: where commands are typed."""

    folder: Path
    patch: pytest.MonkeyPatch
    said: pytest.CaptureFixture[str]

    def types(self, line: str, *, code: int = 0) -> str:
        """Type a command; return what it says on both streams."""
        found = run(line.split())
        out, err = self.said.readouterr()
        assert found == code, out + err
        return out + err

    def sets(self, server: BucketServer) -> None:
        """Set in the environment what a user of this server has there."""
        for name, value in server.environment.items():
            self.patch.setenv(name, value)

    @property
    def settings_file(self) -> Path:
        return self.folder / "qcqueue.toml"
