"""The accounts of the live tests, one folder for all they make, and their findings at the end of the run."""

from collections.abc import Callable, Iterator

import pytest

from tests.live.accounts import MAIN, TV, Account, account

TITLE = "qcqueue live tests"


@pytest.fixture
def finding(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Say what was found; it stands in the summary of the run, for people to paste."""
    return lambda text: record_property("finding", text)


@pytest.fixture(scope="module")
def main() -> Account:
    return account(MAIN)


@pytest.fixture(scope="module")
def tv() -> Account:
    return account(TV)


@pytest.fixture(scope="module")
def folder(main: Account) -> Iterator[str]:
    """A folder of its own for the whole run, deleted for good with all it holds."""
    made = main.insert("", TITLE, None)
    assert made, "an id that was just reserved is free"
    yield made.id
    main.files.delete(made.id)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [one for outcome in ("passed", "failed") for one in terminalreporter.stats.get(outcome, [])]
    found = [
        (report.nodeid.rpartition("::")[2], value)
        for report in reports
        for key, value in report.user_properties
        if key == "finding" and report.when == "call"
    ]
    if found:
        terminalreporter.section("what was found on Google Drive")
    for test, text in found:
        terminalreporter.write_line(f"{test.removeprefix('test_').replace('_', ' ')}: {text}")
