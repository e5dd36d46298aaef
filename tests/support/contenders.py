"""Machines that contend for one versioned database, what they were told, and the check of it against the store.

A commit adds one line, with a name of its own, to the history table. Each rival writes down what became of each of its
commits. Afterwards the chain in the store is walked from its first slot and held against all that was said: no commit
lost, none doubled, one winner a slot, one commit a version, numbers without a gap.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, insert, select

from qcqueue.clock import Ids, SystemClock
from qcqueue.conformance.clocks import CountedIds
from qcqueue.database.schema import history
from qcqueue.database.version import Version, contents_of, version_of
from qcqueue.database.versioned import VersionedDatabase
from qcqueue.errors import OutcomeUnknown, StoreError
from qcqueue.stores.base import Slots
from tests.support.chance import Chance
from tests.support.slots import FaultySlots

# A commit that a network this good refuses so often will never come through.
REFUSALS_MAX = 40

# Nor does it hide from a machine so often what was saved.
LOOKS_MAX = 5


class Told(StrEnum):
    """What a rival was told of a commit."""

    SAVED = "saved"
    UNKNOWN = "unknown"


def commit(database: VersionedDatabase, name: str) -> Told:
    """Add one line to the history, asking again for as long as it surely was not added. Raises AssertionError."""
    for _ in range(REFUSALS_MAX):
        try:
            database.transact(lambda tx: _add_line(tx, name))
            return Told.SAVED
        except OutcomeUnknown:
            return Told.UNKNOWN
        except StoreError:
            continue
    raise AssertionError(f"{name} does not come through")


def check(slots: Slots, told: Mapping[str, Told], read: Callable[[], list[str]]) -> None:
    """Hold what the rivals were told against the versions in the store and the newest lines. Raises AssertionError."""
    versions = chain_of(slots)
    lines = read()
    doubled = [name for name, times in Counter(lines).items() if times > 1]
    assert not doubled, f"counted twice: {doubled}"
    lost = {name for name, answer in told.items() if answer is Told.SAVED} - set(lines)
    assert not lost, f"lost: {sorted(lost)}"
    assert set(lines) <= set(told), "lines that nobody wrote"
    assert len(versions) == 1 + len(lines), f"{len(versions)} versions hold {len(lines)} commits"
    assert [version.number for version in versions] == list(range(1, len(versions) + 1))
    assert len({version.nonce for version in versions}) == len(versions), "one try won two slots"
    contents_of(slots.body(versions[-1].slot), versions[-1], url=slots.url)


def chain_of(slots: Slots) -> list[Version]:
    """Walk the chain from the slot everybody knows, through facts alone."""
    versions: list[Version] = []
    slot = slots.root
    while (facts := slots.facts(slot)) is not None:
        version = version_of(slot, facts, url=slots.url)
        assert version.before == (versions[-1].digest if versions else ""), f"version {version.number} is no successor"
        versions.append(version)
        slot = version.next
    return versions


def lines_of(database: VersionedDatabase) -> list[str]:
    with database.read() as tx:
        return _lines(tx)


def lines_by_result(database: VersionedDatabase) -> list[str]:
    """Return the lines that a transaction saw which changed nothing."""
    return database.transact(_lines)


def lines_by_refusal(database: VersionedDatabase) -> list[str]:
    """Return the lines that a transaction saw which then refused."""
    try:
        database.transact(_refuse)
    except Refused as refusal:
        return refusal.lines
    raise AssertionError("a refusal was swallowed")


# Every way in which a machine says what it sees.
WAYS_TO_SEE = (lines_of, lines_by_result, lines_by_refusal)


class Refused(Exception):
    """A transaction that would change nothing. lines: what it saw."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("refused")
        self.lines = lines


class Rivals:
    """Machines in one thread. Within any call of one to the store, others may run: a little, or very long."""

    def __init__(self, slots: Slots, folder: Path, chance: Chance, *, machines: int, rate: float, ids: Ids) -> None:
        self.told: dict[str, Told] = {}
        self.faulty: list[FaultySlots] = []
        self._slots = slots
        self._folder = folder
        self._chance = chance
        self._ids = ids
        self._running: list[int] = []
        self._databases = [self._machine(number, rate) for number in range(machines)]
        self._plain().create()

    def run(self, commits: int) -> None:
        """Let machines commit in an order drawn by chance, then check everything. Raises AssertionError."""
        for _ in range(commits):
            self._commit()
        check(self._slots, self.told, lambda: lines_of(self._plain()))
        stale = [number for number, database in enumerate(self._databases) if not self._sees_all(database)]
        assert not stale, f"machines {stale} do not see the newest version"

    def _machine(self, number: int, rate: float) -> VersionedDatabase:
        slots = FaultySlots(self._slots, self._chance, rate=rate, pause=self._let_others_run)
        self.faulty.append(slots)
        return self._database(slots, f"machine-{number}")

    def _plain(self) -> VersionedDatabase:
        return self._database(self._slots, f"fresh-{self._ids.new()}")

    def _database(self, slots: Slots, name: str) -> VersionedDatabase:
        ids = CountedIds(f"{name}-")
        return VersionedDatabase(slots, copy=self._folder / name, clock=SystemClock(), ids=ids, author=name)

    def _commit(self) -> None:
        idle = [number for number in range(len(self._databases)) if number not in self._running]
        number = self._chance.choice(idle)
        name = f"commit-{len(self.told)}"
        self.told[name] = Told.UNKNOWN
        self._running.append(number)
        self.told[name] = commit(self._databases[number], name)
        self._running.remove(number)

    def _let_others_run(self) -> None:
        if len(self._running) != 1 or self._chance.random() > 0.05:
            return
        # Now and then a machine is frozen until its version is old and its body has been given back.
        for _ in range(25 if self._chance.random() < 0.1 else 1):
            self._commit()

    def _sees_all(self, database: VersionedDatabase) -> bool:
        """Return whether the machine sees what was saved. It may need to look again: faults are still flowing."""
        see = self._chance.choice(WAYS_TO_SEE)
        saved = {name for name, answer in self.told.items() if answer is Told.SAVED}
        for _ in range(LOOKS_MAX):
            with contextlib.suppress(StoreError):
                if saved <= set(see(database)):
                    return True
        return False


def _lines(tx: Connection) -> list[str]:
    return [str(name) for name in tx.execute(select(history.c.why).order_by(history.c.id)).scalars()]


def _refuse(tx: Connection) -> None:
    raise Refused(_lines(tx))


def _add_line(tx: Connection, name: str) -> None:
    tx.execute(insert(history).values(at_s=0.0, who="rival", what="committed", why=name))
