"""Queues in buckets of real servers, as the conformance classes want them: reachable from any process."""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from qcqueue.clock import Clock, RandomIds, SystemClock
from qcqueue.stores.base import Access, Blob, Slots, Store
from tests.support.servers.buckets import BucketServer
from tests.support.servers.running import bucket_server, shared_bucket

if TYPE_CHECKING:
    from qcqueue.stores.objects.bucket import Bucket


def access_to(server: BucketServer, cache: Path) -> Access:
    return Access(
        cache=cache,
        config=cache,
        environ=server.environment,
        region=server.environment.get("AWS_REGION"),
        server=server.endpoint or None,
        clock=SystemClock(),
    )


@dataclass(frozen=True, slots=True)
class InBucket:
    """A store, or slots, under a prefix of its own in the bucket of this session; each root is a prefix below it.

    The clock is the server's, which nobody sets: time passes there as it does.
    """

    scheme: str
    server: BucketServer | None = None
    bucket: str = ""
    within: str = ""
    tick_s: float = 1.0

    @contextlib.contextmanager
    def running(self, clock: Clock | None = None) -> Iterator[Self]:
        yield replace(
            self, server=bucket_server(self.scheme), bucket=shared_bucket(self.scheme), within=RandomIds().new()
        )

    def objects(self, root: Path) -> "Bucket":
        """Return what lies below the prefix of a root."""
        return self._below(f"{self.within}/{_prefix(root)}", root)

    def all_objects(self) -> "Bucket":
        """Return what lies below the prefixes of all roots."""
        return self._below(self.within, Path())

    def _below(self, prefix: str, cache: Path) -> "Bucket":
        from qcqueue.stores.objects.address import BucketPlace
        from qcqueue.stores.objects.bucket import STEADY, Bucket

        assert self.server, "the place is not running"
        place = BucketPlace(scheme=self.scheme, bucket=self.bucket, prefix=prefix)
        return Bucket(place, access_to(self.server, cache), STEADY)


@dataclass(frozen=True, slots=True)
class StoreInBucket(InBucket):
    """A store in a bucket."""

    def open(self, root: Path, clock: Clock) -> Store:
        from qcqueue.stores.objects.store import BucketStore

        return BucketStore(self.objects(root), RandomIds())

    def overwrite(self, root: Path, blob: Blob, data: bytes) -> None:
        self.objects(root).write(f"blobs/{blob.sha256}.{blob.place}", data)


@dataclass(frozen=True, slots=True)
class SlotsInBucket(InBucket):
    """Slots in a bucket."""

    def open(self, root: Path) -> Slots:
        from qcqueue.stores.objects.slots import BucketSlots

        return BucketSlots(self.objects(root), RandomIds())

    def attach(self, root: Path) -> Slots:
        return self.open(root)

    def bytes_of(self, root: Path) -> dict[str, bytes]:
        bucket = self.objects(root)
        return {it.name: bucket.read_piece(it.name, 0, it.size_bytes or 1) or b"" for it in bucket.list()}


def _prefix(root: Path) -> str:
    return f"queue-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}"
