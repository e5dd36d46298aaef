"""The database of several machines: SQLite images in a store, advanced by compare-and-swap on create-once slots.

`version` is the format, `chain` finds and extends the versions, `images` runs SQL on them, `copy` keeps the newest
one on this machine, and `known` holds that against the store. A transaction runs on a version in memory and is
committed by creating the one slot its successor may use: that can happen once, so transactions are serializable
without a server, a lock or a clock. Who finds the slot taken runs the action again, on the winner.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from qcqueue.clock import Ids, WallTime
from qcqueue.database.base import Guard, Unguarded, nothing
from qcqueue.database.chain import BODIES_KEPT, Chain
from qcqueue.database.copy import KnownVersion, LocalCopy
from qcqueue.database.images import Images
from qcqueue.database.known import DatedVersion, Knowledge, PutBack
from qcqueue.database.sqlite import RESCUE
from qcqueue.database.version import Contents, Version
from qcqueue.errors import CorruptionError, StoreBusy, StoreError, StoreMissing
from qcqueue.stores.base import Slots

T = TypeVar("T")

# Every lost race is somebody else's commit, so the queue moves on; 8 machines that never rest lose 30 in a row rarely.
RACES_LOST_MAX = 300

# A version can become old, and be truncated, between finding it and reading it.
LOOKS_MAX = 20

# What a store that is not there, and the database in one that is, say where no queue was begun.
INIT = "qcqueue init"

# One more than keeps its body, so that a commit also gives back what a writer killed right before it could not.
TRAIL_MAX = BODIES_KEPT + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """Why a read was answered from this machine's copy. since_s: when the store last confirmed that copy."""

    since_s: float
    why: str


@dataclass(frozen=True, slots=True)
class Head:
    """A version to build on. is_confirmed: the store was asked within this transaction, and showed nothing newer."""

    snapshot: KnownVersion
    is_confirmed: bool


class VersionedDatabase:
    """The queue as versions in a store. behind says how old the last read was, or None where the store answered.

    copy: the folder of this machine's copy; also: those of other names that the same store has here.
    """

    def __init__(
        self,
        slots: Slots,
        *,
        copy: Path,
        also: tuple[Path, ...] = (),
        clock: WallTime,
        ids: Ids,
        author: str,
        guard: Guard = Unguarded(),  # noqa: B008 (it holds nothing)
    ) -> None:
        self.behind: Behind | None = None
        self._guard = guard
        self._chain = Chain(slots, ids, author=author)
        self._images = Images()
        self._known = Knowledge(self._chain, [LocalCopy(folder) for folder in (copy, *also)], clock)

    def create(self, first: Callable[[Connection], None] = nothing) -> bool:
        """Make the first version if there is none, with `first` done in it; return whether it was made now."""
        contents = Contents(trail=(), image=self._images.new(first))
        made = self._chain.begin(contents.image)
        if made is not None:
            self._known.remember(made, contents)
            return True
        head = self._newest()
        with self._images.look(head.contents.image, place=self._place(head.version)):
            return False

    def transact(self, action: Callable[[Connection], T], *, dry_run: bool = False) -> T:
        """Run `action` on the newest version, and make what it leaves the next one.

        The version this process saw last is tried first, and the store is not asked whether it is still the newest:
        to create its only possible successor asks just that, in the request that commits. But an action that raises
        or changes nothing creates nothing, so nobody would have asked: its answer counts on a confirmed head only. So
        does that of the guard, which is asked again after every lost race: a session may have come with it.
        """
        for head in self._heads():
            try:
                result, image = self._run(head.snapshot, action)
            except Exception:
                if head.is_confirmed:
                    raise
                continue
            is_settled = head.is_confirmed if image is None or dry_run else self._commit(head.snapshot, image)
            if is_settled:
                return result
        raise self._never_first()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        head = self._newest_or_copy()
        with self._images.look(head.contents.image, place=self._place(head.version)) as tx:
            yield tx

    def put_back(self) -> PutBack | None:
        """Return what this machine has seen and the store does not show any more; None where nothing is missing."""
        with self._missing_told():
            return self._known.put_back()

    def told(self, put_back: PutBack) -> str:
        """Name both heads of a store that was put back, in one sentence."""
        return self._known.told(put_back)

    def heads(self, put_back: PutBack) -> tuple[DatedVersion, DatedVersion]:
        """Return the head that is lost, and the one that the store shows."""
        return self._known.heads(put_back)

    def adopt(
        self, action: Callable[[Connection, Connection | None, PutBack], T], *, dry_run: bool = False
    ) -> T | None:
        """Take the store over: append a version that names the lost head as given up; None where nothing is lost.

        Where this machine has lost nothing, but somebody has left a branch beside the queue, that is what is given up.
        action may change what the store shows, its first argument, and read what is lost, its second, None where that
        cannot be read. dry_run: change nothing, and return its result. Raises: CorruptionError: nothing can go on.
        """
        before: Version | None = None
        for _ in range(RACES_LOST_MAX):
            put_back = self.put_back() or self._known.beside(self._newest())
            if put_back is None:
                return None
            lost, contents = put_back.lost, self._chain.contents(put_back.shown)
            if contents is None:  # it is no head any more
                if self._chain.is_near and put_back.shown == before:
                    raise self._cut_off(before)
                before = put_back.shown
                continue
            head = KnownVersion(version=put_back.shown, contents=contents, confirmed_at_s=lost.confirmed_at_s)
            with self._read_if_kept(lost) as was:
                result, image = self._run(head, lambda tx, was=was, it=put_back: action(tx, was, it))  # type: ignore[misc]
            if dry_run or self._commit(head, image or contents.image, gave_up=put_back.gave_up):
                return result
        raise self._never_first()

    @contextmanager
    def _read_if_kept(self, lost: KnownVersion) -> Iterator[Connection | None]:
        if not lost.contents.image:
            yield None
            return
        with self._images.look(lost.contents.image, place=self._place(lost.version)) as was:
            yield was

    def close(self) -> None:
        """Nothing is held open between transactions."""

    def _heads(self) -> Iterator[Head]:
        """Yield versions to try. The first look of a process asks the store, which may have been made anew since."""
        if self._known.seen is not None and self._known.is_of_now:
            yield Head(self._known.seen, is_confirmed=False)
        for _ in range(RACES_LOST_MAX):
            yield Head(self._newest(), is_confirmed=True)

    def _run(self, head: KnownVersion, action: Callable[[Connection], T]) -> tuple[T, bytes | None]:
        return self._images.run(head.contents.image, action, place=self._place(head.version), guard=self._guard)

    def _commit(self, head: KnownVersion, image: bytes, *, gave_up: tuple[str, ...] = ()) -> bool:
        """Make the next version; return whether it was made, and on a version that the store still shows."""
        contents = Contents(
            trail=(*head.contents.trail, head.version.slot)[-TRAIL_MAX:],
            marks=(*head.contents.marks, head.version.mark)[-TRAIL_MAX:],
            image=image,
        )
        with self._missing_told():
            if not self._known.allows(head):
                return False
            version = self._chain.append(head.version, contents, gave_up=gave_up)
            # An older store may have been put back within this instant: then nobody will ever find what was made.
            if version is None or not self._known.still_allows(head):
                return False
        self._known.remember(version, contents)
        self._chain.give_back(version, contents)
        if head.version.format < version.format:
            self._guard.raised()
        return True

    def _newest(self) -> KnownVersion:
        """Return the newest version, asking the store."""
        with self._missing_told():
            return self._look()

    @contextmanager
    def _missing_told(self) -> Iterator[None]:
        """Hint at init only where no queue was ever seen: in an empty mount point, say, it would begin a second one."""
        try:
            yield
        except StoreMissing as exc:
            lost = self._known.last
            if lost is None:
                raise StoreMissing(str(exc), hint=exc.hint or INIT) from exc
            raise StoreMissing(
                f"{self._chain.url} is not there, though this machine saw version {lost.version.number} of its queue",
                hint="mount the disk it is on" if exc.hint == INIT else exc.hint or RESCUE,
            ) from exc

    def _look(self) -> KnownVersion:
        known = self._known.confirmed()
        hint_is_good, linked = True, None
        for look in range(LOOKS_MAX):
            find = self._chain.head if hint_is_good else self._chain.linked_head
            head = find(known.version if known else None)
            if known and head == known.version and known.contents.image:
                return self._known.remember(head, known.contents)
            contents = self._chain.contents(head)
            if contents is None:  # it has become old meanwhile, once; or it is old, and what followed is gone
                if self._chain.is_near and head == linked:
                    raise self._cut_off(head)
                linked = None if hint_is_good else head
                hint_is_good = look == 0
            elif hint_is_good and not self._known.believes(head, contents):
                hint_is_good = False
            else:
                return self._known.remember(head, contents)
        raise StoreBusy(
            f"{self._place(head)} has no bytes any more, and nothing newer can be seen yet",
            hint="try again in a moment",
        )

    def _newest_or_copy(self) -> KnownVersion:
        try:
            head = self._newest()
        except StoreError as exc:
            copy = self._known.last
            if copy is None:
                raise
            self.behind = Behind(since_s=copy.confirmed_at_s, why=str(exc))
            return copy
        self.behind = None
        return head

    def _never_first(self) -> StoreBusy:
        return StoreBusy(
            f"{RACES_LOST_MAX} commits of others came first in {self._chain.url}", hint="try again in a moment"
        )

    def _cut_off(self, version: Version) -> CorruptionError:
        return CorruptionError(
            f"{self._place(version)} has no bytes any more, and what was made after it is gone", hint=RESCUE
        )

    def _place(self, version: Version) -> str:
        return f"version {version.number} in {self._chain.url}"
