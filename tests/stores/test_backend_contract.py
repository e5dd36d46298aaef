"""Every kind of store of the table, and one that is added, keeps the promises of `stores.base.Backend`."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qcqueue.app.settings import Settings
from qcqueue.clock import SystemClock
from qcqueue.conformance.backends import BackendContract
from qcqueue.stores import registry
from qcqueue.stores.drive import caller
from tests.stores import memory
from tests.support import members
from tests.support.drive.accounts import App
from tests.support.drive.emulator import DriveEmulator

ADDRESSES = {"folder": "{folder}/queue", "shared": "{folder}/queue", "gdrive": "new", "memory": "lab"}


class TestEveryBackend(BackendContract):
    @pytest.fixture(params=list(ADDRESSES))
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
            yield Settings(
                store=f"{scheme}:{ADDRESSES[scheme].format(folder=tmp_path)}",
                cache=tmp_path / "cache",
                config=tmp_path / "config",
                source="a test",
                token=json.dumps(grant.stored(drive.url)),
                drive_endpoint=drive.url,
            )


def test_every_row_of_the_table_is_tried() -> None:
    assert {*registry.STORES} == {*members.STORES} == {*ADDRESSES} - {"memory"}
