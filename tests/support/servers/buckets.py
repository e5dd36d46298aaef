"""SeaweedFS as S3, and azurite as Azure Blob Storage: how each is started, and buckets made in them.

A `BucketServer` is made of text only, so that another process can open the same bucket with it. What it holds are the
published keys of emulators, or ones made up here.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from qcqueue.clock import RandomIds
from tests.support.drive.accounts import CANARY
from tests.support.servers.programs import at_work, free_ports, program

if TYPE_CHECKING:
    from obstore.store import AzureStore, S3Store

WEED = ("weed", "seaweedfs/bin/weed")
AZURITE = ("azurite-blob", "azurite/node_modules/.bin/azurite-blob")

ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of every azurite, as its documentation prints it."""

# The first may do anything, the second only look.
KEYS = {name: f"{CANARY}-of-the-{name}" for name in ("writer", "reader")}
REGION = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketServer:
    """A server that is at work. environment: what a person who uses it has set."""

    scheme: str
    endpoint: str
    environment: Mapping[str, str] = field(repr=False)

    def sign_put(self, path: str) -> str:
        """Return the address to which anybody may put an object for a minute. path: of the object on the server."""
        import obstore

        bucket, _, name = path.removeprefix(urlsplit(self.endpoint).path).lstrip("/").partition("/")
        return obstore.sign(_as_writer(self, bucket), "PUT", name, timedelta(minutes=1))

    def make_bucket(self) -> str:
        """Make a bucket with a new name and return it."""
        name = f"bucket-{RandomIds().new()}"
        if self.scheme == "az":
            _make_container(self.endpoint, name)
        else:
            _make_s3_bucket(self, name)
        return name


def _make_s3_bucket(server: BucketServer, name: str) -> None:
    request = urllib.request.Request(server.sign_put(f"/{name}/"), method="PUT")
    with urllib.request.urlopen(request, timeout=30):
        pass


@contextlib.contextmanager
def seaweedfs() -> Iterator[BucketServer]:
    """Let SeaweedFS work as S3."""
    weed = program(*WEED)
    assert weed, "scripts/servers installs SeaweedFS"
    parts = ("master", "volume", "filer", "s3")
    ports = dict(zip([f"{part}.port{kind}" for part in parts for kind in ("", ".grpc")], free_ports(8), strict=True))

    def command(folder: Path) -> list[str]:
        rights = {"writer": ["Admin", "Read", "Write", "List", "Tagging"], "reader": ["Read", "List"]}
        identities = [
            {"name": name, "credentials": [{"accessKey": name, "secretKey": secret}], "actions": rights[name]}
            for name, secret in KEYS.items()
        ]
        (folder / "s3.json").write_text(json.dumps({"identities": identities}))
        return [
            *(str(weed), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"),
            *(f"-s3.config={folder / 's3.json'}", "-master.volumeSizeLimitMB=64", "-volume.max=400"),
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
            *(f"-{name}={port}" for name, port in ports.items()),
        ]

    endpoint = f"http://127.0.0.1:{ports['s3.port']}"

    environment = {"AWS_ACCESS_KEY_ID": "writer", "AWS_SECRET_ACCESS_KEY": KEYS["writer"], "AWS_REGION": REGION}
    server = BucketServer(scheme="s3", endpoint=endpoint, environment=environment | {"AWS_ENDPOINT_URL": endpoint})

    def is_ready() -> bool:
        try:
            _make_s3_bucket(server, "ready")
        except OSError:
            return False
        return _takes_bytes(server)

    with at_work(command, is_ready=is_ready):
        yield server


def _takes_bytes(server: BucketServer) -> bool:
    """Return whether it stores bytes already, which it does some seconds after it answers."""
    import obstore
    from obstore.exceptions import BaseError

    try:
        obstore.put(_as_writer(server, "ready"), "ready", b"bytes")
    except BaseError:
        return False
    return True


def _as_writer(server: BucketServer, bucket: str) -> "S3Store | AzureStore":
    from obstore.store import AzureStore, S3Store

    if server.scheme == "az":
        return AzureStore(
            bucket,
            endpoint=server.endpoint,
            account_name=ACCOUNT,
            account_key=ACCOUNT_KEY,
            client_options={"allow_http": True},
        )
    return S3Store(
        bucket,
        endpoint=server.endpoint,
        access_key_id="writer",
        secret_access_key=KEYS["writer"],
        region=REGION,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


@contextlib.contextmanager
def azurite() -> Iterator[BucketServer]:
    """Let azurite work as Azure Blob Storage."""
    found = program(*AZURITE)
    assert found, "scripts/servers installs azurite"
    (port,) = free_ports(1)
    root = f"http://127.0.0.1:{port}"

    def command(folder: Path) -> list[str]:
        return [
            *(str(found), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)),
            *("--silent", "--skipApiVersionCheck"),
        ]

    def is_ready() -> bool:
        try:
            urllib.request.urlopen(root, timeout=5)
        except urllib.error.HTTPError:  # it refuses, and so it is there
            return True
        except OSError:
            return False
        return True

    with at_work(command, is_ready=is_ready):
        endpoint = f"{root}/{ACCOUNT}"
        environment = {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY}
        environment |= {"AZURE_STORAGE_ENDPOINT": endpoint}
        yield BucketServer(scheme="az", endpoint=endpoint, environment=environment)


def _make_container(endpoint: str, name: str) -> None:
    """Make a container, signed as Azure wants it: by the key of the account."""
    date, version = formatdate(usegmt=True), "2021-08-06"
    named = f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    said = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n{named}"
    signature = base64.b64encode(hmac.digest(base64.b64decode(ACCOUNT_KEY), said.encode(), hashlib.sha256)).decode()
    headers = {"x-ms-date": date, "x-ms-version": version, "Content-Length": "0"}
    headers |= {"Authorization": f"SharedKey {ACCOUNT}:{signature}"}
    request = urllib.request.Request(f"{endpoint}/{name}?restype=container", method="PUT", headers=headers)
    with urllib.request.urlopen(request, timeout=30):
        pass
