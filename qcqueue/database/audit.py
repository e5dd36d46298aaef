"""Looking at what a database is stored as, past everything that is usually taken from a copy.

It decides nothing and repairs nothing. Always true: what it finds is read anew from where it lies, down to the bytes,
and a version whose bytes were given back is judged by its link in the chain alone. What lies beside the chain is a
fork, unless somebody has taken the queue over since and given it up. Rows are `row_audit`'s.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from qcqueue.clock import Ids
from qcqueue.database.chain import Chain
from qcqueue.database.forks import branches
from qcqueue.database.images import Images
from qcqueue.database.row_audit import RowAudit, audit_rows
from qcqueue.database.version import Contents, Version, version_of
from qcqueue.errors import CorruptionError, UnknownFormat
from qcqueue.stores.base import Slots

# The newest version can be replaced, and become old, while it is looked at.
LOOKS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Something that is wrong with a version. is_head: with the newest one, which is the queue. is_fork: beside."""

    says: str
    is_head: bool
    is_fork: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """versions, size_bytes: those that keep their bytes and were read. rows: those of the newest one."""

    versions: int
    size_bytes: int
    flaws: tuple[Flaw, ...]
    rows: RowAudit


def audit_versions(slots: Slots, ids: Ids) -> Audit:
    """Read every version that keeps its bytes. Raises: StoreError. UnknownFormat: a newer qcqueue wrote them."""
    chain = Chain(slots, ids, author="")
    listed = chain.listed()  # before the way is gone, so that all it shows must lie on it
    try:
        head, contents = _head(chain)
    except UnknownFormat:
        raise
    except CorruptionError as exc:
        return Audit(versions=0, size_bytes=0, flaws=(Flaw(says=str(exc), is_head=True),), rows=RowAudit())
    found, rows = _audit_of_image(contents, f"version {head.number}")
    flaws = [Flaw(says=says, is_head=True) for says in found]
    older = list(_older(chain, slots, head, contents))
    flaws += [Flaw(says=it, is_head=False) for it in older if isinstance(it, str)]
    flaws += [flaw for flaw in _beside(chain, head, contents, listed) if flaw not in flaws]
    sizes = [len(contents.image), *(len(it.image) for it in older if isinstance(it, Contents))]
    return Audit(versions=len(sizes), size_bytes=sum(sizes), flaws=tuple(flaws), rows=rows)


def audit_database(tx: Connection) -> tuple[tuple[str, ...], RowAudit]:
    """Return what SQLite finds wrong with the file of a database, and what its rows say of themselves."""
    return flaws_of(tx), audit_rows(tx)


def flaws_of(tx: Connection) -> tuple[str, ...]:
    """Return what SQLite finds wrong with the file of a database; a server looks after its own files."""
    if tx.dialect.name == "postgresql":
        return ()
    said = (str(one) for one in tx.exec_driver_sql("PRAGMA integrity_check(10)").scalars())
    broken = [f"row {row[1]} of {row[0]} names nothing" for row in tx.exec_driver_sql("PRAGMA foreign_key_check")]
    return (*(one for one in said if one != "ok"), *broken[:10])


def _beside(chain: Chain, head: Version, contents: Contents, listed: Iterable[Version]) -> Iterator[Flaw]:
    """Yield what lies beside the way to the newest version, a sentence a branch, and what is wrong with that way.

    Far away only the newest versions are listed, and only they are compared.
    """
    try:
        way = chain.way_to(head, contents)
    except CorruptionError as exc:
        if chain.is_near:
            yield Flaw(says=str(exc), is_head=False)
        return
    if chain.is_near and way[0].before:
        gone = chain.way(None)[-1].number + 1
        yield Flaw(says=f"version {gone} in {chain.url} is gone", is_head=False)
    for branch in branches(way, listed):
        yield Flaw(says=branch.told(chain.url), is_head=False, is_fork=True)


def _head(chain: Chain) -> tuple[Version, Contents]:
    head = _newest(chain)
    for _ in range(LOOKS_MAX):
        contents = chain.contents(head)
        if contents is not None:
            return head, contents
        after = chain.linked_head(head)
        if after == head:
            break
        head = after
    if chain.is_near and (found := _past_a_gap(chain)):
        return found
    raise CorruptionError(f"version {head.number} in {chain.url} is the newest, and its bytes are gone")


def _past_a_gap(chain: Chain) -> tuple[Version, Contents] | None:
    """Return what a listing leads to, where all that may still keep its bytes is linked to it, else None."""
    head = chain.head(None)
    contents = chain.contents(head)
    return (
        (head, contents) if contents and chain.holds_before(head, contents.trail, depth=len(contents.trail)) else None
    )


def _newest(chain: Chain) -> Version:
    """Return the newest version, link by link where that costs little, and is not hindered by rot on the way."""
    if chain.is_near:
        with contextlib.suppress(CorruptionError):
            return chain.linked_head(None)
    return chain.head(None)


def _older(chain: Chain, slots: Slots, head: Version, contents: Contents) -> Iterator[Contents | str]:
    """Yield what the versions before the newest one hold, as far as they keep it, or what is wrong with one."""
    after: Version | None = head
    for slot in reversed(contents.trail):
        version = None
        try:
            facts = slots.facts(slot)
            if facts is None:
                yield f"a version before the newest in {chain.url} is gone (slot {slot})"
            else:
                version = version_of(slot, facts, url=chain.url)
                if after and (after.number, after.before) != (version.number + 1, version.digest):
                    yield f"version {after.number} in {chain.url} does not follow version {version.number}"
                if kept := chain.contents(version):
                    yield kept
        except CorruptionError as exc:
            yield str(exc)
        after = version


def _audit_of_image(contents: Contents, place: str) -> tuple[tuple[str, ...], RowAudit]:
    try:
        with Images().look(contents.image, place=place) as tx:
            flaws, rows = audit_database(tx)
            return tuple(f"{place}: {flaw}" for flaw in flaws), rows
    except UnknownFormat:
        raise
    except CorruptionError as exc:
        return (str(exc),), RowAudit()
