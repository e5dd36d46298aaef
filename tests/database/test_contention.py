"""Eight real processes, each a machine of its own, commit to one versioned database at once, on a bad network.

QCQUEUE_COMMITS=200 makes it the long run: 8 times 200 commits.
"""

import json
import os
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from qcqueue.clock import RandomIds, SystemClock, seeded
from qcqueue.database.versioned import VersionedDatabase
from qcqueue.storage.slots import FolderSlots
from qcqueue.testing.conformance import race
from qcqueue.testing.rivals import Told, check, commit, lines_of
from qcqueue.testing.slots import FaultySlots

RACERS = 8
COMMITS = int(os.environ.get("QCQUEUE_COMMITS", "25"))


@pytest.mark.parametrize("rate", [0.0, 0.03])
def test_eight_machines_at_once_lose_no_commit_and_double_none(memory: Path, rate: float) -> None:
    slots = FolderSlots(memory / "store", RandomIds())
    slots.make()
    a_machine(memory, "onlooker", 0.0).create()
    race(commit_often, [(memory, f"machine-{number}", rate) for number in range(RACERS)])
    told = {name: Told(answer) for path in memory.glob("*.told") for name, answer in json.loads(path.read_text())}
    assert len(told) == RACERS * COMMITS
    check(slots, told, lambda: lines_of(a_machine(memory, "onlooker", 0.0)))


def commit_often(folder: Path, name: str, rate: float, together: Barrier) -> None:
    database = a_machine(folder, name, rate)
    together.wait()
    told = [(f"{name}-{number}", commit(database, f"{name}-{number}")) for number in range(COMMITS)]
    (folder / f"{name}.told").write_text(json.dumps(told))


def a_machine(folder: Path, name: str, rate: float) -> VersionedDatabase:
    slots = FaultySlots(FolderSlots(folder / "store", RandomIds()), seeded(name), rate=rate)
    return VersionedDatabase(slots, copy=folder / name, clock=SystemClock(), ids=RandomIds(), author=name)
