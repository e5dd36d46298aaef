from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.queue.desk import Desk


@pytest.fixture(params=["in a file", pytest.param("on a server", marks=pytest.mark.servers)])
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    desk = Desk(tmp_path if request.param == "in a file" else None)
    yield desk
    desk.database.close()
