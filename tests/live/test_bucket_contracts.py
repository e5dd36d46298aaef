"""The contracts of stores and slots, held against a bucket in a real cloud, such as nobody has had for ours.

QCQUEUE_LIVE_BUCKET names a place in it, as the URL of a store does; credentials, region and endpoint come from the
environment as ever. All that is stored lies below that place, and goes at the end.
"""

import os
from collections.abc import Iterator

import pytest

from qcqueue.app.settings import load_settings
from qcqueue.clock import RandomIds
from qcqueue.conformance.slots import SlotContract, SlotPlace
from qcqueue.conformance.stores import StoreContract, StorePlace
from qcqueue.stores.objects.address import place_at
from qcqueue.stores.registry import parse_url
from tests.support.servers.buckets import BucketServer
from tests.support.servers.places import InBucket, SlotsInBucket, StoreInBucket

LIVE = os.environ.get("QCQUEUE_LIVE_BUCKET")

if not LIVE:
    pytest.skip("asks a real cloud; CONTRIBUTING.md says how", allow_module_level=True)

pytestmark = pytest.mark.live


@pytest.fixture
def live() -> Iterator[InBucket]:
    settings = load_settings(store=LIVE)
    named = parse_url(LIVE or "", source="QCQUEUE_LIVE_BUCKET")
    place = place_at(named.scheme, named.address)
    server = BucketServer(scheme=named.scheme, endpoint=settings.endpoint or "", environment=dict(os.environ))
    within = f"{place.prefix}/{RandomIds().new()}"
    live = InBucket(scheme=named.scheme, server=server, bucket=place.bucket, within=within)
    yield live
    whole = live.all_objects()
    whole.remove(found.name for found in whole.list())


class TestLiveStore(StoreContract):
    @pytest.fixture
    def place(self, live: InBucket) -> StorePlace:
        return StoreInBucket(live.scheme, live.server, live.bucket, live.within)


class TestLiveSlots(SlotContract):
    @pytest.fixture
    def place(self, live: InBucket) -> SlotPlace:
        return SlotsInBucket(live.scheme, live.server, live.bucket, live.within)
