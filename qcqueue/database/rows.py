"""What a row vouches for: 8 bytes of SHA-256 over its columns and its id, written with it.

Rot in a file is seen that SQLite's own check cannot see: a figure that is another figure. It decides nothing; `queue`
writes a digest with each row that never changes again, and `row_audit` compares. Always true: a row without a digest is
of an older format, or of an attempt that is live; and a column that a covered table gets later is NULL in the rows of
before, because NULL is not summed.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Float, Integer, Table, bindparam, select, update

from qcqueue.database.schema import DIGEST_BYTES, attempts, checkpoints, epochs, history, last_words, results
from qcqueue.errors import CorruptionError

COVERED: tuple[Table, ...] = (attempts, epochs, checkpoints, results, history, last_words)

# What may still change after a row was written, or is the digest itself.
CHANGES = {"epochs": {"official"}, "checkpoints": {"status"}}

# The largest number SQLite can count to; only rot leads there.
LARGEST = 2**63 - 1


def digest_of_row(table: Table, row: Mapping[str, Any]) -> bytes:
    """Return the digest of a row of a table, by the names of its columns, the id among them.

    What is not given, or is NULL, is left out. Values count as SQLite gives them back: 1 in a column of floats is 1.0.
    """
    held = [(name, as_stored(row[name])) for name, as_stored in _summed(table) if row.get(name) is not None]
    return digest_of_values(table, held)


def digest_of_values(table: Table, held: Iterable[tuple[str, Any]]) -> bytes:
    """Return the digest of the names and values that were read of a row, in the order of `covered_columns`.

    Each is summed with its name, its type and its length, so that no two rows are summed alike.
    """
    summed = [table.name]
    for name, value in held:
        text = str(value)
        summed.append(f"{name} {type(value).__name__} {len(text)} {text}")
    return hashlib.sha256("\n".join(summed).encode(errors="surrogatepass")).digest()[:DIGEST_BYTES]


def vouched(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row that is to be written, with its digest."""
    return {**row, "digest": digest_of_row(table, row)}


def vouched_rows(table: Table, rows: Iterable[Mapping[str, Any]], *, first_id: int) -> list[dict[str, Any]]:
    """Return rows that are to be written, with their ids and digests."""
    return [vouched(table, {**row, "id": first_id + at}) for at, row in enumerate(rows)]


def storable(text: str) -> str:
    """Return what somebody else's program said as every database can keep it: PostgreSQL has no letter of number 0."""
    return text.replace("\0", "\ufffd")


def next_id(tx: Connection, table: Table) -> int:
    """Return the id that SQLite would give a new row: it has to be known before, to be summed, and PostgreSQL, which
    counts on its own, would not know of rows that came with their ids.

    Raises: CorruptionError: there is no such number, because an id is damaged.
    """
    highest = tx.exec_driver_sql(f"SELECT max(id) FROM {table.name}").scalar()
    return after(0 if highest is None else highest, what=f"an id in the table {table.name}")


def after(highest: Any, *, what: str) -> int:
    """Return the number that follows. Raises: CorruptionError: none does."""
    if not isinstance(highest, int) or not 0 <= highest < LARGEST:
        raise CorruptionError(f"{what} is damaged: it is {highest!r}", hint="qcqueue store verify")
    return highest + 1


def vouch_for_ended(tx: Connection, attempt_id: int) -> None:
    """Write the digest of an attempt that has just been given its end; nothing changes it from now on."""
    row = tx.execute(_ATTEMPT, {"attempt": attempt_id}).mappings().one()
    tx.execute(_VOUCH, {"attempt": attempt_id, "digest": digest_of_row(attempts, {**row})})


@cache
def covered_columns(table: Table) -> tuple[str, ...]:
    """Return the names of the columns a digest is of."""
    left_out = CHANGES.get(table.name, set()) | {"digest"}
    return tuple(sorted(column.name for column in table.columns if column.name not in left_out))


@cache
def _summed(table: Table) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    return tuple((name, _as_stored(table.c[name].type)) for name in covered_columns(table))


def _as_stored(kind: Any) -> Callable[[Any], Any]:
    if isinstance(kind, Float):
        return lambda value: float(value) + 0.0  # SQLite knows no -0.0
    return int if isinstance(kind, Integer) else str


_ATTEMPT = select(attempts).where(attempts.c.id == bindparam("attempt"))
_VOUCH = update(attempts).where(attempts.c.id == bindparam("attempt"))
