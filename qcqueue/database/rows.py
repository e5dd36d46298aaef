"""What a row vouches for: 8 bytes of SHA-256 over its columns, written with it.

Rot in a file is seen that SQLite's own check cannot see: a figure that is another figure. It decides nothing; `queue`
writes a digest with each row that never changes again, and the audit compares. Always true: a row without a digest is
of an older format, and is not covered rather than damaged.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table

from qcqueue.core.canonical import canonical_json
from qcqueue.database.schema import DIGEST_BYTES

# What may still change after a row was written, or is the digest itself.
CHANGES = {"epochs": {"official"}, "checkpoints": {"status"}}


def digest_of_row(table: Table, row: Mapping[str, Any]) -> bytes:
    """Return the digest of a row, by the names of its columns; what is not given counts as NULL."""
    left_out = CHANGES.get(table.name, set()) | {"digest"}
    covered = {column.name: row.get(column.name) for column in table.columns if column.name not in left_out}
    return hashlib.sha256(canonical_json([table.name, covered]).encode()).digest()[:DIGEST_BYTES]
