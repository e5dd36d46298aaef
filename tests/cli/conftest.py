"""A house with a queue for every test of a command: made once, copied for each."""

import shutil
from pathlib import Path

import pytest

from tests.cli.queues import AT_WORK, House, an_empty_house, one_of_each


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
    for name in ("QCQUEUE_STORE", "QCQUEUE_PROFILE", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QCQUEUE_CACHE", str(house.cache))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(house.config))
    return house
