"""Hypothesis profiles for the whole suite, the order of its tests, and the search for secrets in all that it wrote.

`ci` draws the same examples every time; `dev` looks for new ones. No profile has a deadline: the machines of
continuous integration, and ours under a second suite, are slow at will.
"""

import os
from itertools import chain, groupby

import pytest
from hypothesis import settings

from tests.canary import leaks

settings.register_profile("dev", deadline=None, max_examples=60)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every worker of xdist begin with its share of the slow tests, so that none waits for a long last one.

    Each is given an equal stretch of the list at first. Files stay whole, for what their tests share is made once.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    fast = [item for item in items if not _is_slow(item)]
    files = [list(of_a_file) for _, of_a_file in groupby(filter(_is_slow, items), key=lambda item: item.path)]
    dealt: list[pytest.Item] = []
    for worker in range(workers):
        dealt += chain.from_iterable(files[worker::workers])
        room = max(0, len(items) * (worker + 1) // workers - len(dealt))
        dealt, fast = dealt + fast[:room], fast[room:]
    items[:] = dealt + fast


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("tensorflow") is not None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run, and name the file, where a secret was written. Workers of xdist write below this folder too."""
    config = session.config
    if hasattr(config, "workerinput"):
        return
    for path in leaks(config._tmp_path_factory.getbasetemp()):  # type: ignore[attr-defined]
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
        config.get_terminal_writer().line()
        config.get_terminal_writer().sep("!", f"a secret was written to {path}", red=True)
