"""An empty queue for drills."""

from pathlib import Path

import pytest

from tests.cli.queues import House, an_empty_house


@pytest.fixture
def house(tmp_path: Path) -> House:
    return an_empty_house(tmp_path / "house")
