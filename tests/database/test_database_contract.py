"""Every home of the database keeps the promises of `database.base`."""

from collections.abc import Iterator

import pytest

from qcqueue.conformance.databases import DatabaseContract, DatabasePlace
from tests.support.members import DATABASES, params

pytestmark = pytest.mark.racing


class TestEveryDatabase(DatabaseContract):
    @pytest.fixture(params=params(DATABASES))
    def place(self, request: pytest.FixtureRequest) -> Iterator[DatabasePlace]:
        with DATABASES[request.param].running() as place:
            yield place
