"""What is looked at in a bucket before the queue: that it answers, keeps its promise, has a clock, holds a queue.

In this order, because each needs what is before it: the first that fails is the one to repair, and ends the visit. What
is stored for that is removed again. Nothing is ever said of credentials.
"""

from collections.abc import Generator

from qcqueue.errors import QcqueueError, StoreMissing
from qcqueue.stores.base import Access
from qcqueue.stores.checks import Check, CheckStatus, Reached, clock_against, fine, problem, warning
from qcqueue.stores.objects.bucket import Bucket
from qcqueue.stores.objects.clock import BucketClock
from qcqueue.stores.objects.proof import prove_put_if_absent
from qcqueue.stores.objects.slots import BucketSlots

LEFT_PARTS = "parts of uploads that were cut short are invisible and cost money until a lifecycle rule removes them"
RULE = "give the bucket a rule that aborts incomplete multipart uploads after a day, if it has none"


def check_bucket(bucket: Bucket, access: Access) -> Generator[Check, None, Reached | None]:
    """Yield what is found, up to the first thing that keeps the next from being looked at: see `Backend.check`."""
    what = bucket.place.service.container
    try:
        next(iter(bucket.list()), None)
        yield _where(bucket, access)
        what = "one winner"
        prove_put_if_absent(bucket, access.ids)
        yield fine(what, "a name that is taken is refused, and keeps its bytes")
        what = "clock"
        yield clock_against(BucketClock(bucket).now_s(), access.clock.now_s(), "the bucket's")
        if bucket.place.service.keeps_parts:
            yield Check(what="uploads", verdict=CheckStatus.OK, says=LEFT_PARTS, hint=RULE)
        what = "queue"
        slots = BucketSlots(bucket, access.ids)
        if slots.facts(slots.root) is None:
            raise StoreMissing(f"there is no queue in {bucket.url}", hint=f"qcqueue init --store {bucket.url}")
    except QcqueueError as exc:
        yield problem(what, exc)
        return None
    return Reached(free_bytes=None)


def _where(bucket: Bucket, access: Access) -> Check:
    service = bucket.place.service
    at = f" at {access.server}" if access.server else f" in {access.region}" if access.region else ""
    says = f"{bucket.url}{at} answers"
    if service.not_tried:
        return warning(
            service.container,
            f"{says}; {service.scheme}:// is {service.not_tried}",
            "run tests/live against a bucket of yours before you trust it with weeks of work",
        )
    return fine(service.container, says)
