"""Sign-ins of the live tests, and what one run writes down for a later one.

All of it goes through `qcqueue.stores.drive`, so that what is tried is what qcqueue does. A sign-in that is not given
skips the tests that need it, and says how to make one.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from qcqueue.app.settings import load_settings
from qcqueue.clock import SystemClock, fresh_seed, seeded
from qcqueue.stores.drive.caller import Caller, Raw, RetryLimits
from qcqueue.stores.drive.files import DriveFile, DriveFiles, NewFile
from qcqueue.stores.drive.token import Token, parse_token

MAIN = "QCQUEUE_LIVE_TOKEN"
TV = "QCQUEUE_LIVE_TOKEN_TV"
OTHER_PROJECT = "QCQUEUE_LIVE_TOKEN_OTHER_PROJECT"
OTHER_ACCOUNT = "QCQUEUE_LIVE_TOKEN_OTHER_ACCOUNT"
STATE = "QCQUEUE_LIVE_STATE"

HOW_TO_SIGN_IN = {
    MAIN: "the JSON that `qcqueue login` keeps, of a throw-away account",
    TV: "what `qcqueue colab-token` prints for the same account and Cloud project",
    OTHER_PROJECT: "the same account, with a client of another Cloud project",
    OTHER_ACCOUNT: "another throw-away account, with the client of the same project",
}
PATIENCE = RetryLimits(tries=8, tries_away=2, timeout_s=60.0, lag_s=60.0)
REFUSALS = (400, 401, 403, 404, 409, 410, 412, 500)
ANY_STATUS = tuple(range(200, 600))


@dataclass(slots=True)
class Account:
    """One client of one Google account. made: what it left outside of the tests' own folder."""

    token: Token
    files: DriveFiles
    made: list[str] = field(default_factory=list)

    @property
    def service(self) -> Any:
        return self.files.caller.service

    def ask(self, make: Callable[[], Any]) -> Any:
        """Carry out a request of googleapiclient's."""
        return self.files.caller.change(make)

    def status_of(self, make: Callable[[], Any]) -> int:
        """Carry out a request that may be refused; return 200 or the status of the refusal."""
        refusals = {status: status for status in REFUSALS}
        return int(self.files.caller.change(make, accept=refusals, reading=lambda answer: 200))

    def insert(self, folder: str, title: str, data: bytes | None = b"", *, file_id: str = "") -> DriveFile | None:
        """Insert a file, under an id of its own unless one is given; None is a 409."""
        return self.files.insert(NewFile(id=file_id or self.files.reserve(), title=title, parent=folder, data=data))

    def insert_outside(self, file_id: str) -> int:
        """Insert an id at the top of this account's own Drive; return the status."""
        self.made.append(file_id)
        new = NewFile(id=file_id, title="qcqueue live test", parent="")
        return self.status_of(lambda: self.service.files().insert(body=new.body, fields="id"))

    def put(self, session: str, data: bytes, first: int, size_bytes: int) -> Raw:
        """Send a chunk of a resumable upload; no bytes ask how many there are."""
        at = f"{first}-{first + len(data) - 1}" if data else "*"
        headers = {"Content-Range": f"bytes {at}/{size_bytes}", "Content-Length": str(len(data))}
        return self.files.caller.send(session, method="PUT", body=data, headers=headers, accept=ANY_STATUS)

    def used_bytes(self) -> int:
        """Return how much of its quota the account uses, bin, mail and photos included."""
        found = self.files.caller.read(lambda: self.service.about().get(fields="quotaBytesUsedAggregate"))
        return int(found["quotaBytesUsedAggregate"])


def account(variable: str) -> Account:
    """Connect with the sign-in in a variable, anew: each call is another machine. Without one the test is skipped."""
    text = os.environ.get(variable)
    if not text:
        pytest.skip(f"{variable} is not set: {HOW_TO_SIGN_IN[variable]}")
    endpoint = load_settings().drive_endpoint
    token = parse_token(text, source=variable, endpoint=endpoint)
    caller = Caller(lambda: token, endpoint=endpoint, patience=PATIENCE, clock=SystemClock(), rng=seeded(fresh_seed()))
    return Account(token, DriveFiles(caller))


@contextmanager
def tidy(variable: str) -> Iterator[Account]:
    """As `account`, and delete for good what it made outside of the tests' folder."""
    here = account(variable)
    yield here
    for file_id in here.made:
        here.files.delete(file_id)


def answer_of_a_person(variable: str, what_to_do: str) -> str:
    """Return what a person saw where no test can look; without it the test is skipped, and says what to do."""
    if answer := os.environ.get(variable):
        return answer
    pytest.skip(f"{what_to_do}; then set {variable} to what you saw")


class Notes:
    """What one run writes down for a later one, in the file that QCQUEUE_LIVE_STATE names."""

    def __init__(self) -> None:
        if not (name := os.environ.get(STATE)):
            pytest.skip(f"{STATE} is not set: a file that is kept between runs, for what takes an hour, a day, a month")
        self._path = Path(name)
        self._now_s = SystemClock().now_s()

    def age_s(self, what: str) -> float | None:
        """Return how long ago something was written down, None where it never was."""
        known = self._read()
        if what in known:
            return self._now_s - float(known[what]["at_s"])
        return None

    def value(self, what: str) -> str:
        return str(self._read()[what]["value"])

    def write(self, what: str, value: str) -> None:
        self._save(self._read() | {what: {"value": value, "at_s": self._now_s}})

    def forget(self, what: str) -> None:
        self._save({key: value for key, value in self._read().items() if key != what})

    def _read(self) -> dict[str, Any]:
        return json.loads(self._path.read_text(encoding="utf-8")) if self._path.exists() else {}

    def _save(self, known: dict[str, Any]) -> None:
        self._path.write_text(json.dumps(known, indent=1), encoding="utf-8")


def fingerprint(token: Token) -> str:
    """Return a name for a sign-in from which nobody gets back to it."""
    return hashlib.sha256(token.refresh_token.encode()).hexdigest()[:12]
