"""Hypothesis profiles, an end for a test that hangs, no waiting for disks, and the search for secrets in all files.

`ci` draws the same examples every time; `dev` looks for new ones, and `long` for more of them. No profile has a
deadline: the machines of continuous integration, and ours under a second suite, are slow at will.
"""

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import settings

from qcqueue.conformance.processes import PROCESSES
from tests.canary import leaks

settings.register_profile("dev", deadline=None, max_examples=16)
settings.register_profile("long", deadline=None, max_examples=200)
settings.register_profile("ci", deadline=None, max_examples=16, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="all that takes long too: three hundred worlds, whole drills")
    parser.addoption("--servers", action="store_true", help="what needs a server of its own kind, such as PostgreSQL")
    parser.addoption("--fast", action="store_true", help="only what needs no process, no browser and no TensorFlow")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--long") and not os.environ.get("CI"):
        settings.load_profile("long")


def pytest_collection(session: pytest.Session) -> None:
    """Look for no garbage among what only grows: thousands of tests, each of some objects."""
    gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()
    gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what is slow with --fast."""
    is_slow = any(collection_path == HERE / name for name in SLOW)
    return True if config.getoption("--fast") and is_slow else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # The first worker is given what stands first, and nobody takes it from there: so it alone imports TensorFlow.
    items.sort(key=lambda item: not item.get_closest_marker("tensorflow"))
    unasked = [name for name in ("long", "servers") if not config.getoption(f"--{name}")]
    left_out = [item for item in items if any(item.get_closest_marker(name) for name in unasked)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not any(item.get_closest_marker(name) for name in unasked)]


HERE = Path(__file__).parent
# What starts processes, browsers or frameworks, or plays whole sessions.
SLOW = (
    *("app", "browser", "catalog", "cli", "database", "docs", "drill", "end_to_end", "engines", "live", "notebook"),
    *("packaging", "simulation", "stores", "stores_drive", "support_drive"),
    *("reports/test_hostile.py", "reports/test_write.py", "worker/test_session_ends.py"),
    "worker/test_session_troubles.py",
)

# No test cuts the power, and what a killed process has written the system keeps: none needs to wait for a disk. Tests
# of what is synced, and of disks that fail at it, put something of their own in this place.
os.fsync = lambda fd: None

# What the processes of contracts and races would import one by one, their server imports for all of them.
PROCESSES.set_forkserver_preload(
    ["tests.support.members", "tests.support.contention", "qcqueue.stores.drive.layout", "qcqueue.stores.drive.store"]
)

# The longest test takes a quarter of this, on a machine that is under a second suite.
HANGS_AFTER_S = 480


@pytest.fixture(autouse=True)
def _no_test_hangs() -> Iterator[None]:
    """Fail a test that waits for something that never comes, where it waits, instead of keeping the suite."""

    def give_up(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"the test has not ended within {HANGS_AFTER_S} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(HANGS_AFTER_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run, and name the file, where a secret was written. Workers of xdist write below this folder too."""
    config = session.config
    if hasattr(config, "workerinput"):
        return
    for path in leaks(config._tmp_path_factory.getbasetemp()):  # type: ignore[attr-defined]
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
        config.get_terminal_writer().line()
        config.get_terminal_writer().sep("!", f"a secret was written to {path}", red=True)
