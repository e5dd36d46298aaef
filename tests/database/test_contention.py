"""Eight real processes, each a machine of its own, commit to one versioned database at once, on a bad network.

QCQUEUE_COMMITS=200 makes it the long run: 8 times 200 commits.
"""

import functools
import os
from pathlib import Path

import pytest

from qcqueue.clock import RandomIds, seeded
from qcqueue.stores.base import Slots
from qcqueue.stores.folder_slots import FolderSlots
from tests.support.contention import ONLOOKER, contend
from tests.support.slots import FaultySlots

pytestmark = pytest.mark.racing

COMMITS = int(os.environ.get("QCQUEUE_COMMITS", "10"))


@pytest.mark.parametrize("rate", [pytest.param(0.0, marks=pytest.mark.long), 0.03])
def test_eight_machines_at_once_lose_no_commit_and_double_none(memory: Path, rate: float) -> None:
    contend(functools.partial(shared_slots, memory / "store", rate), memory, processes=8, commits=COMMITS)


def shared_slots(store: Path, rate: float, machine: int) -> Slots:
    slots = FolderSlots(store, RandomIds())
    slots.make()
    return slots if machine == ONLOOKER else FaultySlots(slots, seeded(machine), rate=rate)
