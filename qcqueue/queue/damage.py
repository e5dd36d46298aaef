"""Every row of the queue read as what it should be, by whoever wants to know whether anything in it is damaged.

Commands read what they need and refuse what they cannot use, but a row may also lack what every row has, or name
another that is not there, and what comes of that shows far from where it was read. It decides nothing and mends
nothing; it takes as long as the queue is large, so nobody asks who has no reason to.
"""

from collections.abc import Callable, Iterator, Mapping

from sqlalchemy import Connection, Table, select

from qcqueue.database.audit import flaws_of
from qcqueue.database.cells import VERIFY
from qcqueue.database.dialects import is_missing
from qcqueue.database.schema import metadata
from qcqueue.errors import CorruptionError
from qcqueue.queue.reading import pace_of, seconds_of
from qcqueue.queue.stored import identity_of, record_of, rehearsal_of, result_of, spec_of, step_choice_of, summary_of

# What is JSON, and how it is read; the record of a checkpoint that is not kept is empty.
_SHAPES: Mapping[str, Mapping[str, Callable[[str], object]]] = {
    "datasets": {"summary": summary_of},
    "jobs": {"spec": spec_of},
    "sessions": {"seconds": seconds_of},
    "attempts": {
        **{"seconds": seconds_of, "pace": pace_of, "rehearsal": rehearsal_of},
        **{"identity": identity_of, "step_choice": step_choice_of},
    },
    "epochs": {"identity": identity_of},
    "checkpoints": {"record": record_of},
    "step_choices": {"choice": step_choice_of},
    "results": {"result": result_of},
}


def damage_of(tx: Connection) -> CorruptionError | None:
    """Return what is wrong with the first row that cannot be used, None where all can."""
    try:
        for table in metadata.sorted_tables:
            for said in _missing(tx, table):
                return CorruptionError(f"the queue is damaged: {said}", hint=VERIFY)
            _read_all(tx, table)
    except CorruptionError as exc:
        return exc
    for flaw in flaws_of(tx):
        return CorruptionError(f"the queue is damaged: {flaw}", hint=VERIFY)
    return None


def _missing(tx: Connection, table: Table) -> Iterator[str]:
    for column in table.columns:
        if not column.nullable and tx.execute(select(1).where(is_missing(column)).limit(1)).first():
            yield f"a row of {table.name} has no {column.name}"


def _read_all(tx: Connection, table: Table) -> None:
    shapes = _SHAPES.get(table.name, {})
    for row in tx.execute(select(table)):
        for name, read in shapes.items():
            if text := row._mapping[name]:
                read(text)
