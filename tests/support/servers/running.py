"""The servers that this test session has started: each once, when it is first wanted, all killed at its end.

What a machine has not got is named at the end of a run, and its tests are skipped.
"""

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from tests.support.servers.buckets import AZURITE, WEED, BucketServer, azurite, seaweedfs
from tests.support.servers.postgres import programs
from tests.support.servers.programs import program


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A server as tests want it. name: of what it is. places: see `programs.program`."""

    name: str
    places: tuple[str, ...]
    start: Callable[[], AbstractContextManager[BucketServer]]

    @property
    def is_there(self) -> bool:
        return program(*self.places) is not None


PROGRAMS: Mapping[str, Program] = {
    "s3": Program(name="SeaweedFS", places=WEED, start=seaweedfs),
    "az": Program(name="azurite", places=AZURITE, start=azurite),
}
"""The servers that stand for the services of buckets, by the scheme of their URLs."""

_ENDS = contextlib.ExitStack()
_RUNNING: dict[str, BucketServer] = {}
_BUCKETS: dict[str, str] = {}


def bucket_server(scheme: str) -> BucketServer:
    """Return the server for URLs of this kind. The test is skipped where this machine has none."""
    wanted = PROGRAMS[scheme]
    if not wanted.is_there:
        pytest.skip(f"{wanted.name} is not on this machine; scripts/servers installs it")
    if scheme not in _RUNNING:
        _RUNNING[scheme] = _ENDS.enter_context(wanted.start())
    return _RUNNING[scheme]


def shared_bucket(scheme: str) -> str:
    """Return a bucket for all who keep to a prefix of their own: SeaweedFS has room for some dozens of buckets."""
    if scheme not in _BUCKETS:
        _BUCKETS[scheme] = bucket_server(scheme).make_bucket()
    return _BUCKETS[scheme]


def kill_servers() -> None:
    """End what was started."""
    _ENDS.close()
    _RUNNING.clear()
    _BUCKETS.clear()


def not_there() -> list[str]:
    """Return the names of the servers that this machine has not got."""
    lacking = [it.name for it in PROGRAMS.values() if not it.is_there]
    return lacking if programs() else [*lacking, "PostgreSQL"]
