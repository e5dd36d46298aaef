"""A queue on an emulated Drive and the machines that use it, each with a sign-in of its own.

Time is one patient clock, of Google and of all machines: it moves only when somebody waits, so that minutes of pauses
and lags cost nothing.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from qcqueue.errors import StoreError
from qcqueue.stores.drive.caller import RetryLimits
from qcqueue.stores.drive.files import DriveFiles
from qcqueue.stores.drive.layout import DriveLayout, RememberedHome, furnish, make_home
from qcqueue.stores.drive.slots import DriveSlots
from qcqueue.stores.drive.store import DriveStore
from tests.stores_drive.people import PatientClock
from tests.support.drive.accounts import App, User
from tests.support.drive.choices import Choices
from tests.support.drive.emulator import DriveEmulator
from tests.support.drive.owner import Owner
from tests.support.drive.places import files_on

MB = 1 << 20
PATIENT = RetryLimits(tries=8, tries_away=4, timeout_s=20.0, lag_s=40.0)


@dataclass(frozen=True, slots=True)
class Machine:
    """What one process of one machine has."""

    files: DriveFiles
    store: DriveStore
    slots: DriveSlots


class Queue:
    """An emulator, Ada's account, and the folder of a queue in it without a version."""

    def __init__(self, emulator: DriveEmulator, clock: PatientClock, quota_bytes: int) -> None:
        self.emulator = emulator
        self.clock = clock
        self.app = App(name="qcqueue")
        self.ada = emulator.user("ada@example.com", quota_bytes=quota_bytes)
        self.owner: Owner = emulator.owner(self.ada)
        files = self.files("laptop")
        self.home: DriveLayout = make_home(files, self.ada.email)
        furnish(files, self.home)
        emulator.log.clear()

    def signed_in(self, label: str, *, user: User | None = None, app: App | None = None) -> str:
        grant = self.emulator.sign_in(label, user or self.ada, app or self.app)
        return json.dumps(grant.stored(self.emulator.url))

    def files(
        self, label: str, *, patience: RetryLimits = PATIENT, user: User | None = None, app: App | None = None
    ) -> DriveFiles:
        signed_in = self.signed_in(label, user=user, app=app)
        return files_on(self.emulator.url, signed_in, clock=self.clock, patience=patience)

    def machine(self, root: Path, label: str = "session", *, patience: RetryLimits = PATIENT) -> Machine:
        """Return a new process on the machine whose cache is `root`."""
        files = self.files(label, patience=patience)
        home = RememberedHome(files, self.home.folder, root / "home.json")
        store = DriveStore(files, home, folder=self.home.folder, journal=root / "uploads")
        return Machine(files, store, DriveSlots(files, home, folder=self.home.folder))

    def has(self, file_id: str) -> bool:
        return file_id in {file.id for file in self.owner.files()}

    def asked(self) -> list[str]:
        """Return what was asked of Drive since the last time, in order; signing in is left out."""
        found = [one.operation for one in self.emulator.log if not one.operation.startswith("oauth.")]
        self.emulator.log.clear()
        return found

    def sent_bytes(self) -> int:
        """Return how many bytes of files arrived, again and again or not."""
        return sum(one.sent_bytes for one in self.emulator.log if one.operation == "upload.chunk")


@contextmanager
def queue(choices: Choices | None = None, *, quota_bytes: int = 1 << 30, seed: int = 1) -> Iterator[Queue]:
    clock = PatientClock()
    with DriveEmulator(clock, seed=seed, choices=choices) as emulator:
        yield Queue(emulator, clock, quota_bytes)


def file_of(folder: Path, size_bytes: int, name: str = "source") -> Path:
    """Write a file whose bytes its name and size decide."""
    path = folder / name
    path.write_bytes(hashlib.shake_128(f"{name}/{size_bytes}".encode()).digest(size_bytes))
    return path


def failed(ask: Callable[[], object]) -> StoreError:
    """Return the error of the store in which a question ends."""
    with pytest.raises(StoreError) as caught:
        ask()
    return caught.value
