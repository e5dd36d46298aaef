"""What a store, its slots and its backend owe. A store is where shared bytes live; it knows nothing of jobs.

What every store owes, and every caller may rely on:
- A blob is immutable and named by its SHA-256. `put` may be repeated; it returns only once the bytes are whole,
  durable and verified. A put that was cut leaves nothing that counts.
- A blob is found again by its name and `place`, which only this store understands and the database remembers.
- Every put makes a place of its own, and no place is used twice: two puts of the same bytes by different owners never
  share one, and deleting one leaves the other, however late. A put repeated by the same owner may return the place of
  before, if it is still whole and this machine never began to delete it.
- A name or a place that this store cannot have given is one of a blob, or of a heartbeat, that it does not have;
  `names` alone judges that. To beat under such a name is refused.
- `fetch` verifies: it leaves the whole right bytes at the target or raises, never something in between.
- `delete` is final, may be repeated, and is of one place.
- A heartbeat is judged by the store's own clock, never by a session's. The store names it, once a session.
- Titles and kinds of blobs are for a person who looks into the store, which may drop them; nothing is ever found by
  them. Owners are for clean-up: by them, what a dead attempt stored and never committed is told from what a live one is
  about to commit.
- `list_blobs` is a hint: it may be late. No decision about safety may rest on it.

Slots: names in a store that can be created exactly once. What every place that has them owes:
- Of all who create one slot, whenever and from wherever, exactly one is told `CREATED`, or none is because its
  answer was lost. Everyone else is told `TAKEN`, however late, also after `truncate`: a slot is never deleted.
- `CREATED` is said only once bytes and facts are whole and durable. Nobody ever sees half of a slot.
- An answer that was lost, or that may be, is `OutcomeUnknown`; a refusal that surely changed nothing is another
  `StoreBusy`. Both may be asked again with the same bytes. Whoever is told `TAKEN` may still be the creator: the
  answer to an earlier request may have been lost below. So what is created carries something only its creator knows.
- Facts are short text: a key and its value hold at most `FACT_BYTES_MAX` bytes of UTF-8 together.
- Presence is true, absence is not: `facts` may say None of a slot that was just taken, and `list_slots` may be late.
  A slot that was seen and that `look_again` does not find is gone: somebody has put older files in their place.
- A name that can be no slot's is a `CorruptionError`; `names` alone judges that.
- Waiting is the store's business: `StoreBusy` comes only after its own patience has ended.

Backends: what is said and done of one kind of store before there is a store. What every kind owes stands at `Backend`.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from qcqueue.clock import Clock, Ids, RandomIds, SystemClock

if TYPE_CHECKING:
    from qcqueue.stores.checks import Check, Reached

FACT_BYTES_MAX = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes that are whole and verified in a store. place tells them from the same bytes stored another time.

    place is "" where an older version stored them, which knew one place a digest.
    """

    sha256: str
    size_bytes: int
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A blob as a listing shows it. owner: who stored it. age_s: since it was whole first, by the store's own clock."""

    blob: Blob
    owner: str
    age_s: float


class BlobKind(StrEnum):
    """What a blob is to a person who looks into a store."""

    DATASET = "dataset"
    OTHER = "other"


Moved = Callable[[int, int], None]
"""Told (bytes moved, bytes in all) after every piece of a transfer. What it raises ends the transfer."""


def silently(moved_bytes: int, size_bytes: int) -> None:
    """Nobody asks how far a transfer is."""


class Store(Protocol):
    """Shared bytes: `FolderStore`, `SharedStore`, `DriveStore` and `BucketStore`, each tested as a store.

    `cached.CachedStore` wraps one and keeps on this machine what was moved last; wrappers of tests add faults.
    """

    @property
    def url(self) -> str:
        """How a person names this store, such as `folder:/data/queue`."""
        ...

    def put(
        self,
        source: Path,
        *,
        title: str = "",
        owner: str = "",
        kind: BlobKind = BlobKind.OTHER,
        moved: Moved = silently,
    ) -> Blob:
        """Store the bytes of `source`; return what to remember of them.

        owner: who stores them, at most 80 of `[0-9a-z-]`; "" is nobody in particular.
        Raises: StoreDenied, StoreBusy. StoreFull: there is no room. DigestMismatch: what arrived is not what was sent.
        """
        ...

    def fetch(self, blob: Blob, target: Path, *, moved: Moved = silently) -> None:
        """Write the blob to `target`, verified, whole or not at all.

        Raises: BlobMissing: the store has no such blob. DigestMismatch: its bytes are damaged.
        """
        ...

    def size(self, blob: Blob) -> int | None:
        """Return the size in bytes the store has of it, or None where it has no such blob."""
        ...

    def delete(self, blob: Blob) -> None:
        """Remove a blob for good; removing what is not there is fine."""

    def list_blobs(self) -> Iterable[Listed]:
        """Yield what the store shows now; a hint."""
        ...

    def new_heartbeat(self, session_id: str) -> str:
        """Return a name for the heartbeat of a session. It exists from its first beat on."""
        ...

    def beat(self, name: str) -> None:
        """Touch the heartbeat `name`. Raises: CorruptionError: no store can have given this name."""

    def heartbeat_age_s(self, name: str) -> float | None:
        """Return the seconds since the last beat by the store's clock, or None where there was none."""
        ...

    def forget_heartbeat(self, name: str) -> None:
        """Remove a heartbeat nobody needs; removing what is not there is fine."""


class Creation(StrEnum):
    """What came of creating a slot."""

    CREATED = "created"
    TAKEN = "taken"


class Slots(Protocol):
    """Names that can be created exactly once: `FolderSlots`, `DriveSlots`, `BucketSlots`; wrappers add faults."""

    @property
    def url(self) -> str:
        """How a person names the store these slots are in."""
        ...

    @property
    def root(self) -> str:
        """The one slot that everybody knows who knows the store."""
        ...

    @property
    def is_near(self) -> bool:
        """Whether a question costs next to nothing, so that nobody need save on them."""
        ...

    def reserve(self, number: int) -> str:
        """Return a slot nobody else will be given. It stays free until it is created, for ever if need be.

        number: of the version that is to fill it, by which a store may name it so that a listing begins with the last.
        """
        ...

    def create(self, slot: str, body: bytes, facts: Mapping[str, str]) -> Creation:
        """Fill the slot with these bytes and facts, unless it was ever filled.

        Raises: OutcomeUnknown, StoreBusy: ask again. StoreMissing, StoreDenied.
        """
        ...

    def facts(self, slot: str) -> Mapping[str, str] | None:
        """Return the facts the slot was created with; None where it is free or not visible yet.

        Raises: StoreBusy. StoreMissing: there is no store, so nothing is known. CorruptionError: they are damaged.
        """
        ...

    def look_again(self, slot: str) -> Mapping[str, str] | None:
        """As `facts`, of a slot that was seen taken: asked anew, and waited for as long as it may only be hidden."""
        ...

    def body(self, slot: str) -> bytes:
        """Return the bytes the slot was created with, or none once it was truncated. Raises: as `facts` does."""
        ...

    def truncate(self, slot: str) -> None:
        """Give the bytes of a slot back; its facts stay and it stays taken. It may be repeated."""

    def list_slots(self) -> Iterable[tuple[str, Mapping[str, str]]]:
        """Yield slots and their facts, those created last first as far as the store can tell; a hint."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRules:
    """Seconds between heartbeats, and the age at which a heartbeat is taken as the last one."""

    beat_every_s: float = 15.0
    ttl_s: float = 120.0


def has_ended(age_s: float | None, rules: LeaseRules) -> bool:
    """Return whether a heartbeat of this age, or one never seen (None), ends the lease."""
    return age_s is None or age_s > rules.ttl_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """With what this machine reaches a store.

    cache, config: folders of this machine. token: a sign-in that was given directly, which is never written. endpoint:
    the root URL of an emulator that stands in for the real service. environ: the variables of this process. region,
    server: where a bucket is, as the settings say; server is the root URL of who keeps it, None for the cloud itself.
    """

    cache: Path
    config: Path
    token: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    region: str | None = None
    server: str | None = None
    clock: Clock = field(default_factory=SystemClock)
    ids: Ids = field(default_factory=RandomIds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A store that can be used, and what there is to say of it. To open one touches nothing.

    store: as commands use it; origin: the store itself, without what this machine keeps beside it. slots: where the
    database keeps its versions; None where it is one file in `folder`. folder: where the store lies on a disk of this
    machine. copies: the folders for this machine's copy of the database, that of the name in use first.
    free_bytes: how much more it takes, None where it does not tell or has no limit; asking costs one request at most.
    greet asks it, before long work begins, what would hinder that later; it returns a sentence on whose it is.
    warning: what will hinder it in the days to come, as far as this machine knows without asking anybody.
    account: whose store it is, None where it knows no accounts; it is asked once at most, and remembered.
    sees_all: whether this machine's sign-in opens more than what is qcqueue's, as far as that is known without asking.
    """

    store: Store
    origin: Store
    slots: Slots | None = None
    folder: Path | None = None
    copies: tuple[Path, ...] = ()
    lease: LeaseRules = LeaseRules()
    free_bytes: Callable[[], int | None] = lambda: None
    greet: Callable[[], str | None] = lambda: None
    warning: Callable[[], str | None] = lambda: None
    account: Callable[[], str | None] = lambda: None
    sees_all: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The address of a queue that was made, or found, and whether it is new."""

    address: str
    is_new: bool


Begin = Callable[[Opened], bool]
"""Makes the database in a store where it is missing; returns whether it is new."""

Remember = Callable[[str], None]
"""Told the address of a queue whose making begins, so that who comes again after a cut finishes it."""


class Ask(Protocol):
    """A person, and what the provider of this machine keeps for them, asked for a sign-in."""

    @property
    def has_reader(self) -> bool:
        """Whether there is a person to be asked."""
        ...

    @property
    def secret_help(self) -> str:
        """Where its provider keeps the secret {name}, in words; "" where it keeps none."""
        ...

    def secret(self, name: str) -> str | None:
        """Return what the provider of this machine keeps under this name. It is shown nowhere."""
        ...

    def show(self, *lines: str) -> None:
        """Show a person what to do now; without lines it is done."""


class Backend(Protocol):
    """One kind of store: a row of `registry.STORES` names it. It knows no jobs and no database.

    An address is what stands behind the scheme in a URL, as `parse` returned it. Whatever asks a store that is far away
    may raise StoreError; ExtraMissing where a library is not installed.
    """

    def parse(self, rest: str, *, source: str) -> str | None:
        """Return the address that the rest of a URL means, None where it is none of this kind.

        source: where the URL was found, for messages. Raises: SettingInvalid: no queue can be kept there.
        """
        ...

    def open(self, address: str, access: Access, *, patient: bool) -> Opened:
        """Wire the store, asking nobody. patient: wait for minutes where it does not answer.

        Raises: SettingInvalid: this machine's cache lies where it loses writes.
        """
        ...

    def create(self, address: str, access: Access, *, begin: Begin, remember: Remember, dry_run: bool = False) -> Made:
        """Make a queue, or finish one whose making was cut; with dry_run, say what that would do.

        Raises: SettingInvalid: there is something else. StoreError.
        """
        ...

    def beside(self, address: str, access: Access) -> str:
        """Return the address of a queue of its own, still to be made, near the one that `address` names.

        Raises: SettingInvalid, StoreError: nothing can be made there.
        """
        ...

    def delete(self, address: str, access: Access) -> None:
        """Remove what `create` made, whole. It may be repeated. Raises: StoreError."""

    def check(self, address: str, access: Access) -> "Generator[Check, None, Reached | None]":
        """Yield what is found, up to the first thing that keeps the rest from being looked at.

        Returns what was reached, None where the queue cannot be looked at. It changes nothing, and it raises nothing:
        what goes wrong is what it finds.
        """
        ...

    def sign_in(self, access: Access, ask: Ask) -> Access:
        """Return the access with a sign-in, where this kind wants one and has none. Raises: SignInFailed."""
        ...

    def link(self, address: str) -> str | None:
        """Return where a person can look at a queue in a browser."""
        ...

    def notebook_steps(self, file: str, *, has_client: bool) -> tuple[str, ...]:
        """Return the lines on what to do next with a notebook that was written for such a store.

        has_client: whether the notebook brings an OAuth client to sign in with.
        """
        ...
