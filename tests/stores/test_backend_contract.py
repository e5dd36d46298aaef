"""Every kind of store of the table, and one that is added, keeps the promises of `stores.base.Backend`."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qcqueue.app.settings import Settings
from qcqueue.clock import RandomIds, SystemClock
from qcqueue.conformance.backends import BackendContract
from qcqueue.stores import registry
from qcqueue.stores.drive import caller
from tests.stores import memory
from tests.support import members
from tests.support.drive.accounts import App
from tests.support.drive.emulator import DriveEmulator
from tests.support.servers.running import bucket_server, shared_bucket

ADDRESSES = {
    "folder": "{folder}/queue",
    "shared": "{folder}/queue",
    "gdrive": "new",
    "memory": "lab",
    "s3": "//{bucket}/queue",
    "az": "//{bucket}/lab/queue",
}
NOT_HERE = {"gs"}
"""What no server of this machine can stand for."""


class TestEveryBackend(BackendContract):
    @pytest.fixture(params=members.params(ADDRESSES))
    def asked(
        self, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Settings]:
        scheme = request.param
        monkeypatch.setattr(registry, "STORES", {**registry.STORES, "memory": memory.KIND})
        monkeypatch.setattr(memory, "STORED", {})
        # Nothing is late on this Drive: what is not there is not waited for.
        monkeypatch.setattr(caller, "QUICK", replace(caller.QUICK, lag_s=0.1))
        with DriveEmulator(SystemClock()) as drive:
            grant = drive.sign_in("a machine", drive.user("ada@example.com"), App(name="qcqueue"))
            server, bucket = bucket_server(scheme) if scheme in members.SERVED else None, ""
            if server:
                bucket = f"{shared_bucket(scheme)}/{RandomIds().new()}"
                for name, value in server.environment.items():
                    monkeypatch.setenv(name, value)
            yield Settings(
                store=f"{scheme}:{ADDRESSES[scheme].format(folder=tmp_path, bucket=bucket)}",
                cache=tmp_path / "cache",
                config=tmp_path / "config",
                source="a test",
                token=json.dumps(grant.stored(drive.url)),
                drive_endpoint=drive.url,
                endpoint=server.endpoint if server else None,
            )


def test_every_row_of_the_table_is_tried() -> None:
    assert {*registry.STORES} - NOT_HERE == {*members.STORES} == {*ADDRESSES} - {"memory"}
