"""The chain of versions in a store: finding its end, reading it, and making it longer by exactly one.

It knows versions and slots, and nothing of SQL. A version can only be appended to the one it was made from, because
the slot it needs is named there and can be created once. Listings are hints: they shorten the way to the end, and a
wrong or late one only makes it longer.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from itertools import islice

from qcqueue.clock import Ids
from qcqueue.database.sqlite import RESCUE
from qcqueue.database.version import Contents, Version, contents_of, version_of
from qcqueue.errors import CorruptionError, OutcomeUnknown, StoreError, StoreMissing
from qcqueue.storage.base import FACT_BYTES_MAX, Creation, Slots

# What of an author's name every store can keep as a fact.
AUTHOR_BYTES_MAX = FACT_BYTES_MAX - len("author")

# The versions that keep their bodies: enough for a slow reader, and for a person who wants yesterday back.
BODIES_KEPT = 20

# Whoever is this far behind asks for a listing before going on one by one.
STEPS_BEFORE_LISTING = 3
HINTS_MAX = 10

# How often a create is asked whose answer was lost. The store has waited each time; see `storage.base`.
ANSWERS_AWAITED_MAX = 8


class Chain:
    """The versions in one store. author names who writes, for people; it is cut to what a fact can hold."""

    def __init__(self, slots: Slots, ids: Ids, *, author: str) -> None:
        self._slots = slots
        self._ids = ids
        self._author = author.encode(errors="replace")[:AUTHOR_BYTES_MAX].decode(errors="ignore")
        self._truncated: set[str] = set()

    @property
    def url(self) -> str:
        return self._slots.url

    def holds(self, version: Version) -> bool:
        """Return whether the store shows this very version: it was not made anew, nor put back to an older day."""
        return self._slots.facts(version.slot) == version.facts

    def head(self, known: Version | None) -> Version:
        """Return the newest version, looking from one that is known to be of this chain. One listing is asked at most.

        Raises: StoreMissing: there is no queue in the store. UnknownFormat. CorruptionError.
        """
        at = known or self._jump(self._first())
        steps = 0
        while (ahead := self._after(at)) is not None:
            at = ahead
            steps += 1
            if known and steps == STEPS_BEFORE_LISTING:
                at = self._jump(at)
        return at

    def contents(self, version: Version) -> Contents | None:
        """Return what a version holds, verified; None where its bytes were given back, because it is old by now."""
        body = self._slots.body(version.slot)
        return contents_of(body, version, url=self.url) if body else None

    def begin(self, image: bytes) -> Version | None:
        """Make the first version; return None where there is one already."""
        return self._create(self._slots.root, 1, "", Contents(trail=(), image=image))

    def append(self, head: Version, contents: Contents) -> Version | None:
        """Make the successor of `head`; return None where a rival has made it.

        Raises: OutcomeUnknown: it may have been made. StoreBusy and the like: it was not.
        """
        return self._create(head.next, head.number + 1, head.digest, contents)

    def give_back(self, version: Version, contents: Contents) -> None:
        """Truncate what has become old with this version. What fails costs space, and the next commit tries again."""
        old = set(contents.trail[: 1 - BODIES_KEPT])
        with contextlib.suppress(StoreError, CorruptionError):  # the commit is made: nothing here may deny it
            for slot in old - self._truncated:
                self._slots.truncate(slot)
            self._truncated = old

    def _first(self) -> Version:
        facts = self._slots.facts(self._slots.root)
        if facts is None:
            raise StoreMissing(f"there is no queue in {self.url}")
        return version_of(self._slots.root, facts, url=self.url)

    def _after(self, version: Version) -> Version | None:
        facts = self._slots.facts(version.next)
        if facts is None:
            return None
        after = version_of(version.next, facts, url=self.url)
        self._check_follows(version, after)
        return after

    def _check_follows(self, version: Version, after: Version) -> None:
        if (after.number, after.before) != (version.number + 1, version.digest):
            raise CorruptionError(
                f"version {after.number} in {self.url} (slot {after.slot}) does not follow version {version.number}",
                hint=RESCUE,
            )

    def _jump(self, at: Version) -> Version:
        """Return the furthest version a listing leads to, or the one given where it shows nothing newer."""
        shown = {hint.slot: hint for hint in self._hints() if hint.number > at.number}
        if shown and at.next not in shown:
            at = min(shown.values(), key=lambda hint: hint.number)
        while (ahead := shown.get(at.next)) is not None:
            self._check_follows(at, ahead)
            at = ahead
        return at

    def _hints(self) -> Iterator[Version]:
        """Yield versions a listing shows. Nothing depends on it, so nothing that is wrong with it is an error."""
        with contextlib.suppress(StoreError, CorruptionError):
            for slot, facts in islice(self._slots.list_slots(), HINTS_MAX):
                yield version_of(slot, facts, url=self.url)

    def _create(self, slot: str, number: int, before: str, contents: Contents) -> Version | None:
        body = contents.packed()
        version = Version(
            slot=slot,
            number=number,
            next=self._slots.reserve(),
            sha256=hashlib.sha256(body).hexdigest(),
            before=before,
            author=self._author,
            nonce=self._ids.new(),
        )
        return version if self._is_ours(version, body) else None

    def _is_ours(self, version: Version, body: bytes) -> bool:
        """Create the version's slot; once an answer was lost, again and again until one is known."""
        unknown = False
        for _ in range(ANSWERS_AWAITED_MAX):
            try:
                if self._slots.create(version.slot, body, version.facts) is Creation.CREATED:
                    return True
                unknown = True  # the slot is taken, perhaps by an earlier request of ours: its facts tell
                winner = self._slots.facts(version.slot)
                if winner is not None:
                    return _same_try(winner, version)
            except OutcomeUnknown:
                unknown = True
            except StoreError:  # a refusal says nothing of an earlier request that got no answer
                if not unknown:
                    raise
        raise OutcomeUnknown(
            f"{self.url} did not answer: version {version.number} may or may not have been saved",
            hint="look with qcqueue status before trying again",
        )


def _same_try(winner: Mapping[str, str], version: Version) -> bool:
    """Return whether the facts of a taken slot are those of this very version, whose answer was lost."""
    return winner.get("nonce") == version.nonce
