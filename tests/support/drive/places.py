"""A queue on an emulated Drive, as the conformance classes want it: reachable from any process, spoilt from outside.

`running` starts an emulator in this process and makes a queue on it; what it yields is made of text only, so that
another process can open the same queue over HTTP. Importing this needs none of Drive's libraries; opening does.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qcqueue.clock import Clock, SystemClock, seeded
from qcqueue.stores.base import Blob, Slots, Store
from qcqueue.stores.drive.token import parse_token
from tests.support.drive.accounts import App, Grant, User
from tests.support.drive.emulator import DriveEmulator

if TYPE_CHECKING:
    from qcqueue.stores.drive.caller import RetryLimits
    from qcqueue.stores.drive.files import DriveFiles

ADA = "ada@example.com"
QUOTA_BYTES = 1 << 30

# Emulators of this process, by URL: what a person does behind the back of a store needs the object itself.
_RUNNING: dict[str, tuple[DriveEmulator, User]] = {}


def files_on(url: str, signed_in: str, *, clock: Clock, patience: "RetryLimits | None" = None) -> "DriveFiles":
    """Connect to the emulator at `url`. signed_in: a grant as JSON. patience: by default, for a sound network."""
    from qcqueue.stores.drive.caller import Caller, RetryLimits
    from qcqueue.stores.drive.files import DriveFiles

    token = parse_token(signed_in, source="the test", endpoint=url)
    patience = patience or RetryLimits(tries=8, tries_away=1, timeout_s=20.0, lag_s=0.0)
    return DriveFiles(Caller(lambda: token, endpoint=url, patience=patience, clock=clock, rng=seeded(os.getpid())))


@contextlib.contextmanager
def a_queue(clock: Clock) -> Iterator[tuple[DriveEmulator, Grant, str]]:
    """Yield a running emulator, a sign-in, and the folder of a queue that has no version yet."""
    from qcqueue.stores.drive.layout import furnish, make_home

    with DriveEmulator(clock) as emulator:
        ada = emulator.user(ADA, quota_bytes=QUOTA_BYTES)
        grant = emulator.sign_in("machine", ada, App(name="qcqueue"))
        files = files_on(emulator.url, json.dumps(grant.stored(emulator.url)), clock=SystemClock())
        home = make_home(files, ADA)
        furnish(files, home)
        _RUNNING[emulator.url] = emulator, ada
        try:
            yield emulator, grant, home.folder
        finally:
            del _RUNNING[emulator.url]


@dataclass(frozen=True, slots=True)
class OnDrive:
    """A store in a folder on Drive."""

    url: str = ""
    signed_in: str = ""
    folder: str = ""
    tick_s: float = 0.0

    @contextlib.contextmanager
    def running(self, clock: Clock) -> "Iterator[OnDrive]":
        with a_queue(clock) as (emulator, grant, folder):
            yield OnDrive(emulator.url, json.dumps(grant.stored(emulator.url)), folder)

    def open(self, root: Path, clock: Clock) -> Store:
        from qcqueue.stores.drive.layout import RememberedHome
        from qcqueue.stores.drive.store import DriveStore

        files = files_on(self.url, self.signed_in, clock=SystemClock())
        home = RememberedHome(files, self.folder, root / "home.json")
        return DriveStore(files, home, folder=self.folder, journal=root / "uploads")

    def overwrite(self, root: Path, blob: Blob, data: bytes) -> None:
        emulator, user = _RUNNING[self.url]
        emulator.owner(user).overwrite(blob.place, data)


@dataclass(frozen=True, slots=True)
class SlotsOnDrive:
    """Slots in a folder on Drive."""

    url: str = ""
    signed_in: str = ""
    folder: str = ""

    @contextlib.contextmanager
    def running(self) -> "Iterator[SlotsOnDrive]":
        with a_queue(SystemClock()) as (emulator, grant, folder):
            yield SlotsOnDrive(emulator.url, json.dumps(grant.stored(emulator.url)), folder)

    def open(self, root: Path) -> Slots:
        from qcqueue.stores.drive.layout import RememberedHome
        from qcqueue.stores.drive.slots import DriveSlots

        files = files_on(self.url, self.signed_in, clock=SystemClock())
        return DriveSlots(files, RememberedHome(files, self.folder, root / "home.json"), folder=self.folder)

    def attach(self, root: Path) -> Slots:
        return self.open(root)

    def bytes_of(self, root: Path) -> dict[str, bytes]:
        emulator, user = _RUNNING[self.url]
        owner = emulator.owner(user)
        return {file.id: owner.read(file.id) for file in owner.files() if file.title.startswith("version ")}
