"""A bucket that gives a name twice is no place for a queue: `init` and `doctor` try it on the bucket itself."""

import pytest

from qcqueue.clock import RandomIds
from tests.stores_objects.laptop import Laptop
from tests.support.servers.between import between, ignore_conditions
from tests.support.servers.running import bucket_server, shared_bucket

pytestmark = pytest.mark.servers

LIES = "lets two machines create the same object, so that both would win one job"


@pytest.mark.parametrize("scheme", ["s3", "az"])
def test_a_server_that_ignores_the_condition_is_refused_and_nothing_is_left_there(scheme: str, laptop: Laptop) -> None:
    server = bucket_server(scheme)
    laptop.sets(server)
    url = f"{scheme}://{shared_bucket(scheme)}/{RandomIds().new()}"
    with between(server.endpoint, ignore_conditions(server)) as liar:
        laptop.patch.setenv("AWS_ENDPOINT_URL", liar.endpoint)
        laptop.patch.setenv("AZURE_STORAGE_ENDPOINT", liar.endpoint)
        sentence, hint = laptop.types(f"init --store {url}", code=2).splitlines()
        assert sentence == f"qcqueue: {url} {LIES}"
        assert "If-None-Match" in hint
        assert not laptop.settings_file.exists()
        doctors = laptop.types(f"doctor --store {url}", code=2)
        assert f"{url} {LIES}" in doctors
        assert [path for method, path in liar.seen if method == "PUT" and "/versions/" in path] == []
    laptop.sets(server)
    assert "made: a queue" in laptop.types(f"init --store {url}")


@pytest.mark.parametrize("scheme", ["s3", "az"])
def test_a_queue_whose_bucket_begins_to_lie_is_found_out_by_the_doctor(scheme: str, laptop: Laptop) -> None:
    server = bucket_server(scheme)
    laptop.sets(server)
    laptop.types(f"init --store {scheme}://{shared_bucket(scheme)}/{RandomIds().new()}")
    assert "one winner" in laptop.types("doctor")
    with between(server.endpoint, ignore_conditions(server)) as liar:
        laptop.patch.setenv("AWS_ENDPOINT_URL", liar.endpoint)
        laptop.patch.setenv("AZURE_STORAGE_ENDPOINT", liar.endpoint)
        assert LIES in laptop.types("doctor", code=2)
        assert LIES in laptop.types("init", code=2)
