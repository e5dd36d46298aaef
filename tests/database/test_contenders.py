"""Machines that contend under faults lose nothing; with a planted bug they do, and that is found."""

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from qcqueue.clock import seeded
from qcqueue.conformance.clocks import CountedIds
from qcqueue.database import chain, versioned
from qcqueue.database.chain import Chain
from qcqueue.database.version import Version
from qcqueue.database.versioned import VersionedDatabase
from qcqueue.errors import QcqueueError
from qcqueue.stores.folder_slots import FolderSlots
from tests.support.contenders import Rivals
from tests.support.slots import SlotFault

SEEDS = (4, 5, 0)
"""Those whose machines come to an end first; in the first two every fault strikes."""

MORE_SEEDS = (1, 2, 3, 6, 7)


def live(seed: int, folder: Path, *, commits: int = 20) -> Rivals:
    """Let four machines contend under faults."""
    ids = CountedIds(f"{seed}-")
    slots = FolderSlots(folder / f"store-{seed}", ids)
    slots.make()
    rivals = Rivals(slots, folder / f"caches-{seed}", seeded(seed), machines=4, rate=0.06, ids=ids)
    rivals.run(commits)
    return rivals


def live_all(folder: Path) -> list[Rivals]:
    return [live(seed, folder) for seed in (*SEEDS, *MORE_SEEDS)]


@pytest.mark.parametrize("seed", [*SEEDS, *(pytest.param(seed, marks=pytest.mark.long) for seed in MORE_SEEDS)])
def test_rivals_on_a_bad_network_lose_no_commit_and_double_none(seed: int, memory: Path) -> None:
    live(seed, memory)


def test_every_fault_really_strikes(memory: Path) -> None:
    hits = sum((faulty.hits for seed in SEEDS[:2] for faulty in live(seed, memory).faulty), Counter[SlotFault]())
    assert set(hits) == set(SlotFault)


def taken_is_a_rivals(winner: Mapping[str, str], version: Version) -> bool:
    return False


def taken_is_ours(winner: Mapping[str, str], version: Version) -> bool:
    return True


def trust_the_listing(self: Chain, known: Version | None) -> Version:
    return max([self._first(), *self._hints()], key=lambda version: version.number)


def delete_old_slots(self: FolderSlots, slot: str) -> None:
    self._path(slot).unlink(missing_ok=True)


class Believed(BaseException):
    """An error on its way past whoever would look again."""


transact = VersionedDatabase.transact


def believe_stale_refusals(self: VersionedDatabase, action: Callable[[Connection], Any]) -> Any:
    def run(tx: Connection) -> Any:
        try:
            return action(tx)
        except Exception as exc:
            raise Believed from exc

    try:
        return transact(self, run)
    except Believed as believed:
        raise believed.__cause__ or believed from None


def believe_stale_results(self: VersionedDatabase, action: Callable[[Connection], Any]) -> Any:
    if self._known.seen is not None:
        with contextlib.suppress(Exception):
            result, image = self._run(self._known.seen, action)
            if image is None:
                return result
    return transact(self, action)


BUGS = {
    "the nonce is not looked at, taken is a rival's": (chain, "_same_try", taken_is_a_rivals),
    "the nonce is not looked at, taken is ours": (chain, "_same_try", taken_is_ours),
    "the listing is trusted": (Chain, "head", trust_the_listing),
    "a refusal on a stale version is believed": (VersionedDatabase, "transact", believe_stale_refusals),
    "a result from a stale version is believed": (VersionedDatabase, "transact", believe_stale_results),
    "old slots are deleted": (FolderSlots, "truncate", delete_old_slots),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found(bug: str, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*BUGS[bug])
    monkeypatch.setattr(versioned, "RACES_LOST_MAX", 10)  # a bug may lose every race, and need not take its time
    with pytest.raises((AssertionError, QcqueueError)):
        live_all(memory)
