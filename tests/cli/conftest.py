"""A house with a queue for every test of a command: made once, copied for each."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from qcqueue.cli.main import run
from qcqueue.cli.shared import BUG
from qcqueue.errors import UserError
from tests.cli.hints import DeadEnd, check, commands_in, hints_in, rehearsal_of
from tests.cli.queues import AT_WORK, House, an_empty_house, one_of_each

RUN = set[str]()
"""What was hinted at, and run, in this process."""


@pytest.fixture(autouse=True)
def _every_hint_leads_somewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Read what commands say, and fail a test in which they hint at nothing; run what they hinted at last.

    What is the same again has been run by an earlier test.
    """
    dead, echo, last = list[str](), typer.echo, ""

    def heard(message: Any = None, *rest: Any, **how: Any) -> None:
        nonlocal last
        echo(message, *rest, **how)
        for hint in hints_in(str(message)):
            last = hint
            try:
                check(hint, here=Path.cwd())
            except DeadEnd as exc:
                dead.append(str(exc))

    with monkeypatch.context() as patched:
        patched.setattr(typer, "echo", heard)
        yield
        assert dead == []
        if (hint := last).startswith("qcqueue") and hint not in RUN:
            RUN.add(hint)
            if (typed := rehearsal_of(next(commands_in(hint)))) is not None:
                code = run(typed)
                goes_on = "--dry-run" in typed and last not in (hint, f"qcqueue {typed[0]} -h")
                assert code != BUG
                assert code != UserError.exit_code or goes_on, f"{hint!r} leads to nothing"


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house with one job in each state."""
    house = an_empty_house(tmp_path_factory.mktemp("pattern") / "house")
    one_of_each(house.queue)
    return house.folder


@pytest.fixture
def house(pattern: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A copy of it to live in, whose session lives; nothing of the machine's own settings is seen."""
    folder = tmp_path / "house"
    shutil.copytree(pattern, folder)
    copy = move_in(House(folder=folder), monkeypatch)
    copy.queue.store.beat(AT_WORK)
    return copy


@pytest.fixture
def empty_house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A queue with one dataset and no job."""
    return move_in(an_empty_house(tmp_path / "house"), monkeypatch)


def move_in(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.chdir(house.folder)
    for name in ("QCQUEUE_STORE", "QCQUEUE_PROFILE", "QCQUEUE_OWNER", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QCQUEUE_CACHE", str(house.cache))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(house.config))
    return house


@pytest.fixture
def answer(capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that must end with this code; return what it says on stdout."""

    def ask(typed: str, *, code: int = 0) -> str:
        capfd.readouterr()
        found = run(typed.split())
        out, err = capfd.readouterr()
        assert found == code, err
        return out

    return ask
