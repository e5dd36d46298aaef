"""What this machine knows of a queue, held against what its store shows: whether older versions were put back there.

The newest version a machine has seen is kept in its cache, for all of its processes. A head is believed where the way
to it leads past that version, or past one that took the queue over and names that version as given up. Otherwise the
store was put back from a copy, and is refused until a person says that this is meant. Always true: a machine that
knows nothing refuses nothing, and what is merely late or damaged is not taken for gone.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from qcqueue.clock import WallTime
from qcqueue.database.chain import Chain
from qcqueue.database.copy import KnownVersion, LocalCopy
from qcqueue.database.forks import Branch, branches
from qcqueue.database.images import Images
from qcqueue.database.schema import history, jobs, sessions
from qcqueue.database.version import GIVEN_UP_MAX, MARK_LETTERS, Contents, Version
from qcqueue.errors import CorruptionError, StoreError, StorePutBack
from qcqueue.text.humanize import iso
from qcqueue.text.suggest import clipped

ADOPT = "qcqueue store adopt"

# Where looking costs little, all that may still keep its bytes is looked at, so often that a branch which somebody
# leaves without its beginning, while they put a store back file by file, stays shorter than what a listing shows.
WHOLE_EVERY = 4
ALL = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedVersion:
    """A version for a person. changed_at_s: when what it holds was changed last, None where its bytes do not tell."""

    version: Version
    changed_at_s: float | None

    def __str__(self) -> str:
        when = "" if self.changed_at_s is None else f", {iso(self.changed_at_s)}"
        return f"version {self.version.number} (by {clipped(self.version.author)}{when})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBack:
    """A version that this machine knows and the store does not show. way: what it shows, to its head.

    beside: where it is no version that this machine knows, but the newest of a branch that somebody has left.
    """

    lost: KnownVersion
    way: tuple[Version, ...]
    beside: Branch | None = None

    @property
    def shown(self) -> Version:
        """The head of the store."""
        return self.way[-1]

    @property
    def is_settled(self) -> bool:
        """Whether somebody has taken the store over and named the lost version as given up."""
        return any(version.gives_up(self.lost.version) for version in self.way)

    @property
    def was_taken_over(self) -> bool:
        """Whether somebody has taken the store over since, who did not know of this version."""
        marks = {version.mark for version in self.way} & self._known
        common = max((at for at, version in enumerate(self.way) if version.mark in marks), default=-1)
        return any(version.gave_up for version in self.way[common + 1 :])

    @property
    def gave_up(self) -> tuple[str, ...]:
        """What a version says that takes the store over: the lost version, and those before it that are lost too."""
        lost, shown = self.lost, {version.mark for version in self.way}
        if self.beside:
            return (str(lost.version.number), *self.beside.marks)
        before = lost.contents.marks or ((lost.version.before[:MARK_LETTERS],) if lost.version.before else ())
        marks = [lost.version.mark, *(mark for mark in reversed(before) if mark not in shown)]
        return (str(lost.version.number), *marks[:GIVEN_UP_MAX])

    @property
    def _known(self) -> set[str]:
        return {self.lost.version.mark, *self.lost.contents.marks}


class Knowledge:
    """What one process knows of the queue in a store, and through its cache all of this machine."""

    def __init__(self, chain: Chain, copies: Sequence[LocalCopy], clock: WallTime) -> None:
        self.seen: KnownVersion | None = None
        """The version this process has seen last."""
        self._chain = chain
        self._copies = copies  # one for each name that the store has on this machine
        self._clock = clock
        self._looks = 0

    @property
    def last(self) -> KnownVersion | None:
        """What there is to answer from where the store does not."""
        kept = [] if self.seen else [it for it in self._kept() if it.contents.image]
        return self.seen or max(kept, key=lambda it: it.version.number, default=None)

    @property
    def is_of_now(self) -> bool:
        """Whether no other process of this machine is known to have seen something else since."""
        kept = [copy.version(url=self._chain.url) for copy in self._copies]
        return self.seen is not None and all(version in (None, self.seen.version) for version in kept)

    def remember(self, version: Version, contents: Contents) -> KnownVersion:
        """Note a version that the store has confirmed to be the newest."""
        self.seen = KnownVersion(version=version, contents=contents, confirmed_at_s=self._clock.now_s())
        for copy in self._copies:
            copy.keep(self.seen)
        return self.seen

    def confirmed(self) -> KnownVersion | None:
        """Return the newest version that is known and that the store shows, None where all is given up.

        Raises: StorePutBack.
        """
        standing = [snapshot for snapshot in self._all() if self._stands(snapshot, depth=0)]
        return max(standing, key=lambda snapshot: snapshot.version.number, default=None)

    def believes(self, head: Version, contents: Contents) -> bool:
        """Return whether the way to a head that a listing may have led to is whole, as far as looking costs little."""
        with contextlib.suppress(CorruptionError, StoreError):  # as in `_compared`
            return not self._chain.is_near or self._chain.holds_before(head, contents.trail, depth=ALL)
        return True

    def allows(self, head: KnownVersion) -> bool:
        """Return whether a version may be built upon: false where it was given up meanwhile. Raises: StorePutBack."""
        return self._stands(head, depth=1)

    def still_allows(self, head: KnownVersion) -> bool:
        """As `allows`, once it was built upon: a store that does not answer now denies nothing."""
        with contextlib.suppress(StoreError):
            return self._chain.holds(head.version) or self._stands(head, depth=1)
        return True

    def put_back(self) -> PutBack | None:
        """Return what this machine knows and the store does not show, unless nothing is missing, or it was given up."""
        found = (self._compared(snapshot, depth=ALL) for snapshot in self._all())
        lost = [it for it in found if it and not it.is_settled]
        return max(lost, key=lambda it: it.lost.version.number, default=None)

    def beside(self, newest: KnownVersion) -> PutBack | None:
        """Return a branch that somebody has left beside the queue, with what can be read of it; None where none is."""
        listed = self._chain.listed()  # before the way is gone, so that all it shows must lie on it
        way = self._chain.way_to(newest.version, newest.contents)
        branch = max(branches(way, listed), key=lambda it: it.head.number, default=None)
        if branch is None:
            return None
        held = None
        with contextlib.suppress(StoreError, CorruptionError):
            held = self._chain.contents(branch.head)
        lost = KnownVersion(
            version=branch.head,
            contents=held or Contents(trail=(), image=b""),
            confirmed_at_s=self._clock.now_s(),
        )
        return PutBack(lost=lost, way=way, beside=branch)

    def heads(self, put_back: PutBack) -> tuple[DatedVersion, DatedVersion]:
        """Return the head that is lost, and the one that the store shows."""
        lost, shown, contents = put_back.lost, put_back.shown, None
        with contextlib.suppress(StoreError, CorruptionError):
            contents = self._chain.contents(shown)
        return (
            DatedVersion(version=lost.version, changed_at_s=_changed_at_s(lost.contents)),
            DatedVersion(version=shown, changed_at_s=_changed_at_s(contents)),
        )

    def told(self, put_back: PutBack) -> str:
        """Name both heads in one sentence."""
        lost, shown = self.heads(put_back)
        if put_back.beside:
            return f"{self._chain.url} goes on with {shown}; beside it lies {lost}, which nobody goes on with"
        return (
            f"{self._chain.url} was put back from a copy, or made anew: it shows {shown}, and not {lost}, "
            "which this machine has seen"
        )

    def _all(self) -> Iterator[KnownVersion]:
        """Yield what this process has seen last and, where that is something else, what its machine has."""
        if self.seen:
            yield self.seen
        if not self.is_of_now:
            yield from self._kept()

    def _kept(self) -> list[KnownVersion]:
        return [kept for copy in self._copies if (kept := copy.load(url=self._chain.url))]

    def _stands(self, snapshot: KnownVersion, *, depth: int) -> bool:
        put_back = self._compared(snapshot, depth=self._depth(depth))
        if put_back is None:
            return True
        if put_back.is_settled:
            return False
        self._looks = 0  # what was refused once is looked at whole until a person has chosen
        raise StorePutBack(self.told(put_back), hint=ADOPT)

    def _depth(self, least: int) -> int:
        """Return how many versions before one are looked at: each look at a store far away is a request."""
        if not self._chain.is_near:
            return least
        self._looks += 1
        return ALL if self._looks % WHOLE_EVERY == 1 else 1

    def _compared(self, snapshot: KnownVersion, *, depth: int) -> PutBack | None:
        """Return what the store shows instead of a version, None where the version is on its way."""
        version, trail = snapshot.version, snapshot.contents.trail
        is_there = self._chain.holds(version)
        try:
            if is_there and self._chain.holds_before(version, trail, depth=depth):
                return None
            way = self._chain.way(self._start(snapshot))
        except (CorruptionError, StoreError):
            if not is_there:
                raise
            return None  # rot in an old version, which `store verify` names, makes nobody's work void; nor does silence
        return None if version in way else PutBack(lost=snapshot, way=way)

    def _start(self, snapshot: KnownVersion) -> Version | None:
        """Return where to look from, None for the first version: far away, from the newest that both know."""
        return None if self._chain.is_near else self._chain.newest_of(snapshot.contents)


def _changed_at_s(contents: Contents | None) -> float | None:
    if contents is None or not contents.image:
        return None
    newest = [select(func.max(column)) for column in (history.c.at_s, jobs.c.updated_at_s, sessions.c.seen_at_s)]
    with contextlib.suppress(CorruptionError, StoreError), Images().look(contents.image, place="a version") as tx:
        return max((at_s for at_s in map(tx.scalar, newest) if at_s is not None), default=None)
    return None
