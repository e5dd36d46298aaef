"""Where a queue is kept now: what its database says of having been moved, or of being a copy.

Three rows of `settings` say it. They belong to one home alone, so they are never copied along:

    moved_to      the queue is kept elsewhere: in which home, by which copy (its token), what it held then (its digest)
    copied_from   this is a copy: of which home, by which copy, and what it holds
    copying_to    a copy into another home was begun; whoever began the last one may move the queue, nobody else

Always true: a database with neither of the first two is a home and answers. One with `copied_from` answers from the
moment on at which the home it names says `moved_to` with the same token and the same digest, and not before; that row
goes with its next change. Any other refuses.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, literal_column, or_, select

from qcqueue.database.schema import blobs, datasets, jobs, sessions, settings
from qcqueue.queue.reading import read
from qcqueue.text.canonical_json import canonical_json

MOVED_TO = "moved_to"
COPIED_FROM = "copied_from"
COPYING_TO = "copying_to"
MARKS = (MOVED_TO, COPIED_FROM, COPYING_TO)
OF_ONE_HOME = (*MARKS, "files")
"""The settings that no copy takes along: these, and what ties a database on a server to the files of its store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The other end of a copy. home: its address. token: which copy it is. digest: of all its rows, see `rows_copy`.

    digest is "" where it does not have them all yet.
    """

    home: str
    token: str
    digest: str

    def is_met_by(self, other: "Move | None") -> bool:
        """Return whether the other end says the same of this copy, and that it is whole."""
        return other is not None and self.digest != "" and (self.token, self.digest) == (other.token, other.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Residence:
    """What a database says of where its queue is kept."""

    moved_to: Move | None = None
    copied_from: Move | None = None
    copying_to: Move | None = None

    @property
    def is_home(self) -> bool:
        return self.moved_to is None and self.copied_from is None


NOTHING_SAID = Residence()


def residence_of(tx: Connection) -> Residence:
    """Return where the queue of a database is kept. Raises: CorruptionError: it cannot be read."""
    found = tx.execute(_MARKS).all()
    if not found:
        return NOTHING_SAID
    return Residence(**{row.name: read(row.value, _read_move, f"settings.{row.name}") for row in found})


def say_moved(tx: Connection, move: Move) -> None:
    """Let a home answer no more."""
    _forget(tx, COPYING_TO)
    _write(tx, MOVED_TO, move)


def say_copied(tx: Connection, move: Move) -> None:
    """Let a database be a copy, which answers once its source says that it has moved."""
    _write(tx, COPIED_FROM, move)


def say_no_copy(tx: Connection) -> None:
    """Let a database be what it was before a copy into it was begun."""
    _forget(tx, COPIED_FROM)


def say_copying(tx: Connection, move: Move) -> None:
    """Remember a copy that was begun, instead of any other."""
    _write(tx, COPYING_TO, move)


def settle(tx: Connection) -> None:
    """Let a database be a home by itself, whatever it was."""
    for name in MARKS:
        _forget(tx, name)


def is_unused(tx: Connection) -> bool:
    """Return whether nothing was ever put into a queue."""
    return not any(tx.execute(select(func.count()).select_from(table)).scalar_one() for table in _USED)


def _write(tx: Connection, name: str, move: Move) -> None:
    _forget(tx, name)
    tx.execute(_INSERT, {"name": name, "value": canonical_json(asdict(move))})


def _forget(tx: Connection, name: str) -> None:
    tx.execute(_FORGET, {"which": name})


def _read_move(value: Any) -> Move:
    if not isinstance(value, Mapping) or not all(isinstance(value.get(key), str) for key in _KEYS):
        raise ValueError("it is no address")
    return Move(**{key: value[key] for key in _KEYS})


_KEYS = ("home", "token", "digest")
_USED = (jobs, blobs, datasets, sessions)

# Asked in every transaction, so written out: SQLAlchemy would build a list for an IN anew each time.
_MARKS = select(settings.c.name, settings.c.value).where(
    or_(*(settings.c.name == literal_column(f"'{name}'") for name in MARKS))
)
_FORGET = delete(settings).where(settings.c.name == bindparam("which"))
_INSERT = insert(settings)
