"""A person with a Google account and a laptop, before an emulated Drive: they sign in, type commands, and look.

The clock of the laptop can be set, because a wrong one and a week that has passed are things a person lives through.
Whatever waits, as for another try of a request, does so at once: the time is over, for the laptop and for Google.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from qcqueue.app.settings import Settings, load_settings
from qcqueue.cli.main import run
from qcqueue.clock import SystemClock
from qcqueue.stores.drive.sign_in import token_path
from qcqueue.stores.drive.token import FILE_SCOPE, Token, parse_token, write_token
from tests.support.drive.accounts import App, User
from tests.support.drive.emulator import DriveEmulator

ADA = "ada@example.com"
DAY_S = 24 * 3600.0


TRUE_TIME, TRUE_MONOTONIC = SystemClock.now_s, SystemClock.monotonic_s


class GooglesClock(SystemClock):
    """A clock that stays right when the one of the laptop is set."""

    def now_s(self) -> float:
        return TRUE_TIME(self)


@dataclass(slots=True)
class Laptop:
    """Ada's. ahead_s: how far its clock was set ahead of the truth; waited_s: how long its commands have slept."""

    folder: Path
    emulator: DriveEmulator
    app: App
    ada: User
    patch: pytest.MonkeyPatch
    said: pytest.CaptureFixture[str]
    ahead_s: float = 0.0
    waited_s: float = 0.0

    def types(self, line: str, *, code: int = 0) -> tuple[str, str]:
        """Type a command; return what it says on both streams."""
        found = run(line.split())
        out, err = self.said.readouterr()
        assert found == code, out + err
        return out, err

    @property
    def settings(self) -> Settings:
        return load_settings(folder=self.folder)

    def sign_in(self, *scopes: str, user: User | None = None, app: App | None = None) -> Token:
        """Sign in as `login` does, and keep it in place of what was there."""
        token = self.token(*scopes, user=user, app=app)
        write_token(token_path(self.settings.access()), token)
        return token

    def token(self, *scopes: str, user: User | None = None, app: App | None = None) -> Token:
        grant = self.emulator.sign_in("laptop", user or self.ada, app or self.app, *scopes)
        stored = grant.stored(self.emulator.url) | {"scopes": [FILE_SCOPE]}
        token = parse_token(json.dumps(stored), source="the test", endpoint=self.emulator.url)
        return replace(token, granted_at_s=SystemClock().now_s(), account=grant.user.email)

    def let_pass(self, seconds: float) -> None:
        """Let time pass for everybody."""
        self.emulator.time.advance(seconds)
        self.ahead_s += seconds

    def wait(self, seconds: float) -> None:
        """Sleep, without taking that long."""
        self.let_pass(seconds)
        self.waited_s += seconds

    def make_queue(self) -> str:
        """Return the id of the folder of a new queue."""
        self.types("init --store gdrive:new")
        return str(self.settings.store).removeprefix("gdrive:")

    def lose_network(self) -> None:
        """Nobody listens at that address any more."""
        self.patch.setenv("QCQUEUE_DRIVE_ENDPOINT", "http://127.0.0.1:9/")
        path = token_path(self.settings.access())
        if path.exists():
            path.write_text(path.read_text().replace(self.emulator.url, "http://127.0.0.1:9"))


@contextmanager
def a_laptop(folder: Path, patch: pytest.MonkeyPatch, said: pytest.CaptureFixture[str]) -> Iterator[Laptop]:
    """Yield a laptop whose person has an account and is signed in nowhere."""
    for name in ("QCQUEUE_STORE", "QCQUEUE_TOKEN", "QCQUEUE_OWNER", "NO_COLOR", "FORCE_COLOR"):
        patch.delenv(name, raising=False)
    patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    patch.setenv("QCQUEUE_CACHE", str(folder / "cache"))
    home = folder / "home"
    home.mkdir()
    patch.chdir(home)
    with DriveEmulator(GooglesClock()) as emulator:
        laptop = Laptop(home, emulator, App(name="qcqueue"), emulator.user(ADA), patch, said)
        patch.setenv("QCQUEUE_DRIVE_ENDPOINT", f"{emulator.url}/")
        patch.setattr(SystemClock, "now_s", lambda clock: TRUE_TIME(clock) + laptop.ahead_s)
        patch.setattr(SystemClock, "monotonic_s", lambda clock: TRUE_MONOTONIC(clock) + laptop.waited_s)
        patch.setattr(SystemClock, "sleep", lambda _, seconds: laptop.wait(seconds))
        yield laptop
