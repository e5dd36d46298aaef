"""A fresh emulator for every test, gone when it ends, and two clients of one app."""

from collections.abc import Iterator

import pytest

from tests.support.drive.client import Connection
from tests.support_drive.scenes import Scene, scene


@pytest.fixture
def world() -> Iterator[Scene]:
    with scene() as found:
        yield found


@pytest.fixture
def laptop(world: Scene) -> Connection:
    return world.connect("laptop")


@pytest.fixture
def session(world: Scene) -> Connection:
    return world.connect("session-1")
