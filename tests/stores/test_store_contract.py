"""Every store keeps the promises of `stores.base`."""

from collections.abc import Iterator

import pytest

from qcqueue.conformance.clocks import MachineClock, WorldTime
from qcqueue.conformance.stores import StoreContract, StorePlace
from tests.support.members import STORES, params

pytestmark = pytest.mark.racing


class TestEveryStore(StoreContract):
    @pytest.fixture(params=params(STORES))
    def place(self, request: pytest.FixtureRequest, time: WorldTime) -> Iterator[StorePlace]:
        with STORES[request.param].running(MachineClock(time)) as place:
            yield place
