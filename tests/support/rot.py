"""`python -m tests.support.rot`: flip one bit of a queue's file, again and again, and see that `verify` sees it.

The queue is that of a simulated world, made by real sessions. Before and after each flip the covered rows are read with
SQL of its own; where any of them is another one, is gone, or has come, `store verify` must end with damage, in words.
Whatever else a flip does, there is no traceback.
"""

import argparse
import contextlib
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from qcqueue.app.context import context_in
from qcqueue.app.verify import verify
from qcqueue.clock import seeded
from qcqueue.database.local import LocalDatabase
from qcqueue.database.rows import COVERED, covered_columns, vouched
from qcqueue.database.schema import last_words
from qcqueue.errors import CorruptionError, QcqueueError
from qcqueue.stores.folder import DATABASE_FILE
from tests.support.options import draw_options
from tests.support.simulate import scratch
from tests.support.world import World

WORLD = 22
"""The seed of the world whose queue rots: several jobs that were interrupted, and are done."""

FLIPS = 3_000


class RotMissed(AssertionError):
    """A flipped bit that changed a covered row, and of which nothing was said; or that ended in a traceback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What `verify` said of a queue. says: nothing where it found no damage in the database."""

    says: tuple[str, ...]


class Rot:
    """A queue in a folder, whole, and copies of its database of which one bit is another one."""

    def __init__(self, folder: Path) -> None:
        world = World(draw_options(WORLD), folder)
        try:
            world.run()
        finally:
            world.close()
        self._store = folder / "store"
        self._path = self._store / DATABASE_FILE
        self._cache = folder / "cache"
        self._have_trainers_speak()
        self._whole = self._path.read_bytes()
        self._rows = _covered_rows(self._path)
        if self._rows is None or (said := self._verify().says):
            raise RotMissed(f"the queue is not sound before anything was flipped: {said}")

    @property
    def bits(self) -> int:
        return len(self._whole) * 8

    def flip(self, bit: int) -> str:
        """Flip one bit; return what came of it, for a count. Raises: RotMissed."""
        rotten = bytearray(self._whole)
        rotten[bit // 8] ^= 1 << bit % 8
        for path in self._store.glob(f"{DATABASE_FILE}*"):
            path.unlink()
        self._path.write_bytes(rotten)
        rows = _covered_rows(self._path)
        self._path.write_bytes(rotten)  # as it was: to read it may have rolled something back
        try:
            said = self._verify().says
        except QcqueueError as exc:
            said = (str(exc),) if isinstance(exc, CorruptionError) else ()
        except Exception as exc:
            raise RotMissed(f"bit {bit} ended in {type(exc).__name__}: {exc}") from exc
        if rows == self._rows:
            return "harmless, and called damage" if said else "harmless"
        if not said:
            raise RotMissed(f"bit {bit} changed {_difference(self._rows, rows)}, and nothing was said")
        return "cannot be read" if rows is None else "changed a covered row"

    def _verify(self) -> Told:
        found = verify(context_in(self._store, cache=self._cache), quick=True)
        return Told(says=tuple(fault.why for fault in found.faults if fault.kind in ("row", "database")))

    def _have_trainers_speak(self) -> None:
        """The trainers of a world print nothing."""
        database = LocalDatabase(self._path)
        said = [
            {"attempt_id": attempt_id, "words": f"epoch {attempt_id}: å loss of 0.25\n" * 9} for attempt_id in (1, 2)
        ]
        database.transact(lambda tx: tx.execute(insert(last_words), [vouched(last_words, row) for row in said]))
        database.close()


def campaign(flips: int, seed: int) -> Counter[str]:
    """Flip bits at seeded places, one at a time; return how often what came of it. Raises: RotMissed."""
    found = Counter[str]()
    with scratch("rot") as folder:
        rot, chance = Rot(folder), seeded(f"rot {seed}")
        for _ in range(flips):
            bit = chance.randrange(rot.bits)
            try:
                found[rot.flip(bit)] += 1
            except RotMissed as exc:
                raise RotMissed(f"{exc}\nflip it again with: scripts/simulate rot --bit {bit}") from exc
    return found


def main(arguments: list[str] | None = None) -> int:
    """Parse, flip, print. Returns the exit code: 1 if a flip was missed."""
    parser = argparse.ArgumentParser(prog="scripts/simulate rot", description="Flip bits of a queue's file.")
    parser.add_argument("--flips", type=int, default=FLIPS, metavar="N", help=f"how many (default: {FLIPS:,})")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="where they are")
    parser.add_argument("--bit", type=int, metavar="N", help="flip this very bit, and no other")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.bit is not None:
            with scratch("rot") as folder:
                print(Rot(folder).flip(chosen.bit))
            return 0
        found = campaign(chosen.flips, chosen.seed)
    except RotMissed as exc:
        print(exc, file=sys.stderr)
        return 1
    for what, times in found.most_common():
        print(f"{times:8}  {what}")
    return 0


Rows = dict[str, dict[Any, tuple[Any, ...]]]


def _covered_rows(path: Path) -> Rows | None:
    """Return what the covered rows hold, by table and place, with the types of the values; None: it cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.text_factory = bytes
            return {table.name: dict(_rows_of(connection, table)) for table in COVERED}
    except (sqlite3.Error, OverflowError, UnicodeDecodeError):  # the last where SQLite quotes a rotten name
        return None


def _rows_of(connection: sqlite3.Connection, table: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    asked = ", ".join(f"typeof({name}), {name}" for name in covered_columns(table))
    yield from enumerate(connection.execute(f"SELECT {asked} FROM {table.name} ORDER BY rowid"))


def _difference(before: Rows | None, after: Rows | None) -> str:
    if before is None or after is None:
        return "everything: it cannot be read"
    for table, rows in before.items():
        for at, row in rows.items():
            if after[table].get(at) != row:
                return f"row {at} of {table} from {row} to {after[table].get(at)}"
    return "nothing that was there, but something is new"


if __name__ == "__main__":
    sys.exit(main())
