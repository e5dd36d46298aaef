"""Real processes, each a machine of its own, that want the same names of a bucket at the same time."""

import functools
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from qcqueue.conformance.processes import race
from qcqueue.conformance.slots import SlotPlace
from qcqueue.stores.base import Creation, Slots
from tests.support.contention import contend
from tests.support.members import SLOTS

pytestmark = [pytest.mark.servers, pytest.mark.racing]

MACHINES = 4
SLOTS_WANTED = 100
COMMITS = 25
TOGETHER = 10
"""After how many slots the machines wait for each other: SeaweedFS takes a second for a name that four want at once."""


@pytest.mark.parametrize("scheme", ["s3", "az"])
def test_of_a_hundred_slots_that_four_machines_want_each_has_one_winner(scheme: str, tmp_path: Path) -> None:
    with SLOTS[scheme].running() as place:
        slots = place.open(tmp_path)
        wanted = [slots.reserve(number) for number in range(2, SLOTS_WANTED + 2)]
        told = [tmp_path / f"machine-{number}" for number in range(MACHINES)]
        race(_want_all, [(place, tmp_path, wanted, path) for path in told])
        won = {path.name: path.read_text().split() for path in told}
        assert sorted(slot for mine in won.values() for slot in mine) == sorted(wanted)
        for name, mine in won.items():
            assert {slots.body(slot) for slot in mine} <= {name.encode()}
        assert len([name for name, mine in won.items() if mine]) > 1, "nobody contended"


@pytest.mark.parametrize("scheme", ["s3", "az"])
def test_four_machines_that_commit_at_once_lose_no_commit_and_double_none(scheme: str, tmp_path: Path) -> None:
    with SLOTS[scheme].running() as place:
        contend(functools.partial(_attached, place, tmp_path / "store"), tmp_path, processes=MACHINES, commits=COMMITS)


def _want_all(place: SlotPlace, root: Path, wanted: list[str], told: Path, together: Barrier) -> None:
    slots = place.open(root)
    won = []
    for number, slot in enumerate(wanted):
        if number % TOGETHER == 0:  # or whoever wins the first is ahead of all others to the end
            together.wait()
        if slots.create(slot, told.name.encode(), {"by": told.name}) is Creation.CREATED:
            won.append(slot)
    told.write_text(" ".join(won))


def _attached(place: SlotPlace, root: Path, machine: int) -> Slots:
    return place.attach(root)
