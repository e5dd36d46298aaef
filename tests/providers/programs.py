"""The program `kaggle` as a person may have installed it: a script on the path that says what a test wants."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROWS = (
    {
        "resource": "GPU",
        "used": "21.43h",
        "remaining": "8.57h",
        "total": "30.00h",
        "refreshAt": "2027-01-02T00:00:00",
    },
    {"resource": "TPU", "used": "0.00h", "remaining": "20.00h", "total": "20.00h", "refreshAt": "2027-01-02T00:00:00"},
)
REFRESHES_AT_S = 1_798_848_000.0


def rows(**changes: Any) -> bytes:
    """Return what it says, with the row of the GPU changed."""
    return json.dumps([{**ROWS[0], **changes}, ROWS[1]]).encode()


class KaggleProgram:
    """A `kaggle` in a folder that is first on the path."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._script = folder, folder / "kaggle"
        self.says(rows())
        monkeypatch.setenv("PATH", str(folder), prepend=":")

    def says(self, said: bytes, *, exit_code: int = 0, after_s: float = 0.0) -> None:
        """From now on have it print this."""
        (self._folder / "said").write_bytes(said)
        self.runs(
            "(here / 'asked').write_text(json.dumps([sys.argv[1:], dict(os.environ)]))\n"
            f"time.sleep({after_s})\n"
            "sys.stdout.buffer.write((here / 'said').read_bytes())\n"
            f"sys.exit({exit_code})\n"
        )

    def runs(self, code: str) -> None:
        """From now on have it run this, in which `here` is its folder."""
        self._script.write_text(
            f"#!{sys.executable} -S\n"
            "import json, os, sys, time, pathlib\n"
            f"here = pathlib.Path({str(self._folder)!r})\n{code}"
        )
        self._script.chmod(0o755)

    @property
    def asked(self) -> tuple[list[str], Mapping[str, str]] | None:
        """With what arguments and in what environment it was started last; None where it was not."""
        file = self._folder / "asked"
        return tuple(json.loads(file.read_text())) if file.exists() else None
