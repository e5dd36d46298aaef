"""Bringing all rows of one queue into another database, and telling whether two hold the same.

It knows tables and nothing of what they mean. Rows travel through SQLAlchemy, so the two may be databases of different
makes. Always true: what differs between two homes of one queue, where a blob lies and what is settled for one home
alone, is left out of a digest, and everything else is in it.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select, text

from qcqueue.database.schema import meta, metadata, settings

ROWS_AT_ONCE = 1000

# Where a store has put a blob, which no other store would understand.
_OF_A_STORE = {("blobs", "place")}

Change = Callable[[Table, dict[str, Any]], dict[str, Any]]
"""Returns a row as the other database has it."""


def replace_rows(target: Connection, source: Connection, *, but_settings: Collection[str], change: Change) -> None:
    """Let one database hold the rows of another, and no others. but_settings: the names of those each keeps itself."""
    for table in reversed(_copied_tables()):
        target.execute(delete(table).where(_is_common(table, but_settings)))
    for table in _copied_tables():
        for rows in _batches(source, table, but_settings):
            target.execute(insert(table), [change(table, row) for row in rows])


def digest_of_rows(tx: Connection, *, but_settings: Collection[str]) -> str:
    """Return a digest of all rows of a queue, the same in databases of every make. but_settings: as above."""
    whole = hashlib.sha256()
    for table in _copied_tables():
        names = [column.name for column in table.columns if (table.name, column.name) not in _OF_A_STORE]
        # Sorted by their digests: databases do not agree on the order of texts.
        found = sorted(
            _digest([row[name] for name in names]) for rows in _batches(tx, table, but_settings) for row in rows
        )
        whole.update(f"{table.name} {len(found)}\n".encode())
        for one in found:
            whole.update(one)
    return whole.hexdigest()


def _copied_tables() -> list[Table]:
    """Return the tables, each after those that its rows name; what says the format of a database is its own."""
    return [table for table in metadata.sorted_tables if table is not meta]


def _batches(tx: Connection, table: Table, but_settings: Collection[str]) -> Iterator[list[dict[str, Any]]]:
    asked = select(table).where(_is_common(table, but_settings)).order_by(*table.primary_key)
    found = tx.execute(asked, execution_options={"yield_per": ROWS_AT_ONCE}).mappings()
    for rows in found.partitions():
        yield [dict(row) for row in rows]


def _is_common(table: Table, but_settings: Collection[str]) -> Any:
    return settings.c.name.not_in(but_settings) if table is settings else text("1 = 1")


def _digest(values: list[Any]) -> bytes:
    # No database knows -0.0 for sure.
    held = [value + 0.0 if isinstance(value, float) else value for value in values]
    return hashlib.sha256(repr(held).encode(errors="surrogatepass")).digest()
