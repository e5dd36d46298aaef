"""A fresh queue on a fresh Drive for every test that wants one."""

from collections.abc import Iterator

import pytest

from tests.stores_drive.queues import Queue, queue


@pytest.fixture
def drive() -> Iterator[Queue]:
    with queue() as found:
        yield found
