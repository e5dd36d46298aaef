"""A version in the middle of a queue is gone: what goes on, what is refused, and what `store verify` says of it."""

from pathlib import Path

import pytest

from qcqueue.clock import RandomIds, SystemClock
from qcqueue.database.audit import Flaw, audit_versions
from qcqueue.database.chain import BODIES_KEPT
from qcqueue.database.sqlite import RESCUE
from qcqueue.database.versioned import TRAIL_MAX, VersionedDatabase
from qcqueue.errors import CorruptionError, StorePutBack
from qcqueue.stores.folder_slots import FolderSlots
from tests.support.contenders import WAYS_TO_SEE, chain_of, commit, lines_of

VERSIONS = TRAIL_MAX + 9
LINES = [f"line {number}" for number in range(VERSIONS - 1)]


@pytest.fixture
def disk(memory: Path) -> Path:
    """A store whose oldest versions have given their bytes back, made on the machine `knows`."""
    disk = memory / "disk"
    slots_in(disk).make()
    maker = a_machine(disk, "knows")
    maker.create()
    for line in LINES:
        commit(maker, line)
    return disk


def slots_in(disk: Path) -> FolderSlots:
    return FolderSlots(disk, RandomIds())


def a_machine(disk: Path, name: str) -> VersionedDatabase:
    return VersionedDatabase(
        slots_in(disk), copy=disk.with_name(name), clock=SystemClock(), ids=RandomIds(), author=name
    )


def lose(disk: Path, number: int) -> None:
    (disk / "slots" / chain_of(slots_in(disk))[number - 1].slot).unlink()


@pytest.mark.parametrize("number", [2, 5, VERSIONS - TRAIL_MAX - 1])
def test_an_old_version_that_is_gone_hinders_nobody_and_an_audit_names_it(disk: Path, number: int) -> None:
    lose(disk, number)
    flaws = (Flaw(says=f"version {number} in shared:{disk} is gone", is_head=False),)
    assert audit_versions(slots_in(disk), RandomIds()).flaws == flaws
    for name in ("fresh", "knows"):
        commit(a_machine(disk, name), name)
        assert a_machine(disk, name).adopt(lambda *_: True) is None, "it is no branch"
    assert lines_of(a_machine(disk, "another")) == [*LINES, "fresh", "knows"]
    assert audit_versions(slots_in(disk), RandomIds()).flaws == flaws


def test_where_neither_side_of_a_gap_has_its_bytes_the_queue_is_damaged_and_not_busy(disk: Path) -> None:
    before = VERSIONS - BODIES_KEPT
    lose(disk, before + 1)
    fresh = a_machine(disk, "fresh")
    for way in (*WAYS_TO_SEE, lambda it: commit(it, "more"), lambda it: it.adopt(lambda *_: None)):
        with pytest.raises(CorruptionError, match=f"version {before} in .* has no bytes any more") as caught:
            way(fresh)
        assert caught.value.hint == RESCUE
    with pytest.raises(StorePutBack):
        lines_of(a_machine(disk, "knows"))
    with pytest.raises(CorruptionError, match="has no bytes any more"):
        a_machine(disk, "knows").adopt(lambda *_: None)
    assert [flaw.is_head for flaw in audit_versions(slots_in(disk), RandomIds()).flaws] == [True]


@pytest.mark.parametrize("back", [2, 7, BODIES_KEPT - 2])
def test_who_was_refused_once_is_refused_until_somebody_adopts(disk: Path, back: int) -> None:
    lose(disk, VERSIONS - back)
    knows = a_machine(disk, "knows")
    for _ in range(3):
        for way in (lines_of, lambda it: commit(it, "on what is cut off")):
            with pytest.raises(StorePutBack):
                way(knows)
    assert a_machine(disk, "knows").adopt(lambda *_: True)
    for name in ("knows", "fresh"):
        assert lines_of(a_machine(disk, name)) == LINES[: VERSIONS - back - 2]
