"""Queues in buckets: opening one, making one or finishing one whose making was cut, deleting one.

The bucket itself is made by whoever pays for it. Always true: to import this module, and to open a queue, asks nobody.
"""

from collections.abc import Generator
from typing import TYPE_CHECKING

from qcqueue.errors import CorruptionError, SettingInvalid
from qcqueue.stores.base import Access, Ask, Begin, LeaseRules, Made, Opened, Remember
from qcqueue.stores.objects.address import BucketPlace, place_at, read_address
from qcqueue.stores.paths import kept_of_queue

if TYPE_CHECKING:
    from qcqueue.stores.checks import Check, Reached
    from qcqueue.stores.objects.bucket import Bucket

# Every beat is a request that somebody pays for, and a large blob on a slow line keeps a session from it for minutes.
LEASE = LeaseRules(beat_every_s=30.0, ttl_s=300.0)
FOLDERS = ("versions", "blobs", "heartbeats", "probe")
FILES = ("clock",)
FIRST_VERSION = "versions/first"
REMOVED_AT_ONCE = 1000


class BucketBackend:
    """Queues below prefixes of buckets of one service. Implements `base.Backend`."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme

    def parse(self, rest: str, *, source: str) -> str | None:
        return read_address(self._scheme, rest, source=source)

    def open(self, address: str, access: Access, *, patient: bool) -> Opened:
        return _opened(self._bucket(address, access, patient=patient), access)

    def create(self, address: str, access: Access, *, begin: Begin, remember: Remember, dry_run: bool = False) -> Made:
        """As `Backend.create`; it is remembered once the bucket has kept its promise, and before anything is made."""
        from qcqueue.stores.objects.proof import prove_put_if_absent

        bucket = self._bucket(address, access, patient=False)
        opened = _opened(bucket, access)
        is_new = _is_empty(opened)
        if is_new:
            _refuse_another(bucket)
        if not dry_run:
            prove_put_if_absent(bucket, access.ids)
            remember(address)
            is_new = begin(opened)
        return Made(address=address, is_new=is_new)

    def beside(self, address: str, access: Access) -> str:
        bucket = self._bucket(address, access, patient=False)
        next(bucket.list(), None)  # whether it can be asked at all
        return f"{address}-drill-{access.ids.new()}"

    def delete(self, address: str, access: Access) -> None:
        bucket = self._bucket(address, access, patient=True)
        names: list[str] = []
        for found in bucket.list():
            if _is_ours(found.name) and found.name != FIRST_VERSION:
                names.append(found.name)
            if len(names) == REMOVED_AT_ONCE:
                bucket.remove(names)
                names = []
        bucket.remove(names)
        bucket.remove(FIRST_VERSION)  # last, so that a queue whose deletion was cut still is one, and can be deleted

    def check(self, address: str, access: Access) -> "Generator[Check, None, Reached | None]":
        from qcqueue.stores.objects.checks import check_bucket

        return check_bucket(self._bucket(address, access, patient=False), access)

    def sign_in(self, access: Access, ask: Ask) -> Access:
        return access

    def link(self, address: str) -> str | None:
        place = place_at(self._scheme, address)
        if self._scheme == "gs":
            return f"https://console.cloud.google.com/storage/browser/{place.bucket}/{place.prefix}"
        return None

    def notebook_steps(self, file: str, *, has_client: bool) -> tuple[str, ...]:
        service = place_at(self._scheme, "//bucket/queue").service
        where = " and ".join(name for name in (service.region_variable, service.endpoint_variable) if name)
        also = f", {where} if it needs them" if where else ""
        return (
            f"next: open {file} where sessions are to work, with {service.keys}",
            f"      in its environment{also}; then run its cell",
        )

    def _bucket(self, address: str, access: Access, *, patient: bool) -> "Bucket":
        from qcqueue.stores.objects.bucket import QUICK, STEADY, Bucket

        return Bucket(place_at(self._scheme, address), access, STEADY if patient else QUICK)


def _opened(bucket: "Bucket", access: Access) -> Opened:
    from qcqueue.stores.cached import CachedStore
    from qcqueue.stores.objects.clock import BucketClock
    from qcqueue.stores.objects.slots import BucketSlots
    from qcqueue.stores.objects.store import BucketStore

    kept = kept_of_queue(access.cache, _name_of(bucket.place, access))
    store = BucketStore(bucket, access.ids)

    def greet() -> None:
        BucketClock(bucket).now_s()  # which shows that it can be written, before hours are spent

    return Opened(
        store=CachedStore(store, kept / "nearby"),
        origin=store,
        slots=BucketSlots(bucket, access.ids),
        copies=(kept,),
        lease=LEASE,
        free_bytes=lambda: None,
        greet=greet,
    )


def _name_of(place: BucketPlace, access: Access) -> bytes:
    """Return what this machine knows a queue by: two servers may have buckets of one name."""
    return f"{place.url} {access.server}".encode() if access.server else place.url.encode()


def _is_empty(opened: Opened) -> bool:
    """Return whether there is no version of a queue yet."""
    assert opened.slots, "a queue in a bucket keeps its versions in slots"
    return opened.slots.facts(opened.slots.root) is None


def _refuse_another(bucket: "Bucket") -> None:
    """Raises: SettingInvalid: what lies below the prefix is somebody else's. CorruptionError: it was a queue."""
    found = next(bucket.list(), None)
    if found and not _is_ours(found.name):
        raise SettingInvalid(
            f"{bucket.url} holds other objects, such as {found.name}; a queue needs a prefix of its own",
            hint=f"qcqueue init --store {bucket.url}/queue",
        )
    version = next(bucket.list("versions"), None)
    if version and version.name != FIRST_VERSION:  # where it is, somebody has made it this instant
        raise CorruptionError(
            f"the first version in {bucket.url} is gone, and versions after it are there",
            hint="put it back if the bucket keeps old versions of objects; or make a queue under another prefix",
        )


def _is_ours(name: str) -> bool:
    """Return whether a queue can have stored an object of this name."""
    folder, slash, _ = name.partition("/")
    return folder in FOLDERS if slash else name in FILES


S3, AZURE, GOOGLE = BucketBackend("s3"), BucketBackend("az"), BucketBackend("gs")
