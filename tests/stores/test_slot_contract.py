"""Everything that has create-once slots keeps the promises of `stores.base`."""

from collections.abc import Iterator

import pytest

from qcqueue.conformance.slots import SlotContract, SlotPlace
from tests.support.members import SLOTS, params

pytestmark = pytest.mark.racing


class TestAllSlots(SlotContract):
    @pytest.fixture(params=params(SLOTS))
    def place(self, request: pytest.FixtureRequest) -> Iterator[SlotPlace]:
        with SLOTS[request.param].running() as place:
            yield place
