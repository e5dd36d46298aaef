"""Whether a bucket keeps the one promise that a queue stands on: a name that is taken is not given a second time.

It is tried on the bucket itself, since servers that speak the protocol of S3 may take the condition and ignore it.
"""

import contextlib

from qcqueue.clock import Ids
from qcqueue.errors import SettingInvalid, StoreBusy, StoreError
from qcqueue.stores.objects.answers import LATER
from qcqueue.stores.objects.bucket import Bucket

FOLDER = "probe"
FIRST, SECOND = b"the first of two that were stored under one name", b"the second of them"


def prove_put_if_absent(bucket: Bucket, ids: Ids) -> None:
    """Create an object, and create it again with other bytes; both go afterwards.

    Raises: SettingInvalid: the second was not refused, so that two sessions could win one job. StoreError.
    """
    name = f"{FOLDER}/{ids.new()}"
    try:
        if not bucket.create(name, FIRST):
            raise StoreBusy(f"{bucket.url} refuses a name that nobody has used", hint=LATER)
        was_refused = not bucket.create(name, SECOND)
        if not was_refused or bucket.read_piece(name, 0, len(FIRST) + 1) != FIRST:
            raise SettingInvalid(
                f"{bucket.url} lets two machines create the same object, so that both would win one job",
                hint="use a server that honours If-None-Match, such as MinIO; or qcqueue init --store shared:PATH",
            )
    finally:
        with contextlib.suppress(StoreError):  # a stray probe hurts nobody
            bucket.remove(name)
