"""What ties the files in a store to the queue on a server that they are of, so that no other is taken for it.

The first slot of the store, in which a queue of versions would begin, says instead where the queue is kept, and a word
that the database holds too. `store gc` deletes what its database does not name: with another queue's database that
would be all. Always true: a store has one queue, in its slots or on a server, and a queue on a server has one store.
"""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, insert, select

from qcqueue.clock import Ids
from qcqueue.database.base import nothing
from qcqueue.database.schema import FORMAT, settings
from qcqueue.database.server import ServerDatabase
from qcqueue.database.version import KEPT_IN
from qcqueue.errors import SettingInvalid
from qcqueue.stores.base import FACT_BYTES_MAX, Creation, Slots

WORD = "files"
"""The name of the word in `settings`, and among the facts of the slot. It belongs to one home alone."""


def make_tied(
    database: ServerDatabase,
    slots: Slots,
    ids: Ids,
    *,
    first: Callable[[Connection], None] = nothing,
    dry_run: bool = False,
) -> bool:
    """Make the queue on a server and tie the store to it, or finish that; return whether the queue is new.

    first is done in a new one before anybody sees it.
    Raises: SettingInvalid: one of the two has another partner. StoreError. CorruptionError.
    """
    if not database.create(dry_run=True):
        # By its word alone: who joins may call the server by another name, or be another user of it.
        check_tied(database, slots)
        return False
    facts = slots.facts(slots.root)
    _check_free(database, slots, facts)
    word = facts[WORD] if facts else ids.new()
    if not dry_run:
        _mark(database, slots, word)

        def begin(tx: Connection) -> None:
            _write(tx, word)
            first(tx)

        database.create(begin)
    return True


def check_tied(database: ServerDatabase, slots: Slots) -> None:
    """Raises: SettingInvalid: the files in this store are not those of this queue. StoreError."""
    facts = slots.facts(slots.root)
    with database.read() as tx:
        word = tx.execute(select(settings.c.value).where(settings.c.name == WORD)).scalar_one_or_none()
    if facts is not None and KEPT_IN in facts and facts.get(WORD) == word:
        return
    _check_free(database, slots, facts)
    raise SettingInvalid(
        f"{slots.url} does not hold the files of the queue in {database.address.url}",
        hint="name the store that was named when the queue was made; see store = in qcqueue.toml, or QCQUEUE_STORE",
    )


def _check_free(database: ServerDatabase, slots: Slots, facts: Mapping[str, str] | None) -> None:
    """Raises: SettingInvalid: the store has a queue of its own, or files of another."""
    if facts is None or (facts.get(KEPT_IN) == _name_of(database) and facts.get(WORD)):
        return
    if KEPT_IN in facts:
        raise SettingInvalid(
            f"{slots.url} holds the files of the queue in {facts[KEPT_IN]}, and not of {database.address.url}",
            hint="name another store, or that database",
        )
    raise SettingInvalid(
        f"{slots.url} has a queue of its own already",
        hint="name a store without one beside the database; or leave the database out, to go on with that queue",
    )


def _mark(database: ServerDatabase, slots: Slots, word: str) -> None:
    said = {"format": str(FORMAT), KEPT_IN: _name_of(database), WORD: word}
    if slots.create(slots.root, b"", said) is Creation.TAKEN and (found := slots.facts(slots.root)) != said:
        _check_free(database, slots, found)
        raise SettingInvalid(f"somebody else makes a queue in {slots.url} now", hint="qcqueue init, once more")


def _write(tx: Connection, word: str) -> None:
    tx.execute(insert(settings), {"name": WORD, "value": word})


def _name_of(database: ServerDatabase) -> str:
    """Return the address as a fact can hold it."""
    return database.address.url.encode()[: FACT_BYTES_MAX - len(KEPT_IN)].decode(errors="ignore")
