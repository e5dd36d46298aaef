"""A queue in a bucket as a person types it: making it, looking at it, and every way in which a bucket says no."""

import socket
import tomllib
from pathlib import Path

import pytest

from qcqueue.app.settings import load_settings
from qcqueue.clock import RandomIds
from qcqueue.stores.objects import bucket as bucket_module
from qcqueue.stores.objects.bucket import AskLimits
from tests.stores_objects.laptop import Laptop
from tests.support.servers.buckets import KEYS, BucketServer
from tests.support.servers.running import bucket_server, shared_bucket

SERVERS = ("s3", "az")


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, laptop: Laptop) -> BucketServer:
    server = bucket_server(request.param)
    laptop.sets(server)
    return server


@pytest.fixture
def url(server: BucketServer) -> str:
    return f"{server.scheme}://{shared_bucket(server.scheme)}/{RandomIds().new()}"


@pytest.mark.servers
def test_a_queue_is_made_once_and_its_settings_say_where_it_is_but_no_credentials(
    laptop: Laptop, server: BucketServer, url: str
) -> None:
    assert laptop.types(f"init --store {url}").splitlines() == [
        f"made: a queue in {url}",
        f"written: {laptop.settings_file}",
        "next: qcqueue data sample",
    ]
    written = tomllib.loads(laptop.settings_file.read_text())
    region = {"region": "us-east-1"} if server.scheme == "s3" else {}
    assert written == {"store": url, "endpoint": server.endpoint} | region
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AZURE_STORAGE_ENDPOINT"):
        laptop.patch.delenv(name, raising=False)
    assert f"there is a queue in {url} already" in laptop.types("init")
    assert "The queue is empty." in laptop.types("status")
    for line in ("doctor", "status --json", "store verify", "store usage", "store gc", "notebook --out worker.ipynb"):
        said = laptop.types(line)
        assert not any(secret in said for secret in _secrets(server))
    assert not any(secret in (laptop.folder / "worker.ipynb").read_text() for secret in _secrets(server))


@pytest.mark.servers
def test_a_rehearsal_stores_nothing(laptop: Laptop, server: BucketServer, url: str) -> None:
    assert f"would be made: a queue in {url}" in laptop.types(f"init --store {url} --dry-run")
    assert "there is no queue in" in laptop.types(f"doctor --store {url}", code=4)


@pytest.mark.servers
def test_the_doctor_says_where_the_bucket_is_and_advises_a_rule_for_what_uploads_leave(
    laptop: Laptop, server: BucketServer, url: str
) -> None:
    laptop.types(f"init --store {url}")
    said = laptop.types("doctor")
    assert f"{url} at {server.endpoint} answers" in said
    assert "a name that is taken is refused, and keeps its bytes" in said
    assert "goes with the bucket's" in said
    assert ("until a lifecycle rule removes them" in said) == (server.scheme == "s3")  # Azure does it by itself
    assert [line for line in said.splitlines() if line.startswith(("warning", "problem"))] == []


@pytest.mark.servers
def test_what_lies_under_the_prefix_already_is_left_alone(laptop: Laptop, server: BucketServer, url: str) -> None:
    laptop.types(f"init --store {url}/deeper")
    said = laptop.types(f"init --store {url}", code=2)
    assert "holds other objects, such as deeper/" in said
    assert f"qcqueue init --store {url}/queue" in said


@pytest.mark.servers
def test_no_bucket_is_said_with_its_name(laptop: Laptop, server: BucketServer) -> None:
    url = f"{server.scheme}://nobody-made-it/queue"
    what = "container" if server.scheme == "az" else "bucket"
    for line in (f"init --store {url}", f"doctor --store {url}", f"status --store {url}"):
        if server.scheme == "s3" and not line.startswith("doctor"):
            continue  # SeaweedFS makes a bucket that is missing
        assert f"there is no {what} nobody-made-it\nnext: make it first" in laptop.types(line, code=4)


@pytest.mark.servers
def test_credentials_that_are_wrong_or_missing_are_said_with_their_names(
    laptop: Laptop, server: BucketServer, url: str
) -> None:
    wrong = "Wrong+" + "A" * 82
    for name in ("AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY"):
        laptop.patch.setenv(name, wrong)
    keys = {"s3": "AWS_ACCESS_KEY_ID", "az": "AZURE_STORAGE_ACCOUNT_NAME"}[server.scheme]
    for line in (f"init --store {url}", f"doctor --store {url}", f"status --store {url}"):
        said = laptop.types(line, code=4)
        assert "does not accept the credentials of this machine" in said or "has no credentials for" in said
        assert keys in said
        assert wrong not in said


@pytest.mark.servers
def test_credentials_that_may_only_read_are_told_what_a_queue_needs(laptop: Laptop) -> None:
    server = bucket_server("s3")
    laptop.sets(server)
    url = f"s3://{shared_bucket('s3')}/only-read"
    laptop.patch.setenv("AWS_ACCESS_KEY_ID", "reader")
    laptop.patch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["reader"])
    said = laptop.types(f"init --store {url}", code=4)
    assert f"these credentials may not do in {url} what a queue needs" in said
    assert "allow reading, writing, deleting and listing below only-read/" in said


@pytest.mark.parametrize("scheme", SERVERS)
def test_a_server_that_is_not_there_is_away_and_one_that_says_nothing_did_not_answer(
    scheme: str, laptop: Laptop
) -> None:
    laptop.patch.setattr(bucket_module, "QUICK", AskLimits(timeout_s=0.5, repeats=0, in_all_s=1.0))
    laptop.patch.setenv("AWS_ACCESS_KEY_ID", "writer")
    laptop.patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    laptop.patch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}/account"
        laptop.patch.setenv("AWS_ENDPOINT_URL", endpoint)
        laptop.patch.setenv("AZURE_STORAGE_ENDPOINT", endpoint)
        line = f"status --store {scheme}://bucket/queue"
        said = laptop.types(line, code=4)
        assert "bucket cannot be reached from this machine" in said or "container bucket cannot be reached" in said
        assert "the endpoint in qcqueue.toml" in said
        silent.listen()
        assert "bucket did not answer" in laptop.types(line, code=4)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_ENDPOINT_URL", "minio.lab:9000", "is no address of a server"),
        ("AWS_ENDPOINT_URL", "https://", "is no address of a server"),
        ("AWS_ENDPOINT_URL", "https://ada:secret@minio.lab", "names an account"),
        ("AWS_REGION", "Europe (Ireland)", "is none; it is written like eu-west-1"),
    ],
)
def test_a_setting_that_names_no_place_is_refused_with_where_it_was_found(
    variable: str, value: str, said: str, laptop: Laptop
) -> None:
    laptop.patch.setenv(variable, value)
    answered = laptop.types("status --store s3://bucket/queue", code=2)
    assert f"(from {variable}) {said}" in answered
    assert "secret" not in answered


def test_what_is_written_of_a_bucket_counts_where_the_environment_says_nothing(tmp_path: Path) -> None:
    lines = ('store = "s3://bucket/queue"', 'region = "eu-west-1"', 'endpoint = "https://s3.lab/"')
    (tmp_path / "qcqueue.toml").write_text("\n".join(lines))
    home = {"HOME": str(tmp_path)}
    found = load_settings(folder=tmp_path, environment=home)
    assert (found.region, found.endpoint) == ("eu-west-1", "https://s3.lab")
    found = load_settings(folder=tmp_path, environment=home | {"AWS_REGION": "a", "AWS_ENDPOINT_URL": "http://b:1"})
    assert (found.region, found.endpoint) == ("a", "http://b:1")
    found = load_settings(folder=tmp_path, environment=home, store="az://container/queue")
    assert (found.region, found.endpoint) == (None, None)
    access = load_settings(folder=tmp_path, environment=home).access(environ={})
    assert (access.region, access.server) == ("eu-west-1", "https://s3.lab")


def _secrets(server: BucketServer) -> list[str]:
    return [value for name, value in server.environment.items() if name.endswith(("SECRET_ACCESS_KEY", "ACCOUNT_KEY"))]
