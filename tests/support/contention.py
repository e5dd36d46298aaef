"""Real processes, each a machine of its own, that commit to one versioned database at the same time.

What they were told travels to the caller in files, and is held against the chain in the store as `rivals` does it. It
works over every kind of slots: the caller says how a process reaches them.
"""

import json
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

from qcqueue.clock import RandomIds, SystemClock
from qcqueue.conformance.processes import race
from qcqueue.database.versioned import VersionedDatabase
from qcqueue.stores.base import Slots
from tests.support.contenders import Told, check, commit, lines_of

# The machine of the caller, which makes the queue and looks at the end.
ONLOOKER = 0


def contend(
    open_slots: Callable[[int], Slots],
    folder: Path,
    *,
    processes: int,
    commits: int,
    calm: Callable[[], None] = lambda: None,
) -> dict[str, Told]:
    """Let machines 1 to `processes` commit that often each; check the outcome and return what they were told.

    open_slots returns a machine's slots, in its own process, and so must be picklable; machine 0 is the `ONLOOKER`.
    The queue is made where there is none. folder holds the caches and the answers. calm is called when all have
    committed and before the outcome is looked at, which wants a sound network.
    Raises: AssertionError: a commit was lost or doubled, or a process did not end well.
    """
    onlooker = _machine(open_slots(ONLOOKER), folder, ONLOOKER)
    onlooker.create()
    racers = range(1, processes + 1)
    race(_commit_often, [(open_slots, folder, number, commits) for number in racers])
    calm()
    told = {name: answer for number in racers for name, answer in _answers(folder, number).items()}
    assert len(told) == processes * commits
    check(open_slots(ONLOOKER), told, lambda: lines_of(onlooker))
    return told


def _commit_often(
    open_slots: Callable[[int], Slots], folder: Path, number: int, commits: int, together: Barrier
) -> None:
    database = _machine(open_slots(number), folder, number)
    together.wait()
    names = [f"machine-{number}-{count}" for count in range(commits)]
    told = {name: commit(database, name) for name in names}
    _told_file(folder, number).write_text(json.dumps(told))


def _answers(folder: Path, number: int) -> dict[str, Told]:
    return {name: Told(answer) for name, answer in json.loads(_told_file(folder, number).read_text()).items()}


def _told_file(folder: Path, number: int) -> Path:
    return folder / f"machine-{number}.json"


def _machine(slots: Slots, folder: Path, number: int) -> VersionedDatabase:
    name = f"machine-{number}"
    return VersionedDatabase(slots, copy=folder / name, clock=SystemClock(), ids=RandomIds(), author=name)
