"""The chain of versions in a store: finding its end, reading it, and making it longer by exactly one.

It knows versions and slots, and nothing of SQL. A version can only be appended to the one it was made from, because
the slot it needs is named there and can be created once. Listings are hints: they shorten the way to the end, and a
wrong or late one only makes it longer: what they show counts only where one way leads past all of it.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from qcqueue.clock import Ids
from qcqueue.database.sqlite import RESCUE
from qcqueue.database.version import Contents, Version, contents_of, version_of
from qcqueue.errors import CorruptionError, OutcomeUnknown, StoreError, StoreMissing
from qcqueue.stores.base import FACT_BYTES_MAX, Creation, Slots

# What of an author's name every store can keep as a fact.
AUTHOR_BYTES_MAX = FACT_BYTES_MAX - len("author")

# The versions that keep their bodies: enough for a slow reader, and for a person who wants yesterday back.
BODIES_KEPT = 20

# Whoever is this far behind asks for a listing before going on one by one.
STEPS_BEFORE_LISTING = 3
HINTS_MAX = 10

# How often a create is asked whose answer was lost. The store has waited each time; see `stores.base`.
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

    @property
    def is_near(self) -> bool:
        """Whether looking costs next to nothing, see `stores.base.Slots`."""
        return self._slots.is_near

    def holds(self, version: Version) -> bool:
        """Return whether the store shows this very version: it was not made anew, nor put back to an older day."""
        return self._asked(version.slot) == version.facts

    def holds_before(self, version: Version, trail: Sequence[str], *, depth: int) -> bool:
        """Return whether the store shows, link by link, the versions that this one was made from; depth: how many."""
        after = version
        for slot in list(reversed(trail))[:depth]:
            facts = self._asked(slot)
            if facts is None:
                return False
            before = version_of(slot, facts, url=self.url)
            if before.digest != after.before:
                return False
            after = before
        return True

    def head(self, known: Version | None) -> Version:
        """Return the newest version, looking from one that is known to be of this chain. One listing is asked at most.

        Raises: StoreMissing: there is no queue in the store. UnknownFormat. CorruptionError.
        """
        at, hints = (known, {}) if known else self._jump(self._first())
        start, steps = at, 0
        while (ahead := self._after(at, look_again=_any_after(at, hints))) is not None:
            at = ahead
            hints.pop(at.slot, None)
            steps += 1
            if known and steps == STEPS_BEFORE_LISTING:
                start, hints = self._jump(at)
                at = start
        if not hints:
            return at
        # What a listing shows lies on two ways. The right one begins at what is known.
        passed = self.way(known)
        return at if start in passed else passed[-1]

    def linked_head(self, known: Version | None) -> Version:
        """As `head`, and link by link: so many requests as there are versions between."""
        return self.way(known)[-1]

    def way(self, start: Version | None) -> tuple[Version, ...]:
        """Return every version from one, or from the first, to the newest, each of them linked to the one before.

        Raises: as `head` does.
        """
        passed = [start or self._first()]
        while (after := self._after(passed[-1], look_again=True)) is not None:
            passed.append(after)
        return tuple(passed)

    def way_to(self, head: Version, contents: Contents) -> tuple[Version, ...]:
        """Return the way past a version to the newest, from as far back as the store shows that it is whole.

        Far away, from the oldest that it names, each of them being a request. Raises: as `head` does.
        """
        if self.is_near and head in (whole := self.way(None)):
            return whole
        return self.way(self.newest_of(contents, oldest=True) or head)

    def newest_of(self, contents: Contents, *, oldest: bool = False) -> Version | None:
        """Return the newest of the versions before one that the store shows as they were, None where there is none.

        oldest: return the oldest of them.
        """
        slots = contents.trail[len(contents.trail) - len(contents.marks) :]
        known = list(zip(slots, contents.marks, strict=False))
        for slot, mark in known if oldest else reversed(known):
            facts = self._slots.facts(slot)
            if facts is not None and (version := version_of(slot, facts, url=self.url)).mark == mark:
                return version
        return None

    def contents(self, version: Version) -> Contents | None:
        """Return what a version holds, verified; None where its bytes were given back, because it is old by now."""
        body = self._slots.body(version.slot)
        return contents_of(body, version, url=self.url) if body else None

    def begin(self, image: bytes) -> Version | None:
        """Make the first version; return None where there is one already.

        Raises: CorruptionError: the store has versions of a queue that has lost its first.
        """
        self._check_first_is_not_lost()
        return self._create(self._slots.root, 1, "", Contents(trail=(), image=image))

    def append(self, head: Version, contents: Contents, *, gave_up: tuple[str, ...] = ()) -> Version | None:
        """Make the successor of `head`; return None where a rival has made it. gave_up: see `Version`.

        Raises: OutcomeUnknown: it may have been made. StoreBusy and the like: it was not.
        """
        return self._create(head.next, head.number + 1, head.digest, contents, gave_up)

    def give_back(self, version: Version, contents: Contents) -> None:
        """Truncate what has become old with this version. What fails costs space, and the next commit tries again."""
        old = set(contents.trail[: 1 - BODIES_KEPT])
        with contextlib.suppress(StoreError, CorruptionError):  # the commit is made: nothing here may deny it
            for slot in old - self._truncated:
                self._slots.truncate(slot)
            self._truncated = old

    def listed(self) -> list[Version]:
        """Return the versions a listing shows, as far as they can be read: what cannot is named where it is needed."""
        found: list[Version] = []
        with contextlib.suppress(CorruptionError):
            for slot, facts in self._slots.list_slots():
                with contextlib.suppress(CorruptionError):
                    found.append(version_of(slot, facts, url=self.url))
        return found

    def _first(self) -> Version:
        facts = self._slots.facts(self._slots.root)
        if facts is None:
            self._check_first_is_not_lost()
            raise StoreMissing(f"there is no queue in {self.url}")
        return version_of(self._slots.root, facts, url=self.url)

    def _check_first_is_not_lost(self) -> None:
        """A queue that has lost its first version is damaged, and not missing: a new one there would hide it."""
        if self.is_near and self._slots.facts(self._slots.root) is None:
            shown = {hint.slot for hint in self._hints()}
            if shown and self._slots.root not in shown:  # where it is, somebody has made it this instant
                raise CorruptionError(
                    f"the first version in {self.url} is gone, and versions after it are there", hint=RESCUE
                )

    def _asked(self, slot: str) -> Mapping[str, str] | None:
        """Return the facts of a slot that was seen taken, or that something says is."""
        facts = self._slots.facts(slot)
        return self._slots.look_again(slot) if facts is None else facts

    def _after(self, version: Version, *, look_again: bool = False) -> Version | None:
        facts = self._asked(version.next) if look_again else self._slots.facts(version.next)
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

    def _jump(self, at: Version) -> tuple[Version, dict[str, Version]]:
        """Return the furthest version a listing leads to, or the one given where it shows nothing newer.

        With it comes what the listing shows beside: it lies further on the same way, or on another one.
        """
        shown = {hint.slot: hint for hint in self._hints() if hint.number > at.number}
        if shown and at.next not in shown:
            at = min(shown.values(), key=lambda hint: hint.number)
            del shown[at.slot]
        while (ahead := shown.pop(at.next, None)) is not None:
            self._check_follows(at, ahead)
            at = ahead
        return at, shown

    def _hints(self) -> Iterator[Version]:
        """Yield versions a listing shows. Nothing depends on it, so nothing that is wrong with it is an error."""
        with contextlib.suppress(StoreError, CorruptionError):
            for slot, facts in islice(self._slots.list_slots(), HINTS_MAX):
                yield version_of(slot, facts, url=self.url)

    def _create(
        self, slot: str, number: int, before: str, contents: Contents, gave_up: tuple[str, ...] = ()
    ) -> Version | None:
        body = contents.packed()
        version = Version(
            slot=slot,
            number=number,
            next=self._slots.reserve(number + 1),
            sha256=hashlib.sha256(body).hexdigest(),
            before=before,
            author=self._author,
            nonce=self._ids.new(),
            gave_up=gave_up,
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


def _any_after(version: Version, hints: Mapping[str, Version]) -> bool:
    return any(hint.number > version.number for hint in hints.values())


def _same_try(winner: Mapping[str, str], version: Version) -> bool:
    """Return whether the facts of a taken slot are those of this very version, whose answer was lost."""
    return winner.get("nonce") == version.nonce
