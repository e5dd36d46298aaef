"""Every home of the database keeps the promises of `database.base`."""

from collections.abc import Iterator

import pytest

from qcqueue.conformance.databases import DatabaseContract, DatabasePlace
from tests.support.members import DATABASES, ON_SERVERS

pytestmark = pytest.mark.racing


class TestEveryDatabase(DatabaseContract):
    @pytest.fixture(params=list(DATABASES))
    def place(self, request: pytest.FixtureRequest) -> Iterator[DatabasePlace]:
        with DATABASES[request.param].running() as place:
            yield place


@pytest.mark.servers
class TestEveryDatabaseOnAServer(DatabaseContract):
    @pytest.fixture(params=list(ON_SERVERS))
    def place(self, request: pytest.FixtureRequest) -> Iterator[DatabasePlace]:
        with ON_SERVERS[request.param].running() as place:
            yield place
