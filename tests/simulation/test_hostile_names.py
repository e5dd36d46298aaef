"""Names in a database that somebody else has written lead no session out of the store, nor out of its cache."""

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.colab import Colab
from tests.support.options import JobPlan
from tests.support.simulate import MEMORY

ONE = [JobPlan(epochs=2, step_count=2, early_stopping=0, needs_gpu=False)]
NAMES = ("../../x", "../x", "..", ".", "a/../../x", "x\n", "x" * 300, "incoming-x")


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.parametrize("same_machine", [True, False])
@pytest.mark.parametrize("name", [*NAMES, "/absolute"], ids=ascii)
def test_a_crafted_heartbeat_makes_nobody_touch_a_file_of_the_user(root: Path, same_machine: bool, name: str) -> None:
    colab = Colab(root / "colab", ONE)
    colab.session(machine=1, taken_after_s=4.0)
    crafted = str(root / "x") if name == "/absolute" else name
    with contextlib.closing(sqlite3.connect(colab.database.path)) as connection, connection:
        assert connection.execute("UPDATE sessions SET heartbeat = ?", (crafted,)).rowcount == 1
    users = [root / "x", root / "colab" / "x", root / "colab" / "store" / "x"]
    for path in users:
        path.write_bytes(b"mine")
    times = [path.stat().st_mtime_ns for path in users]
    colab.time.now_s += 3600.0
    colab.session(machine=1 if same_machine else 2)
    assert colab.detail.line.state == "done"
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in users] == [(b"mine", it) for it in times]
