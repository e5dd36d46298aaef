"""A bucket on a server that is made up by a proxy, or on a real one behind it."""

from dataclasses import replace
from pathlib import Path

from qcqueue.clock import RandomIds
from qcqueue.stores.base import Access
from qcqueue.stores.objects.address import BucketPlace
from qcqueue.stores.objects.bucket import AskLimits, Bucket
from tests.support.servers.buckets import KEYS, BucketServer
from tests.support.servers.places import access_to
from tests.support.servers.running import shared_bucket

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "writer",
    "AWS_SECRET_ACCESS_KEY": KEYS["writer"],
    "AZURE_STORAGE_ACCOUNT_NAME": "account",
    "AZURE_STORAGE_ACCOUNT_KEY": "c2VjcmV0",
}
ONCE = AskLimits(timeout_s=20.0, repeats=0, in_all_s=20.0)


def made_up(endpoint: str, *, scheme: str = "s3", limits: AskLimits = ONCE) -> Bucket:
    """Return a bucket on a server that need not be real."""
    place = BucketPlace(scheme=scheme, bucket="bucket", prefix="queue")
    here = Path("nowhere")
    return Bucket(place, Access(cache=here, config=here, environ=CREDENTIALS, server=endpoint), limits)


def behind(server: BucketServer, endpoint: str, folder: Path) -> Bucket:
    """Return what is below a new prefix on a real server that is reached at another endpoint."""
    place = BucketPlace(scheme=server.scheme, bucket=shared_bucket(server.scheme), prefix=RandomIds().new())
    return Bucket(place, replace(access_to(server, folder), server=endpoint), ONCE)
