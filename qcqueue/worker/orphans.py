"""Which of the blobs in a store an attempt left that has ended: what the database needs no more, and never did.

Decides only, from a listing and from what the database said after it; whoever asks deletes. Always true: what nobody in
particular stored, a dataset for example, is none.
"""

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from qcqueue.stores.base import Blob, Listed

# By the store's own clock. A listing may be late, and nobody is in a hurry.
GRACE_S = 3600.0

# How an attempt signs what it stores: its session and its number.
AN_ATTEMPT = re.compile(r"[0-9a-z-]{1,60}-[1-9][0-9]{0,17}")


def orphans(
    listed: Iterable[Listed],
    needed_places: AbstractSet[str],
    live_owners: AbstractSet[str],
    *,
    grace_s: float = GRACE_S,
) -> tuple[Blob, ...]:
    """Return what may be deleted of a listing, each once.

    needed_places: the places of every blob that the database needs. live_owners: of attempts that have not ended.
    Both are asked at the head of the database, and after the listing: whoever stored a blob had claimed by then.
    """
    found = (it.blob for it in listed if is_orphan(it, needed_places, live_owners, grace_s=grace_s))
    return tuple(dict.fromkeys(found))


def is_orphan(
    it: Listed, needed_places: AbstractSet[str], live_owners: AbstractSet[str], *, grace_s: float = GRACE_S
) -> bool:
    return (
        is_an_attempts(it)
        and it.owner not in live_owners
        and it.age_s >= grace_s
        and bool(it.blob.place)
        and it.blob.place not in needed_places
    )


def is_an_attempts(it: Listed) -> bool:
    """Whether an attempt stored it, rather than a person, or whoever signs in another way."""
    return AN_ATTEMPT.fullmatch(it.owner) is not None
