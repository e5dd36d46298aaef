"""Where in a bucket a queue lies, as its URL says: `s3://BUCKET/PREFIX`."""

import re
from dataclasses import dataclass

from qcqueue.errors import SettingInvalid
from qcqueue.stores.objects.services import SERVICES, Service

BUCKET = re.compile(r"[0-9a-z][0-9a-z._-]{1,61}[0-9a-z]", re.ASCII)
PREFIX = re.compile(r"[0-9A-Za-z_][0-9A-Za-z._-]*(?:/[0-9A-Za-z_][0-9A-Za-z._-]*)*", re.ASCII)
PREFIX_LETTERS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketPlace:
    """A queue in a bucket. prefix: what the names of all its objects begin with, without the slash that follows."""

    scheme: str
    bucket: str
    prefix: str

    @property
    def address(self) -> str:
        """What stands behind the scheme in its URL."""
        return f"//{self.bucket}/{self.prefix}"

    @property
    def url(self) -> str:
        return f"{self.scheme}:{self.address}"

    @property
    def service(self) -> Service:
        return SERVICES[self.scheme]


def place_at(scheme: str, address: str) -> BucketPlace:
    """Return the place that an address names which `read_address` has returned."""
    bucket, _, prefix = address.removeprefix("//").partition("/")
    return BucketPlace(scheme=scheme, bucket=bucket, prefix=prefix)


def read_address(scheme: str, rest: str, *, source: str) -> str | None:
    """Return the address that the rest of a URL means, None where it is none.

    source: where the URL was found. Raises: SettingInvalid: it names a bucket, and no queue in it.
    """
    if not rest.startswith("//"):
        return None
    place = place_at(scheme, rest.rstrip("/"))
    if not BUCKET.fullmatch(place.bucket):
        return None
    if not place.prefix:
        url = f"{scheme}:{rest}"
        raise SettingInvalid(
            f"the store {url!r} (from {source}) names a whole {place.service.container}; a queue lies under a prefix",
            hint=f"qcqueue init --store {scheme}://{place.bucket}/queue",
        )
    is_good = PREFIX.fullmatch(place.prefix) and len(place.prefix) <= PREFIX_LETTERS_MAX
    return place.address if is_good else None
